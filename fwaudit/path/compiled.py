"""Chains made ready to be walked: what a chain's subtree reads of a packet, and which packets it does not tell apart.

What rules of a chain have in common is there once (`CompiledRule`); a rule is the row of the dump that it came from,
and its addresses, which differ from rule to rule, are looked at last. That way 30,000 blocked networks are one text,
and compiling them is reading their addresses (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import itemgetter
from typing import Protocol

from fwaudit.model.condition import Condition, Named
from fwaudit.model.ruleset import (
    Continue,
    CopyMark,
    Goto,
    Inline,
    Jump,
    NoTrack,
    Rule,
    SetMark,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.rule_list import ReadRow, RuleList, texts_of
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.path.classes import Classes, merged
from fwaudit.path.outcome import Change, Outcome, plain_outcome
from fwaudit.path.reads import BIT, CHANGED, LATE, read_by
from fwaudit.path.special import Divided, Specialised, divide
from fwaudit.path.state import FIELD_INDEX, PacketState

_PLACES = {"src": 1, "dst": 2}
_GOING_ON = (SetMark, CopyMark, NoTrack, Template, Continue, Jump, Inline)
_NO_NAMES: frozenset[Named] = frozenset()


class CompiledRule:
    """What rules of a chain say that are alike but for their addresses: their other conditions, resolved, as a
    conjunction, and their target. ``reads``: the fields that the conditions read, as bits. ``body``: the chain of a
    Jump, Goto or Inline."""

    __slots__ = ("_plain", "body", "conditions", "ends_chain", "reads", "target")

    def __init__(self, target: Target, conditions: tuple[Condition, ...], reads: int,
                 body: CompiledChain | None = None) -> None:
        self.target = target
        self.conditions = conditions
        self.reads = reads
        self.body = body
        self._plain: Outcome | bool | None = False
        self.ends_chain = target.terminal if isinstance(target, Undecidable) else not isinstance(target, _GOING_ON)
        """Whether nothing behind the rule is met once it matches."""

    @property
    def plain(self) -> Outcome | None:
        """The outcome of a target that ends the chain; None where the packet goes on, or into ``body``."""
        if self._plain is False:
            self._plain = plain_outcome(self.target) if self.body is None else None
        return self._plain  # type: ignore[return-value]

    @property
    def goes_on(self) -> bool:
        """Whether the packet is at the next rule afterwards, as it was, whether the rule matches or not."""
        if isinstance(self.target, Goto):
            return False  # even an empty chain does not come back
        return isinstance(self.target, Continue) or (self.body is not None and self.body.inert)


class Texts(Protocol):
    """Whoever can make the texts of a chain's rules ready (`fwaudit.path.compiler.Compiler`)."""

    def borders(self, conditions: tuple[Condition, ...], field: str) -> Collection[int]:
        """Where the conditions of a text change their mind about a field."""

    def compiled(self, said: RuleText | Rule, chain: CompiledChain) -> CompiledRule:
        """A text of a chain's rules."""


