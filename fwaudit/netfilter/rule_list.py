"""The rules of one chain as a dump has them: each is made into a Rule when somebody looks at it.

A large ruleset is a few hundred texts that differ in the addresses in front of them, and most of its chains are never
asked about. So a chain keeps four references for each rule, and what two rules share is there once; the rule's own line
is put together again when somebody wants to see it.
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
"""Addresses of ``-s`` or ``-d``: as words (`` ! -s 192.0.2.0/24``, valid for certain) until somebody asks for the set.
Without words: any."""

Row = tuple[RuleText, Area, Area, str]
"""(what the rule says behind its addresses, source, destination, line of the dump). Of the line nothing but the
counters is there where the rest of it follows from the others, which are words then."""
ReadRow = tuple[RuleText | Rule, IntervalSet | None, IntervalSet | None, str]

_FEW = 8
_FREE_BITS = {str(length): 32 - length for length in range(33)}
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
NETWORK = rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}/(?:3[0-2]|[12]?[0-9])"
"""The pattern of an IPv4 network in the way that nearly all of them are printed, and nothing else."""


def network(words: str) -> IntervalSet:
    """The addresses of ``[! ]-s NETWORK`` or ``-d``. Three times as fast as `parse_network`, which takes all forms."""
    a, b, c, last = words.split(".")
    option, _, a = a.rpartition(" ")
    d, _, length = last.partition("/")
    free = _FREE_BITS[length]
    low = (OCTETS[a] << 24 | OCTETS[b] << 16 | OCTETS[c] << 8 | OCTETS[d]) >> free << free
    found = IntervalSet((low, low + (1 << free)))
    return ~found if "!" in option else found


class RuleList(Sequence[Rule]):
    """The rules of a chain, in order, by row. ``chain`` is its name."""

    __slots__ = ("_chain", "_read", "_rows", "_texts")

    def __init__(self, chain: str, rows: list[Row]) -> None:
        self._chain = chain
        self._rows = rows
        self._read: list[ReadRow] | None = None
        self._texts: list[RuleText] | None = None

    def rows(self) -> list[ReadRow]:
        """The rows, with their addresses as sets; these are read when first asked for."""
        if self._read is None:
            self._read = [(said, src if isinstance(src, IntervalSet) else network(src) if src else None,
                           dst if isinstance(dst, IntervalSet) else network(dst) if dst else None, line)
                          for said, src, dst, line in self._rows]
        return self._read

    def has_addresses(self) -> tuple[bool, bool]:
        """Whether rules of the chain have a source, and whether they have a destination."""
        return any(row[1] != "" for row in self._rows), any(row[2] != "" for row in self._rows)

    def texts(self) -> Iterable[RuleText]:
        """The texts that rules of the chain have behind their addresses; where there are many rules, each once."""
        if self._texts is None:
            self._texts = [row[0] for row in self._rows] if len(self._rows) < _FEW else [
                *{id(row[0]): row[0] for row in self._rows}.values()]
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
            return tuple([self._rule(place) for place in places])
        return self._rule(places)

    def __iter__(self) -> Iterator[Rule]:
        return map(self._rule, range(len(self._rows)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))

    def _rule(self, place: int) -> Rule:
        said, src, dst, text = self._rows[place]
        conditions = said.conditions
        if dst != "":
            conditions = (In("dst", network(dst) if isinstance(dst, str) else dst), *conditions)
        if src != "":
            conditions = (In("src", network(src) if isinstance(src, str) else src), *conditions)
        counters = said.counters
        if text[:1] == "[":
            count, _, text = text[1:].partition("] ")
            packets, _, sizes = count.partition(":")
            counters = int(packets), int(sizes)
        text = text or f"-A {self._chain}{src}{dst}{said.text}"
        return Rule(conditions, said.target, text, place + 1, counters, said.comment)


def texts_of(rules: Sequence[Rule]) -> Iterable[RuleText | Rule]:
    """Conditions and target of rules, and seldom the same text twice; of a RuleList without addresses in front of it.
    """
    return rules.texts() if isinstance(rules, RuleList) else rules
