"""Chains made ready to be walked: what a chain's subtree reads of a packet, and which packets it does not tell apart.

What rules of a chain have in common is there once (`CompiledRule`); a rule is the row of the dump that it came from,
and its addresses, which differ from rule to rule, are looked at last. That way 30,000 blocked networks are one text,
and compiling them is reading their addresses (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import itemgetter
from typing import Final, Protocol

from fwaudit.model.condition import Named
from fwaudit.model.ruleset import Rule, Table
from fwaudit.netfilter.rule_list import ReadRow, RuleList
from fwaudit.path.classes import Classes, merged
from fwaudit.path.outcome import Change
from fwaudit.path.reads import BIT, CHANGED, LATE, read_by
from fwaudit.path.special import Called, CompiledRule, Divided, Part, Specialised, divide
from fwaudit.path.state import FIELD_INDEX, PacketState

_PLACES = {"src": 1, "dst": 2}
_MOST_WALKED = 64
"""Kinds of packets for which the rows that are left are kept; walking single packets asks once for each packet."""
Told = tuple[Sequence[Part], Sequence[Called]]
"""The texts of a chain, each once, and what the chains do that they call."""
_NO_NAMES: frozenset[Named] = frozenset()
MOST_RULES: Final = 1000
"""A chain with more rules is a host's own (a block list, 1,000 containers): to compare it costs more than it saves."""


class CompiledRules:
    """The rules of a chain. They know of the chains below what these do to a packet, and nothing else; and nothing of
    the host. So chains of the same rules may have them in common, on one host or on many.

    ``rules``: all of them, of ``chain``. ``told``: their texts, and what the chains below do; without these the chain
    is asked when they are needed.

    Texts, comments and counters of ``rules`` are not to be shown to anybody, since they may be those of another host
    (`CompiledChain.shown`).
    """

    __slots__ = ("_asked", "_chain", "_divided", "_early", "_later", "_meddles", "_own_borders", "_reads", "_rules",
                 "_runs", "_special", "_special_rows", "_texts", "_told", "_untracks", "is_early")

    def __init__(self, chain: CompiledChain, rules: Sequence[Rule], told: Told | None = None) -> None:
        self._rules = rules
        self._told = told
        self._chain = chain if told is None else None
        self._asked = chain.asked
        self._reads = chain.own_reads
        self._untracks = chain.untracks
        self._meddles = bool(chain.reads & CHANGED)
        self.is_early = not (chain.own_reads & LATE or chain.done_to)
        """Whether packets for which the chain is specialised alike meet the same rules of it, whatever their numbers
        are."""
        # made when first asked for
        self._runs: list[ReadRow] | None = None
        self._texts: dict[int, CompiledRule] | None = None
        self._own_borders: dict[str, Collection[int]] = {}
        self._early: Callable[[PacketState], object] | None = None
        self._special: dict[object, Specialised] = {}
        self._special_rows: dict[object, Specialised] = {}
        self._divided: Divided | None = None
        self._later: list[int] | None = None

    @property
    def rows(self) -> list[ReadRow]:
        """Each rule as a row, by text, with its addresses."""
        rules = self._rules
        return rules.rows() if isinstance(rules, RuleList) else [(rule, None, None, "") for rule in rules]

    @property
    def runs(self) -> list[ReadRow]:
        """The rows, with a row for each run of rules that are alike but for their addresses (`RuleList.runs`)."""
        if self._runs is None:
            self._runs = self._rules.runs() if isinstance(self._rules, RuleList) else self.rows
        return self._runs

    @property
    def texts(self) -> dict[int, CompiledRule]:
        """The compiled rule of each different text, by the text's identity."""
        if self._texts is None:
            parts, called = self._all_told()
            self._texts = {id(said): CompiledRule(target, resolved.conditions, resolved.reads.fields, calls,
                                                  called[calls] if calls >= 0 else None)
                           for said, target, resolved, calls in parts}
        return self._texts

    def _all_told(self) -> Told:
        if self._told is None:
            assert self._chain is not None
            self._told = self._chain.parts(), self._chain.called()
        return self._told

    def borders(self, field: str) -> Collection[int]:
        """Where rules of the chain change their mind about a field, in order."""
        known = self._own_borders.get(field)
        if known is None:
            known = self._own_borders[field] = merged(self._borders(field, self.runs))
        return known

    def borders_of_each(self, field: str) -> Collection[int]:
        """As `borders`, and where it is another rule that a packet meets, of several that do the same."""
        return set().union(*self._borders(field, self.rows))

    def _borders(self, field: str, rows: list[ReadRow]) -> list[Collection[int]]:
        """The borders of each text and of each row; those of one set are in order."""
        found: list[Collection[int]] = []
        if self._asked & BIT[field]:
            found += [part.resolved.borders(field) for part in self._all_told()[0] if part.resolved.conditions]
        place = _PLACES.get(field)
        if place is not None:
            found += [row[place].bounds for row in rows if row[place] is not None]  # type: ignore[union-attr]
        return found

    def special(self, state: PacketState, *, each: bool = False) -> Specialised:
        """The runs, or each row, that are left when all is known that they ask but addresses, ports and marks."""
        if self._early is None:
            early = self._reads & ~LATE
            self._early = itemgetter(0, *(index for name, index in FIELD_INDEX.items() if early & BIT[name]))
        known = self._special_rows if each else self._special
        key = self._early(state)
        found = known.get(key)
        if found is None:
            if each and len(known) >= _MOST_WALKED:
                known.clear()  # names of interfaces differ from host to host
            if self._divided is None:
                self._divided = divide(self.texts, LATE | BIT["ct_state"] if self._untracks else LATE)
            found = known[key] = Specialised(self.rows if each else self.runs, self._divided, state)
        return found

    def asks_later(self, position: int, change: Change) -> bool:
        """Whether rules behind the run at ``position``, or below these, ask about a field that ``change`` changes."""
        if not change or not self._meddles:
            return False
        if self._later is None:
            asked = {said: _asks(compiled) for said, compiled in self.texts.items() if not compiled.goes_on}
            self._later = []
            seen = 0
            for row in reversed(self.runs):
                self._later.append(seen)
                seen |= asked.get(id(row[0]), 0)
            self._later.reverse()
        later = self._later[position]
        return any(BIT[name] & later for name, _, _ in change)