class CompiledChain:
    """A chain: its rules, and what it and the chains below it read of a packet and do.

    ``reads``, ``whole``: of the subtree, as in `Reads`; ``own_reads``, ``named``: of the chain's conditions alone,
    ``asked``: without the addresses of its rules; ``done_to``: read by the chain's targets.
    ``untracks``: a rule takes the connection away, so that its state may change. ``inert``: nothing here does anything.
    ``compiler`` makes its texts ready when the chain is first walked: most chains never are.
    """

    __slots__ = ("_classes", "_compiler", "_divided", "_early", "_later", "_own_borders", "_runs", "_special",
                 "_special_rows", "_texts", "asked", "children", "done_to", "inert", "key", "name", "named",
                 "own_reads", "reads", "rules", "serial", "untracks", "whole")

    def __init__(self, name: str, serial: int, rules: Sequence[Rule],
                 compiler: Texts) -> None:
        self.name = name
        self.serial = serial
        self.rules = rules
        self.children: dict[int, CompiledChain] = {}
        self.named: frozenset[Named] = _NO_NAMES
        self.untracks = False
        self.inert = True
        self.whole = 0
        has_src, has_dst = rules.has_addresses() if isinstance(rules, RuleList) else (False, False)
        self.own_reads = self.reads = BIT["src"] * has_src | BIT["dst"] * has_dst
        self.asked = self.done_to = 0
        self._compiler = compiler
        self.key: Callable[[PacketState], tuple[object, ...]] = self._first_key
        """Two packets with the same key have the same fate in this chain (`Classes.key`)."""
        # made when first asked for
        self._runs: list[ReadRow] | None = None
        self._texts: dict[int, CompiledRule] | None = None
        self._classes: Classes | None = None
        self._own_borders: dict[str, Collection[int]] = {}
        self._early: Callable[[PacketState], object] | None = None
        self._special: dict[object, Specialised] = {}
        self._special_rows: dict[object, Specialised] = {}
        self._divided: Divided | None = None
        self._later: list[int] | None = None

    @property
    def rows(self) -> list[ReadRow]:
        """Each rule as a row, by text, with its addresses."""
        rules = self.rules
        return rules.rows() if isinstance(rules, RuleList) else [(rule, None, None, "") for rule in rules]

    @property
    def runs(self) -> list[ReadRow]:
        """The rows, with a row for each run of rules that are alike but for their addresses (`RuleList.runs`)."""
        if self._runs is None:
            self._runs = self.rules.runs() if isinstance(self.rules, RuleList) else self.rows
        return self._runs

    @property
    def texts(self) -> dict[int, CompiledRule]:
        """The compiled rule of each different text, by the text's identity."""
        if self._texts is None:
            self._texts = {id(said): self._compiler.compiled(said, self) for said in texts_of(self.rules)}
        return self._texts

    def subtree(self) -> Iterable[CompiledChain]:
        """This chain and every chain below it."""
        seen: dict[int, CompiledChain] = {}
        todo = [self]
        while todo:
            chain = todo.pop()
            if chain.serial not in seen:
                seen[chain.serial] = chain
                todo += chain.children.values()
        return seen.values()

    def classes(self) -> Classes:
        """Which packets the subtree does not tell apart."""
        if self._classes is None:
            self._classes = Classes(self.serial, (self,))
        return self._classes

    def _first_key(self, state: PacketState) -> tuple[object, ...]:
        self.key = self.classes().key
        return self.key(state)

    def own_borders(self, field: str) -> Collection[int]:
        """Where this chain's own rules change their mind about a field, in order."""
        known = self._own_borders.get(field)
        if known is None:
            known = self._own_borders[field] = merged(self._borders(field, self.runs))
        return known

    def borders_of_each(self, field: str) -> Collection[int]:
        """As `own_borders`, and where it is another rule that a packet meets, of several that do the same."""
        return set().union(*self._borders(field, self.rows))

    def _borders(self, field: str, rows: list[ReadRow]) -> list[Collection[int]]:
        """The borders of each text and of each row; those of one set are in order."""
        found: list[Collection[int]] = []
        if self.asked & BIT[field]:
            found += [self._compiler.borders(said.conditions, field)
                      for said in texts_of(self.rules) if said.conditions]
        place = _PLACES.get(field)
        if place is not None:
            found += [row[place].bounds for row in rows if row[place] is not None]  # type: ignore[union-attr]
        return found

    @property
    def is_early(self) -> bool:
        """Whether packets for which the chain is specialised alike meet the same rules of it, whatever their numbers
        are."""
        return not (self.own_reads & LATE or self.done_to)

    def special(self, state: PacketState, *, each: bool = False) -> Specialised:
        """The runs, or each row, that are left when all is known that they ask but addresses, ports and marks."""
        if self._early is None:
            early = self.own_reads & ~LATE
            self._early = itemgetter(0, *(index for name, index in FIELD_INDEX.items() if early & BIT[name]))
        known = self._special_rows if each else self._special
        key = self._early(state)
        found = known.get(key)
        if found is None:
            if self._divided is None:
                self._divided = divide(self.texts, LATE | BIT["ct_state"] if self.untracks else LATE)
            found = known[key] = Specialised(self.rows if each else self.runs, self._divided, state)
        return found

    def asks_later(self, position: int, change: Change) -> bool:
        """Whether rules behind the run at ``position`` ask about a field that ``change`` changes."""
        if not change or not self.reads & CHANGED:
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


def _asks(compiled: CompiledRule) -> int:
    """Which fields that may be changed a rule asks about, and the chains below it."""
    below = compiled.body.reads if compiled.body is not None else 0
    return CHANGED & (compiled.reads | read_by(compiled.target) | below)
