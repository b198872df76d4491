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

from collections.abc import Callable, Hashable
from itertools import count
from typing import Final

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import Accept, Drop, Goto, Jump, Return
from fwaudit.netfilter.rule_list import RuleList
from fwaudit.path.chain import ChainEvaluator
from fwaudit.path.classes import Classes
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.compiled_rules import CompiledRules, Part
from fwaudit.path.reads import Reads
from fwaudit.path.resolved import Resolved

_MOST_RULES: Final = 1000
"""A chain with more rules is a host's own (a block list, 1,000 containers): to compare it costs more than it saves."""
MOST_KEPT: Final = 100_000
"""So many rules, conditions, evaluations and borders of their results, after which a store is full."""


class ChainStore:
    """For engines that are used one after the other; give it to each of them, and a fresh one when it `is_full`.

    An engine that was interrupted by an exception from outside (a signal's) may have left it in disorder.
    """

    def __init__(self) -> None:
        self.serials = count(1)
        self.evaluator = ChainEvaluator()
        self._held = 0
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

    def kept(self, chain: CompiledChain, family: int, parts_of: Callable[[CompiledChain], list[Part]]) -> CompiledChain:
        """The chain that is kept in place of this one, which may be itself; or itself, where it is the host's own.
        The chains that it calls must have been asked for before."""
        if chain.is_inline or len(chain.source) > _MOST_RULES or not all(child.is_kept for child in chain.children):
            return chain
        parts = parts_of(chain)
        key = family, chain.called(), chain.untracks, _rules_key(chain, parts)
        rules = self._rules.get(key)
        if rules is None:
            rules = self._rules[key] = chain.ready(parts)
            self._held += len(chain.source)
        chain_key = rules, chain.name, chain.children
        found = self._chains.get(chain_key)
        if found is None:
            chain.keep(rules)
            found = self._chains[chain_key] = chain
            self._held += 1
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


def _rules_key(chain: CompiledChain, parts: list[Part]) -> Hashable:
    """All that a chain's rules say, in order."""
    said = {id(part.said): _part_key(part) for part in parts}
    source = chain.source
    if isinstance(source, RuleList):
        return tuple([(said[id(row[0])], row[1], row[2]) for row in source.as_read()])
    return tuple([said[id(rule)] for rule in source])


def _part_key(part: Part) -> Hashable:
    kind = part.target.__class__
    if kind is Accept or kind is Drop or kind is Return:
        return part.resolved, kind
    if isinstance(part.target, Jump | Goto):
        return part.resolved, kind, part.target.chain
    return part.resolved, kind, part.target
