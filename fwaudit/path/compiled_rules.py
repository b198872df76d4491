"""The rules of a chain made ready to be walked: what they say, and which of them are left for which packets.

What rules of a chain have in common is there once (`CompiledRule`); a rule is the row of the dump that it came from,
and its addresses, which differ from rule to rule, are looked at last. That way 30,000 blocked networks are one text,
and compiling them is reading their addresses (docs/performance.md).

Nothing here knows which chains are below, but for what they do to a packet; and nothing of the host is left. So two
chains of the same rules have these in common, on one host or on many.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import NamedTuple

from fwaudit.model.condition import Condition
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
from fwaudit.netfilter.rule_list import ReadRow, RuleList
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.packet.steps import StepFunction
from fwaudit.path.classes import merged
from fwaudit.path.outcome import Change, Outcome, plain_outcome
from fwaudit.path.reads import BIT, CHANGED, LATE, read_by
from fwaudit.path.resolved import Resolved
from fwaudit.path.special import Divided, Specialised, divide
from fwaudit.path.state import FIELD_INDEX, PacketState

_PLACES = {"src": 1, "dst": 2}
_GOING_ON = (SetMark, CopyMark, NoTrack, Template, Continue, Jump, Inline)


_MOST_WALKED = 64
"""Kinds of packets for which the rows that are left are kept; walking single packets asks once for each packet."""


class Called(NamedTuple):
    """What the rules of a chain have to know of one that they call: whether it does anything to a packet, and what of
    all that rules may change it asks about."""

    inert: bool
    reads: int


class Part(NamedTuple):
    """A text of a chain: what it says, its target as rules behind it see that, its conditions, and of a Jump, Goto or
    Inline the place of the chain among those that are called (else -1)."""

    said: RuleText | Rule
    target: Target
    resolved: Resolved
    calls: int


class CompiledRule:
    """What rules of a chain say that are alike but for their addresses: their other conditions, resolved, as a
    conjunction, and their target. ``reads``: the fields that the conditions read, as bits. ``calls``: the place of the
    chain of a Jump, Goto or Inline among `CompiledChain.children`, which ``called`` tells about; else -1 and None.

    ``always``: its outcome for every peer, once the evaluator of the chain's engines made it.
    """

    __slots__ = ("_plain", "always", "called", "calls", "conditions", "ends_chain", "goes_on", "reads", "target")

    def __init__(self, target: Target, conditions: tuple[Condition, ...], reads: int, calls: int = -1,
                 called: Called | None = None) -> None:
        self.target = target
        self.conditions = conditions
        self.reads = reads
        self.calls = calls
        self.called = called
        self.always: StepFunction | None = None
        self._plain: Outcome | bool | None = False
        self.ends_chain = target.terminal if isinstance(target, Undecidable) else not isinstance(target, _GOING_ON)
        """Whether nothing behind the rule is met once it matches."""
        self.goes_on = not isinstance(target, Goto) and (  # even an empty chain of a Goto does not come back
            isinstance(target, Continue) or (called is not None and called.inert))
        """Whether the packet is at the next rule afterwards, as it was, whether the rule matches or not."""

    @property
    def plain(self) -> Outcome | None:
        """The outcome of a target that ends the chain; None where the packet goes on, or into another chain."""
        if self._plain is False:
            self._plain = plain_outcome(self.target) if self.calls < 0 else None
        return self._plain  # type: ignore[return-value]


class CompiledRules:
    """``rules``: all of them. ``parts``: each different text. ``called``: the chains that they call.
    ``asked``: what the rules read without their addresses; ``reads``: with them; ``done_to``, ``untracks``: as of
    `CompiledChain`.

    Texts, comments and counters of ``rules`` are not to be shown to anybody, since they may be those of another host
    (`CompiledChain.shown`).
    """

    __slots__ = ("_asked", "_called", "_divided", "_early", "_later", "_meddles", "_own_borders", "_parts", "_reads",
                 "_rules", "_runs", "_special", "_special_rows", "_texts", "_untracks", "is_early")

    def __init__(self, rules: Sequence[Rule], parts: Sequence[Part], called: Sequence[Called], *, asked: int,
                 reads: int, done_to: int, untracks: bool) -> None:
        self._rules = rules
        self._parts = parts
        self._called = called
        self._asked = asked
        self._reads = reads
        self._untracks = untracks
        self._meddles = bool((reads | done_to) & CHANGED or any(each.reads for each in called))
        self.is_early = not (reads & LATE or done_to)
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
            called = self._called
            self._texts = {id(said): CompiledRule(target, resolved.conditions, resolved.reads.fields, calls,
                                                  called[calls] if calls >= 0 else None)
                           for said, target, resolved, calls in self._parts}
        return self._texts

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
            found += [part.resolved.borders(field) for part in self._parts if part.resolved.conditions]
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


def _asks(compiled: CompiledRule) -> int:
    """Which fields that may be changed a rule asks about, and the chains below it."""
    below = compiled.called.reads if compiled.called is not None else 0
    return CHANGED & (compiled.reads | read_by(compiled.target)) | below