class Texts(Protocol):
    """Whoever can tell what the texts of a chain's rules say (`fwaudit.path.compiler.Compiler`)."""

    def parts(self, chain: CompiledChain) -> list[Part]:
        """Each different text of a chain."""


class CompiledChain:
    """A chain: its rules, and what it and the chains below it read of a packet and do.

    ``children``: the chains that it calls, each once. ``is_inline``: it has no name of its own.
    ``reads``, ``whole``: of the subtree, as in `Reads`; ``own_reads``, ``named``: of the chain's conditions alone,
    ``asked``: without the addresses of its rules; ``done_to``: read by the chain's targets.
    ``untracks``: a rule takes the connection away, so that its state may change. ``inert``: nothing here does anything.
    ``compiler`` makes its texts ready when the chain is first walked: most chains never are. A chain that is kept for
    other hosts (``is_kept``) has none, since a compiler is of one host, and its rules are ready.
    """

    __slots__ = ("_classes", "_compiler", "_rules", "_walked", "asked", "children", "done_to", "inert", "is_inline",
                 "is_kept", "key", "name", "named", "own_reads", "reads", "serial", "untracks", "whole")

    def __init__(self, name: str, serial: int, rules: Sequence[Rule], compiler: Texts | None, *,
                 is_inline: bool = False) -> None:
        self.name = name
        self.serial = serial
        self.children: Sequence[CompiledChain] = ()
        self.is_inline = is_inline
        self.is_kept = False
        self.named: frozenset[Named] = _NO_NAMES
        self.untracks = False
        self.inert = True
        self.whole = 0
        has_src, has_dst = rules.has_addresses() if isinstance(rules, RuleList) else (False, False)
        self.own_reads = self.reads = BIT["src"] * has_src | BIT["dst"] * has_dst
        self.asked = self.done_to = 0
        self._rules = rules
        self._compiler = compiler
        self.key: Callable[[PacketState], tuple[object, ...]] = self._first_key
        """Two packets with the same key have the same fate in this chain (`Classes.key`)."""
        # made when first asked for
        self._walked: CompiledRules | None = None
        self._classes: Classes | None = None

    @property
    def rules(self) -> CompiledRules:
        """The rules, made ready to be walked."""
        if self._walked is None:
            self._walked = CompiledRules(self, self._rules)
        return self._walked

    def parts(self) -> list[Part]:
        """Each text of the chain."""
        assert self._compiler is not None
        return self._compiler.parts(self)

    def called(self) -> tuple[Called, ...]:
        """What its rules have to know of the chains that they call."""
        return tuple([Called(child.inert, child.reads & CHANGED) for child in self.children])

    def above(self, serial: int, children: tuple[CompiledChain, ...], kept: Callable[[CompiledChain], CompiledRules],
              ) -> CompiledChain:
        """A chain of the same rules that stands above these chains, for several hosts. ``kept``: its rules made ready.
        """
        out = CompiledChain(self.name, serial, (), None)
        out.children, out.named, out.inert, out.untracks = children, self.named, self.inert, self.untracks
        out.asked, out.own_reads, out.done_to = self.asked, self.own_reads, self.done_to
        out.whole, out.reads = self.whole, self.reads
        close([out])
        out._walked = kept(out)
        out.is_kept = True
        return out

    def close(self) -> None:
        """Forget what refers to the chain itself; it can not be walked any more."""
        del self.key, self._classes

    def shown(self, table: Table) -> Sequence[Rule]:
        """The rules as ``table`` has them, of which the chain is. Another host's may say the same with other words in
        their comments and other counters, or the same host's in another table."""
        return self._rules if self.is_inline else table.chains[self.name].rules

    @property
    def source(self) -> Sequence[Rule]:
        """The rules that the chain is compiled of; none where it is kept for other hosts."""
        return self._rules

    def subtree(self) -> Iterable[CompiledChain]:
        """This chain and every chain below it."""
        seen: dict[int, CompiledChain] = {}
        todo = [self]
        while todo:
            chain = todo.pop()
            if chain.serial not in seen:
                seen[chain.serial] = chain
                todo += chain.children
        return seen.values()

    def classes(self) -> Classes:
        """Which packets the subtree does not tell apart."""
        if self._classes is None:
            self._classes = Classes(self.serial, (self,))
        return self._classes

    def _first_key(self, state: PacketState) -> tuple[object, ...]:
        self.key = self.classes().key
        return self.key(state)


