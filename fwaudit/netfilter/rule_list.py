"""The rules of one chain as a dump has them: each is made into a Rule when somebody looks at it.

A large ruleset is a few hundred texts that differ in the addresses in front of them, and most of its chains are never
asked about. So a chain keeps four references for each rule, and what two rules share is there once. 100,000 mixed rules
are read in two thirds of the time that as many Rule objects take, and in four fifths of the memory; a list of banned
addresses in a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from fwaudit.model.condition import In
from fwaudit.model.ruleset import Rule
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.packet.address import OCTETS
from fwaudit.packet.intervals import IntervalSet

Area = str | IntervalSet
"""Addresses of ``-s`` or ``-d``; as text (``192.0.2.0/24``, valid for certain) until somebody asks for the set."""

Row = tuple[RuleText | Rule, Area | None, Area | None, str]
"""(what the rule says behind its addresses, source, destination, the line of the dump)."""
ReadRow = tuple[RuleText | Rule, IntervalSet | None, IntervalSet | None, str]

_FREE_BITS = {str(length): 32 - length for length in range(33)}
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
NETWORK = rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}/(?:3[0-2]|[12]?[0-9])"
"""The pattern of an IPv4 network in the way that nearly all of them are printed, and nothing else."""


def network(text: str) -> IntervalSet:
    """The addresses of a text that NETWORK matches. Three times as fast as `parse_network`, which takes all forms."""
    a, b, c, last = text.split(".")
    d, _, length = last.partition("/")
    free = _FREE_BITS[length]
    low = (OCTETS[a] << 24 | OCTETS[b] << 16 | OCTETS[c] << 8 | OCTETS[d]) >> free << free
    return IntervalSet((low, low + (1 << free)))


class RuleList(Sequence[Rule]):
    """The rules of a chain, in order, by row."""

    __slots__ = ("_read", "_rows", "_texts")

    def __init__(self, rows: list[Row]) -> None:
        self._rows: Sequence[Row] = rows
        self._read: list[ReadRow] | None = None
        self._texts: tuple[RuleText | Rule, ...] | None = None

    def rows(self) -> list[ReadRow]:
        """The rows, with their addresses as sets; these are read when first asked for."""
        if self._read is None:
            self._read = [(said, network(src) if isinstance(src, str) else src,
                           network(dst) if isinstance(dst, str) else dst, text) for said, src, dst, text in self._rows]
            self._rows = self._read
        return self._read

    def has_addresses(self) -> tuple[bool, bool]:
        """Whether rules of the chain have a source, and whether they have a destination."""
        return any(row[1] is not None for row in self._rows), any(row[2] is not None for row in self._rows)

    def texts(self) -> Iterable[RuleText | Rule]:
        """Each text that rules of the chain have behind their addresses, once."""
        if self._texts is None:
            self._texts = tuple({id(row[0]): row[0] for row in self._rows}.values())
        return self._texts

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, index: int | slice) -> Rule | tuple[Rule, ...]:
        places = range(len(self._rows))[index]
        if isinstance(places, range):
            return tuple([_rule(self._rows[place], place + 1) for place in places])
        return _rule(self._rows[places], places + 1)

    def __iter__(self) -> Iterator[Rule]:
        return (_rule(row, number) for number, row in enumerate(self._rows, 1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


def texts_of(rules: Sequence[Rule]) -> Iterable[RuleText | Rule]:
    """Conditions and target of rules, each different text once; of a RuleList without addresses in front of it."""
    return rules.texts() if isinstance(rules, RuleList) else rules


def _rule(row: Row, number: int) -> Rule:
    said, src, dst, text = row
    conditions = said.conditions
    if dst is not None:
        conditions = (In("dst", network(dst) if isinstance(dst, str) else dst), *conditions)
    if src is not None:
        conditions = (In("src", network(src) if isinstance(src, str) else src), *conditions)
    counters = said.counters
    if text[0] == "[":
        count, _, text = text[1:].partition("] ")
        packets, _, sizes = count.partition(":")
        counters = int(packets), int(sizes)
    return Rule(conditions, said.target, text, number, counters, said.comment)

