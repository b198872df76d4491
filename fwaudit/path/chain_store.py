"""What the engines of many hosts have in common: chains that say the same, and what came of evaluating them.

ufw's chains say the same wherever there is the same ufw, and Docker's in parts, so a process that audits a fleet
compiles and evaluates most of them once. One chain stands for two exactly if

- their rules have the same conditions and targets, in the same order, by value, when all that they ask of the host is
  looked up (which addresses are local, what a named set holds, which bit of a packet a changed set has), and the same
  addresses in front of them;
- they have the same name, are of the same family, and call chains that are one.

What a trace shows beyond that (a rule's text, comment and counters) is looked up in the host's own table
(`CompiledChain.shown`). Nothing in here refers to a host.

Everything is compared by value or by identity of an object that the store itself keeps, never by an ``id`` that might
be another object's tomorrow.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import count
from typing import Final

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import Accept, ChangeSet, Drop, Goto, Jump, Return, Rule, Ruleset
from fwaudit.netfilter.rule_list import RuleList
from fwaudit.path.chain import ChainEvaluator
from fwaudit.path.classes import Classes
from fwaudit.path.compiled import MOST_RULES, CompiledChain, CompiledRules, Content
from fwaudit.path.reads import Reads, Resolved
from fwaudit.path.special import Part

MOST_KEPT: Final = 20_000
"""So many rules, conditions, evaluations and borders of their results make a store full: 16 MB. A host with ufw and
three containers, all of whose names and addresses are its own, brings 230 of them: one in 87 begins anew."""
_MOST_OF_A_HOST: Final = 10_000
"""A host with more rules than this shares none: it would fill the store."""


class ChainStore:
    """For engines that are used one after the other; give it to each of them, and a fresh one when it `is_full`.

    An engine that was interrupted by an exception from outside (a signal's) may have left it in disorder, and so do two
    threads: each needs one of its own.
    """

    def __init__(self) -> None:
        self.serials = count(1)
        self.evaluator = ChainEvaluator()
        self._held = 0
        self._by_words: dict[Hashable, Content] = {}
        self._contents: dict[Hashable, Content] = {}
        self._rules: dict[Hashable, CompiledRules] = {}
        self._chains: dict[Hashable, CompiledChain] = {}
        self._classes: dict[Hashable, Classes] = {}
        self._resolved: dict[tuple[Condition, ...], Resolved] = {}
        self._looked_at: dict[int, tuple[tuple[Condition, ...], Resolved]] = {}

    def __len__(self) -> int:
        """How much is kept, in entries."""
        return self._held + len(self._looked_at) + len(self._resolved) + self.evaluator.kept

    @property
    def is_full(self) -> bool:
        """Whether the next engine should have a store of its own."""
        return len(self) > MOST_KEPT or self.evaluator.gave_up

    def takes(self, ruleset: Ruleset) -> bool:
        """Whether chains of these rules are to be kept."""
        return sum([len(chain.rules) for table in ruleset.tables for chain in table.chains.values()]) <= _MOST_OF_A_HOST

    def close(self) -> None:
        """Take apart what lies in circles, so that nobody has to look for it; the store is of no use afterwards."""
        for chain in self._chains.values():
            chain.close()

    # ---- conditions -------------------------------------------------------------------------------------------------

    def looked_at(self, conditions: tuple[Condition, ...]) -> Resolved | None:
        """What is known of this very tuple, where it does not depend on a host."""
        known = self._looked_at.get(id(conditions))
        return known[1] if known is not None and known[0] is conditions else None

    def simple(self, conditions: tuple[Condition, ...], reads: Reads) -> Resolved:
        """Conditions that do not depend on a host. Dumps have most of these tuples in common (`RuleReader`)."""
        found = self.resolved(conditions, reads)
        self._looked_at[id(conditions)] = conditions, found
        return found

    def resolved(self, conditions: tuple[Condition, ...], reads: Reads) -> Resolved:
        """The one for all conditions that resolve to these."""
        found = self._resolved.get(conditions)
        if found is None:
            found = self._resolved[conditions] = Resolved(conditions, reads)
        return found

    # ---- chains -----------------------------------------------------------------------------------------------------

    def known(self, name: str, rules: Sequence[Rule], family: int) -> Content | None:
        """What rules say, where the store has met their words before, and these do not depend on a host."""
        words = _words(name, rules, family)
        return self._by_words.get(words) if words is not None else None

    def content(self, family: int, content: Content) -> Content:
        """The one for all chains of that name with rules that say the same."""
        parts, chain = content.parts, content.chain
        if parts is None:
            return content
        rules = chain.source
        found = self._contents.setdefault((family, chain.name, _said(rules, parts)), content)
        if found is content:
            self._held += len(rules) + 1
        if all(part.resolved.conditions == part.said.conditions and not isinstance(part.said.target, ChangeSet)
               for part in parts):
            words = _words(chain.name, rules, family)
            if words is not None:
                self._by_words[words] = found
                self._held += len(rules)
        return found

    def chain(self, content: Content, children: tuple[CompiledChain, ...]) -> CompiledChain:
        """The chain of that content, which is kept, above these chains, which are kept."""
        key = content, children
        found = self._chains.get(key)
        if found is None:
            found = self._chains[key] = content.chain.above(
                next(self.serials), children, lambda chain: self._ready(content, chain))
            self._held += 1
        return found

    def _ready(self, content: Content, chain: CompiledChain) -> CompiledRules:
        """Rules have all in common but the chains below them; and of these they know what they do to a packet."""
        key = content, chain.called(), chain.untracks
        found = self._rules.get(key)
        if found is None:
            assert content.parts is not None
            found = self._rules[key] = CompiledRules(
                chain, content.chain.source, (content.parts, chain.called()))
        return found

    def classes(self, name: object, chains: list[CompiledChain], exactly: int) -> Classes:
        """As ``Classes(name, chains, exactly)``."""
        if not all(chain.is_kept for chain in chains):
            return Classes(name, chains, exactly)
        key = name, exactly, *chains
        found = self._classes.get(key)
        if found is None:
            found = self._classes[key] = Classes(name, chains, exactly)
            self._held += 1
        return found


def _words(name: str, rules: Sequence[Rule], family: int) -> Hashable | None:
    """All that rules of a dump say, in the words of the dump, without what stands in front of them; None where they are
    no dump's. The same words say the same in every dump of a family, but that one of them may be a chain or a target.
    """
    if not isinstance(rules, RuleList) or len(rules) > MOST_RULES:
        return None
    return (family, name, *[
        (said.text, said.target.__class__, src, dst) if line[-1:] in ("", " ") else  # nothing or counters
        (said.target.__class__, line.partition("] ")[2] if line[0] == "[" else line)
        for said, src, dst, line in rules.as_read()])


def _said(rules: Sequence[Rule], parts: list[Part]) -> Hashable:
    """All that rules say, by value."""
    said = {id(part.said): _part(part) for part in parts}
    if isinstance(rules, RuleList):
        return tuple([(said[id(row[0])], row[1], row[2]) for row in rules.as_read()])
    return tuple([said[id(rule)] for rule in rules])


def _part(part: Part) -> Hashable:
    kind = part.target.__class__
    if kind is Accept or kind is Drop or kind is Return:
        return part.resolved, kind
    if isinstance(part.target, Jump | Goto):
        return part.resolved, kind, part.target.chain
    return part.resolved, kind, part.target