class Content:
    """What the rules of a chain say by themselves: ``chain`` as if nothing were below it, the names of the chains that
    it ``calls``, and its texts. Without ``parts`` it is the host's own."""

    __slots__ = ("calls", "chain", "parts")

    def __init__(self, chain: CompiledChain, calls: tuple[str, ...], parts: list[Part] | None) -> None:
        self.chain = chain
        self.calls = calls
        self.parts = parts


def close(made: list[CompiledChain]) -> None:
    """Tell each chain what the chains below it read and do.

    Going backwards through ``made`` meets most children before their parents, so a few rounds settle it.
    """
    changed = True
    while changed:
        changed = False
        for chain in reversed(made):
            for child in chain.children:
                if child.reads & ~chain.reads or child.whole & ~chain.whole:
                    chain.reads |= child.reads
                    chain.whole |= child.whole
                    changed = True
                if child.untracks and not chain.untracks:
                    chain.untracks = changed = True
                if chain.inert and not child.inert:
                    chain.inert = False  # from the greatest fixed point: loops do not occur
                    changed = True


def _asks(compiled: CompiledRule) -> int:
    """Which fields that may be changed a rule asks about, and the chains below it."""
    below = compiled.called.reads if compiled.called is not None else 0
    return CHANGED & (compiled.reads | read_by(compiled.target)) | below
