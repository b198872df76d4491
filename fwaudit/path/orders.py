"""Base chains of one priority on one hook: the one that was registered last runs first (net/netfilter/core.c,
nf_hook_entries_grow), and in which order they were registered no dump tells.

Mostly that is all one: what either drops is dropped. It matters where one changes what the other asks about (a mark,
the destination), and where one of two nat chains translates addresses, since the others are not asked any more then,
not even those that drop (nf_nat_inet_fn). Then all orders of these are walked.
The kernel's own hooks stand in line like chains: connection tracking with chains of priority -200, and NAT, in which
the nat chains are, with chains of its priority.
Whether a packet that several refuse is dropped or rejected is left to the order as listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice, permutations, product

from fwaudit.model.ruleset import (
    CopyMark,
    Dnat,
    Hook,
    NetmapDnat,
    NoTrack,
    Redirect,
    SetMark,
    Snat,
    Template,
    Undecidable,
)
from fwaudit.netfilter.hooks import CONNTRACK, BaseChain, nat_place
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.reads import BIT, mask_of
from fwaudit.records import NamedTuple

MOST_ORDERS = 24
"""So many orders are walked, which are those of four chains that have to do with one another."""
_NAT_HOOKS = ("prerouting", "input", "output", "postrouting")

_DESTINATION = mask_of(("dst", "dport", "ct_dnat", "reply_src", "reply_sport"))
_SOURCE = mask_of(("src", "sport", "ct_snat", "reply_dst", "reply_dport"))
_TRACKED = mask_of(("ct_state", "ct_mark", "ct_direction", "ct_snat", "ct_dnat", "orig_src", "orig_dst", "orig_sport",
                    "orig_dport", "reply_src", "reply_dst", "reply_sport", "reply_dport"))
Order = tuple[BaseChain, ...]


class _Unit(NamedTuple):
    """What keeps together: one chain, or a hook of the kernel's own with the nat chains in it. Bits of the fields that
    it reads and that it changes."""

    chains: Order
    reads: int
    writes: int
    is_kernel: bool = False


def orders(chains: Order, compiled: Callable[[BaseChain], CompiledChain], hook: Hook) -> tuple[Order, ...]:
    """The orders to walk: as listed, and whatever others may make a difference; none where these are too many.

    A chain that runs in front of the hook of the kernel that has its priority, is given a priority before it.
    """
    found: list[Order] = [()]
    for place, group in groupby(chains, key=lambda base: base.place[0]):
        listed = tuple(group)
        own = _changed_by_kernel(place, hook)
        if len(listed) == 1 and (not own or listed[0].chain.kind == "nat"):
            ways: list[Order] = [listed]
        else:
            ways = list(islice(_group([_unit(base, compiled) for base in listed], own), MOST_ORDERS + 1))
        found = list(islice((one + other for one, other in product(found, ways)), MOST_ORDERS + 1))
    return tuple(found) if len(found) <= MOST_ORDERS else ()


def _unit(base: BaseChain, compiled: Callable[[BaseChain], CompiledChain]) -> _Unit:
    chain = compiled(base)
    return _Unit((base,), chain.reads, _writes(chain))


def _changed_by_kernel(place: int, hook: Hook) -> int:
    """The fields that the hook of the kernel's own at this priority changes; 0 where it has none."""
    if hook in _NAT_HOOKS and place == nat_place(hook):
        return _DESTINATION if hook in ("prerouting", "output") else _SOURCE
    return _TRACKED if hook in ("prerouting", "output") and place == CONNTRACK else 0


def _group(units: list[_Unit], own: int) -> Iterator[Order]:
    """The orders of chains of one priority, as listed first. ``own``: of `_changed_by_kernel`."""
    nats = [unit for unit in units if unit.chains[0].chain.kind == "nat"]
    units = [unit for unit in units if unit.chains[0].chain.kind != "nat"]
    if own:
        units.insert(0, _Unit((), own | _all(unit.reads for unit in nats), own | _all(unit.writes for unit in nats),
                              is_kernel=True))
    apart = [i for i, meddles in enumerate(_meddling(units)) if meddles]
    for inside in _inside(nats):
        for turned in permutations(apart):
            line = list(units)
            for old, new in zip(apart, turned, strict=True):
                line[old] = units[new]
            yield _in_line(line, inside)


def _in_line(units: list[_Unit], nats: Order) -> Order:
    """The chains of the units; those in front of the kernel's own hook a priority earlier."""
    out: Order = ()
    for unit in units:
        if unit.is_kernel:
            out = tuple([base._replace(place=(base.place[0] - 1, base.place[1])) for base in out]) + nats
        else:
            out += unit.chains
    return out


def _inside(nats: list[_Unit]) -> Iterator[Order]:
    """The orders of nat chains: by their own priority, and those of the same one in any, where that matters."""
    groups: list[list[Order]] = []
    for _, group in groupby(nats, key=lambda unit: unit.chains[0].place):
        same = list(group)
        listed = tuple(unit.chains[0] for unit in same)
        translate = _all(unit.writes for unit in same) & (_DESTINATION | _SOURCE)
        is_one = len(same) == 1 or not (translate or any(_meddling(same)))
        groups.append([listed] if is_one else list(islice(permutations(listed), MOST_ORDERS + 1)))
    for parts in product(*groups):
        yield tuple([base for part in parts for base in part])


def _meddling(units: list[_Unit]) -> list[bool]:
    """Of each unit, whether its place among the others may make a difference."""
    out = []
    for i, unit in enumerate(units):
        others = units[:i] + units[i + 1 :]
        reads, writes = _all(each.reads for each in others), _all(each.writes for each in others)
        out.append(bool(unit.writes & (reads | writes) or writes & unit.reads))
    return out


def _all(masks: Iterable[int]) -> int:
    out = 0
    for mask in masks:
        out |= mask
    return out


def _writes(chain: CompiledChain) -> int:
    """The fields that rules of a chain and below it may change."""
    out = 0
    for each in chain.subtree():
        for rule in each.rules.texts.values():
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
