"""The rules of one chain as a dump has them: each is made into a Rule when somebody looks at it.

A large ruleset is a few hundred texts that differ in the addresses in front of them, and most of its chains are never
asked about. So a chain keeps four references for each rule, and what two rules share is there once; the rule's own line
is put together again when somebody wants to see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import overload

from fwaudit.model.condition import In
from fwaudit.model.ruleset import Accept, Drop, Goto, Jump, Reject, Return, Rule
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.packet.address import OCTETS, format_address, parse_network
from fwaudit.packet.intervals import IntervalSet

Area = str | IntervalSet | None
"""Addresses of ``-s`` or ``-d``: as words, `` -s NETWORK`` or `` ! -s NETWORK``, until somebody asks for the set.
None: any."""

Row = tuple[RuleText, Area, Area, str]
"""(what the rule says behind its addresses, source, destination, line of the dump). Of the line nothing but the
counters is there where the rest of it follows from the others."""
ReadRow = tuple[RuleText | Rule, IntervalSet | None, IntervalSet | None, str]

_FEW = 8
_ENDS = (Accept, Drop, Reject, Return)
_FREE_BITS = {str(length): 32 - length for length in range(33)}
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
NETWORK = rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}/(?:3[0-2]|[12]?[0-9])"
"""The pattern of an IPv4 network in the way that nearly all of them are printed, and nothing else."""


def _span(words: str) -> tuple[int, int]:
    """(first address, first one behind) of `` -s NETWORK`` or ``-d``. Raises KeyError where the words are negated, and
    ValueError where bits are set behind the length, as iptables-save does not print it."""
    a, b, c, last = words.split(".")
    d, _, length = last.partition("/")
    free = _FREE_BITS[length]
    address = OCTETS[a[4:]] << 24 | OCTETS[b] << 16 | OCTETS[c] << 8 | OCTETS[d]
    low = address >> free << free
    if low != address:
        raise ValueError("bits behind the length")
    return low, low + (1 << free)


def _usual(area: Area) -> IntervalSet | None:
    """The addresses, if the words can be told from them. Raises ValueError where they cannot."""
    if not isinstance(area, str):
        return area
    return _parse(area) if area[1] == "!" else IntervalSet(_span(area))


def _any(area: Area) -> IntervalSet | None:
    """The addresses of any words."""
    try:
        return _usual(area)
    except ValueError:
        return _parse(str(area))


@lru_cache(maxsize=1 << 8)
def _parse(words: str) -> IntervalSet:
    """Kept, since kube-proxy asks in many rules for all addresses that are not of one network."""
    option, _, text = words.rpartition(" ")
    found = parse_network(text)[1]
    return ~found if "!" in option else found


class RuleList(Sequence[Rule]):
    """The rules of a chain, in order, by row. ``chain`` is its name."""

    __slots__ = ("_chain", "_is_read", "_rows", "_texts")

    def __init__(self, chain: str, rows: list[Row]) -> None:
        self._chain = chain
        self._rows = rows
        self._is_read = False
        self._texts: list[RuleText] | None = None

    def rows(self) -> list[ReadRow]:
        """The rows, with their addresses as sets; these are read when first asked for."""
        rows = self._rows
        if not self._is_read:
            for place, (said, src, dst, line) in enumerate(rows):
                if isinstance(src, str) or isinstance(dst, str):
                    try:
                        rows[place] = said, _usual(src), _usual(dst), line
                    except ValueError:
                        rows[place] = said, _any(src), _any(dst), line + self._text(rows[place])
            self._is_read = True
        return rows  # type: ignore[return-value]

    def as_read(self) -> Sequence[Row]:
        """The rows as they are, whether their addresses are sets already or not."""
        return self._rows

    def runs(self) -> list[ReadRow]:
        """As `rows`; but rules one behind the other that say the same of other sources, or of other destinations, and
        end the chain, are one row about all of them. So 30,000 blocked networks are one set, which is read in half of
        the time that as many sets take, and all that looks at rows afterwards looks at one."""
        if len(self._rows) < _FEW:
            return self.rows()
        out: list[ReadRow] = []
        for _, alike in groupby(self._rows, lambda row: (id(row[0]), row[1] is None, row[2] is None)):
            run = list(alike)
            said, src, dst, _ = run[0]
            if len(run) < _FEW or (src is None) == (dst is None) or not isinstance(said.target, _ENDS):
                out += [(said, _any(src), _any(dst), "") for said, src, dst, _ in run]
            elif dst is None:
                out.append((said, _union([row[1] for row in run]), None, ""))
            else:
                out.append((said, None, _union([row[2] for row in run]), ""))
        return out

    def has_addresses(self) -> tuple[bool, bool]:
        """Whether rules of the chain have a source, and whether they have a destination."""
        source = destination = False
        for _, src, dst, _ in self._rows:  # most chains are short, and two generators for each would take twice as long
            source = source or src is not None
            destination = destination or dst is not None
        return source, destination

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
        row = said, src, dst, line = self._rows[place]
        conditions = said.conditions
        source, destination = _any(src), _any(dst)
        if destination is not None:
            conditions = (In("dst", destination), *conditions)
        if source is not None:
            conditions = (In("src", source), *conditions)
        counters = said.counters
        if line[:1] == "[":
            count, _, line = line[1:].partition("] ")
            packets, _, sizes = count.partition(":")
            counters = int(packets), int(sizes)
        return Rule(conditions, said.target, line or self._text(row), place + 1, counters, said.comment)

    def _text(self, row: Row) -> str:
        """The line of a rule that has none."""
        said, src, dst, _ = row
        return f"-A {self._chain}{_words(' -s ', src)}{_words(' -d ', dst)}{said.text}"


def _union(areas: list[Area]) -> IntervalSet:
    try:
        spans = [_span(area) for area in areas]  # type: ignore[arg-type]
    except (AttributeError, KeyError, ValueError):  # some are sets already, or not as usual
        return IntervalSet.union([found for area in areas if (found := _any(area)) is not None])
    return IntervalSet.between([low for low, _ in spans], [end for _, end in spans])


def _words(option: str, area: Area) -> str:
    if area is None or isinstance(area, str):
        return area or ""
    if len(area.bounds) != 2:
        option, area = f" !{option}", ~area
    low, end = area.bounds
    return f"{option}{format_address(4, low)}/{33 - (end - low).bit_length()}"


def texts_of(rules: Sequence[Rule]) -> Iterable[RuleText | Rule]:
    """Conditions and target of rules, and seldom the same text twice; of a RuleList without addresses in front of it.
    """
    return rules.texts() if isinstance(rules, RuleList) else rules


def calls(rules: Sequence[Rule], chain: str) -> bool:
    """Whether one of the rules jumps or goes to the chain. No rule is put together to be asked."""
    return any(isinstance(said.target, (Jump, Goto)) and said.target.chain == chain for said in texts_of(rules))
