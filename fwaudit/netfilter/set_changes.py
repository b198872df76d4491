"""Which named sets the rules themselves change: a packet may meet first a rule that changes one, then one that asks.

Seen in a kernel: behind ``tcp dport 7000 add @knocked { ip saddr }``, ``ip saddr @knocked accept`` lets in that very
packet. So a packet carries a bit for each set that a rule has changed for it (the field ``in_sets``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fwaudit.model.ruleset import ChangeSet, Inline, Rule, Ruleset, Target
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.records import NamedTuple

MOST_BITS: Final = 32
"""Sets that have a bit of their own; all beyond share the last one."""


class SetChanges(NamedTuple):
    """The bit of each set that rules change, and those that they take elements out of."""

    bits: Mapping[tuple[str, ...], int]
    removing: frozenset[tuple[str, ...]]


NO_CHANGES: Final = SetChanges({}, frozenset())


def set_changes(ruleset: Ruleset) -> SetChanges:
    """What is added to a list of ipsets goes into one of its members, so that these have its bit as well."""
    bits: dict[tuple[str, ...], int] = {}
    removing: set[tuple[str, ...]] = set()
    for change in _changes(ruleset):
        bit = 1 << min(len(bits), MOST_BITS - 1)
        bit = bits.setdefault(change.set_key, bit)
        found = ruleset.sets.get(change.set_key)
        touched = [change.set_key, *((("ipset", member) for member in found.members) if found is not None else ())]
        for key in touched:
            bits[key] = bits.get(key, 0) | bit
        if change.removes:
            removing.update(touched)
    return SetChanges(bits, frozenset(removing))


def _changes(ruleset: Ruleset) -> Iterator[ChangeSet]:
    for table in ruleset.tables:
        for chain in table.chains.values():
            yield from _of(texts_of(chain.rules))


def _of(rules: Iterable[RuleText | Rule]) -> Iterator[ChangeSet]:
    for rule in rules:
        target: Target = rule.target
        if isinstance(target, ChangeSet):
            yield target
        elif isinstance(target, Inline):
            yield from _of(target.rules)
