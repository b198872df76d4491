"""Which interfaces and which addresses the rules of one family tell apart, in whatever field of a packet they look."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from fwaudit.model.condition import Named
from fwaudit.model.ruleset import Dnat, Hook, NetmapDnat, Redirect
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.reads import borders_in, mask_of
from fwaudit.path.tables import Tables

_HOOKS: tuple[Hook, ...] = ("prerouting", "input", "forward", "output", "postrouting")
Sets = dict[tuple[int, ...], None]
_OF_FIRST = frozenset({"dst", "orig_dst", "reply_src"})
"""Where rules find the destination of a connection's first packet, ..."""
_OF_ANSWERS = _OF_FIRST | {"src"}
"""... and where those that answers meet find it as well: all but those of nat."""
_ADDRESSES = mask_of(_OF_ANSWERS)
_IN_FRONT = mask_of(("src", "dst"))
"""The addresses that rules have in front of their other conditions."""
_MOST_SETS = 1 << 10
"""With more sets of addresses than that, each address is taken for one of its own: to look them all up is no gain."""


class ToldApart:
    """What the rules of all hooks ask of interfaces and addresses, without those of single devices (ingress, egress).

    ``sent_to``: the addresses that NAT sends packets to. ``shifts``: some NAT makes the new destination out of the old
    one or of the interface, so that more of these matters than what rules ask.
    """

    def __init__(self, tables: Tables, family: int) -> None:
        self.shifts = False
        self._names: set[Named] = set()
        self._sets: Sets | None = {}
        targets: list[tuple[int, int]] = []
        for chain, fields in _chains(tables, family):
            self._names |= chain.named
            for said in texts_of(chain.rules):
                target = said.target
                if isinstance(target, Dnat) and target.addresses is not None:
                    targets.append(target.addresses)
                elif isinstance(target, Dnat | Redirect | NetmapDnat):
                    self.shifts = True
            if self._sets is not None:
                self._sets = None if chain.whole & _ADDRESSES else _with(self._sets, _asked(chain, fields))
        self.sent_to = IntervalSet.from_ranges(targets)

    def door(self, name: str) -> object:
        """The same for interfaces of which rules say the same."""
        return frozenset([each for each in self._names
                          if (name.startswith(each.name) if each.prefix else name == each.name)])

    def place(self, address: int) -> object:
        """The same for addresses of which rules say the same."""
        if self._sets is None:
            return address
        return bytes([bisect_right(bounds, address) & 1 for bounds in self._sets])


def _chains(tables: Tables, family: int) -> Iterator[tuple[CompiledChain, frozenset[str]]]:
    """Each chain with the fields in which it may find a packet's destination."""
    seen: set[tuple[int, frozenset[str]]] = set()
    for hook in _HOOKS:
        for base in tables.base_chains(family, hook, ""):
            fields = _OF_FIRST if base.chain.kind == "nat" else _OF_ANSWERS
            for chain in tables.chain(base, family).subtree():
                key = chain.serial, fields
                if key not in seen:
                    seen.add(key)
                    yield chain, fields


def _with(sets: Sets, more: Iterator[tuple[int, ...]]) -> Sets | None:
    """The sets and some more of them; None where they get too many."""
    for bounds in more:
        sets[bounds] = None
        if len(sets) > _MOST_SETS:
            return None
    return sets


def _asked(chain: CompiledChain, fields: frozenset[str]) -> Iterator[tuple[int, ...]]:
    """The sets of addresses that a chain's own rules ask for in these fields, each as its borders."""
    if chain.asked & _ADDRESSES:
        for compiled in chain.texts.values():
            if compiled.reads & _ADDRESSES:
                for condition in compiled.conditions:
                    yield from (bounds for field, bounds in borders_in(condition) if field in fields)
    if chain.own_reads & _IN_FRONT:
        for _, src, dst, _ in chain.runs:
            if dst is not None:
                yield dst.bounds
            if src is not None and "src" in fields:
                yield src.bounds
