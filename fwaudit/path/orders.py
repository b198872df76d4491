"""Base chains of one priority on one hook: the one that was registered last runs first (net/netfilter/core.c,
nf_hook_entries_grow), and in which order they were registered no dump tells.

Mostly that is all one: what either drops is dropped. It matters where one changes what the other asks about (a mark,
the destination), and where one of two nat chains translates addresses, since the others are not asked any more then,
not even those that drop (nf_nat_inet_fn). Then both orders are walked.
Whether a packet that both refuse is dropped or rejected is left to the order as listed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, groupby

from fwaudit.model.ruleset import CopyMark, Dnat, NetmapDnat, NoTrack, Redirect, SetMark, Snat, Template, Undecidable
from fwaudit.netfilter.hooks import BaseChain
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.reads import BIT, mask_of

_DESTINATION = mask_of(("dst", "dport", "ct_dnat", "reply_src", "reply_sport"))
_SOURCE = mask_of(("ct_snat", "reply_dst"))
Order = tuple[BaseChain, ...]


def orders(chains: Order, compiled: Callable[[BaseChain], CompiledChain]) -> tuple[Order, ...]:
    """The orders to walk: as listed, and the other way round within each priority, where that may make a difference."""
    other: list[BaseChain] = []
    for _, group in groupby(chains, key=lambda base: base.place[0]):
        parts = [list(part) for _, part in groupby(group, key=lambda base: base.place)]
        filters = [base for part in parts for base in reversed(part) if base.chain.kind != "nat"]
        nats = [base for part in parts for base in reversed(part) if base.chain.kind == "nat"]
        other += filters + nats
    place = {id(base): i for i, base in enumerate(other)}
    turned = [(a, b) for a, b in combinations(chains, 2) if place[id(a)] > place[id(b)]]
    if all(_commute(compiled(a), compiled(b), a.chain.kind == b.chain.kind == "nat") for a, b in turned):
        return (chains,)
    return chains, tuple(other)


def _commute(a: CompiledChain, b: CompiledChain, nats: bool) -> bool:
    of_a, of_b = _writes(a), _writes(b)
    if nats and (of_a | of_b) & (_DESTINATION | _SOURCE):
        return False
    return not (of_a & (b.reads | of_b) or of_b & a.reads)


def _writes(chain: CompiledChain) -> int:
    """The fields that rules of a chain and below it may change."""
    out = 0
    for each in chain.subtree():
        for rule in each.texts.values():
            target = rule.target
            if isinstance(target, SetMark):
                out |= BIT[target.field]
            elif isinstance(target, CopyMark):
                out |= BIT[target.to]
            elif isinstance(target, NoTrack | Template):
                out |= BIT["ct_state"]
            elif isinstance(target, Dnat | Redirect | NetmapDnat):
                out |= _DESTINATION
            elif isinstance(target, Snat):
                out |= _SOURCE
            elif isinstance(target, Undecidable) and not target.terminal:
                out |= mask_of(("mark", "ct_mark"))
    return out
