"""Which source ports the rules of a host tell apart: a sender chooses his, and so which rule he meets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from fwaudit.model.condition import All, AnyOf, Condition, In, Not
from fwaudit.model.ruleset import Hook
from fwaudit.packet.fields import MAX_PORT, PORT_PROTOCOLS
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.reads import mask_of
from fwaudit.path.state import CLIENT_PORTS
from fwaudit.path.tables import Tables

_HOOKS: tuple[Hook, ...] = ("ingress", "prerouting", "input", "forward", "postrouting")
_FIELDS = frozenset({"sport", "orig_sport", "reply_dport"})
_BITS = mask_of(_FIELDS)
_CLIENT = IntervalSet.range(*CLIENT_PORTS)
_MOST_KINDS = 64
"""Kinds of source ports that are asked about; the first ones, where hostile rules name more."""
_WIDE = 16
"""So many ports in a row that no rule names singly."""


def special_source_ports(tables: Tables, family: int, proto: int, device: str) -> tuple[IntervalSet, ...]:
    """The source ports that rules treat otherwise than those of all ordinary clients, by what rules ask: disjoint sets.

    Empty where no rule on the way from ``device`` asks for a source port of the protocol, as on most hosts.
    """
    if proto not in PORT_PROTOCOLS:
        return ()
    asked: dict[IntervalSet, None] = {}
    for chain in _chains(tables, family, device, _HOOKS):
        if chain.own_reads & _BITS:
            asked |= dict.fromkeys(_asked(chain, proto))
    kinds: list[IntervalSet] = [IntervalSet.range(0, MAX_PORT)]
    for values in list(asked)[:_MOST_KINDS]:
        kinds = [part for kind in kinds for part in (kind & values, kind - values) if part]
    return tuple(sorted((kind for kind in kinds if _CLIENT - kind), key=IntervalSet.lowest)[:_MOST_KINDS])


def unnamed_neighbour(tables: Tables, family: int, device: str, port: int) -> int | None:
    """The destination port next to ``port`` that no rule of INPUT names, though a range of a rule may hold both."""
    borders = {0, MAX_PORT + 1}
    for chain in _chains(tables, family, device, ("input",)):
        borders.update(chain.rules.borders("dport"))
    cuts = sorted(each for each in borders if each <= MAX_PORT + 1)
    near = [min(max(port, low), high - 1) for low, high in pairwise(cuts) if high - low >= _WIDE]
    return min(near, key=lambda each: abs(each - port), default=None)


def _chains(tables: Tables, family: int, device: str, hooks: tuple[Hook, ...]) -> Iterator[CompiledChain]:
    for hook in hooks:
        for base in tables.base_chains(family, hook, device):
            yield from tables.chain(base, family).subtree()


def _asked(chain: CompiledChain, proto: int) -> Iterator[IntervalSet]:
    for compiled in chain.rules.texts.values():
        if compiled.reads & _BITS and proto in _protocols(compiled.conditions):
            for condition in compiled.conditions:
                yield from _values(condition)


def _protocols(conditions: tuple[Condition, ...]) -> IntervalSet:
    protocols = ~EMPTY
    for condition in conditions:
        if isinstance(condition, In) and condition.field == "proto":
            protocols = protocols & condition.values
    return protocols


def _values(condition: Condition) -> Iterator[IntervalSet]:
    if isinstance(condition, In):
        if condition.field in _FIELDS:
            yield condition.values
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from _values(part)
    elif isinstance(condition, Not):
        yield from _values(condition.part)
