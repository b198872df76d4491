"""Which families have connection tracking: it is on only where some rule needs it, and without it NAT does not run.

Seen in a kernel: a base chain of type nat whose policy is drop lets everything through, until somewhere a rule of that
family asks for a connection's state or rewrites an address (nf_conntrack_proto.c nf_ct_netns_get; nf_nat_core.c
nf_nat_inet_fn returns NF_ACCEPT for a packet without a connection).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fwaudit.model.condition import All, AnyOf, Condition, In, Masked, Not, Unknown
from fwaudit.model.ruleset import (
    CopyMark,
    Dnat,
    Inline,
    NetmapDnat,
    Redirect,
    Rule,
    Ruleset,
    SetMark,
    Snat,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.hooks import CONNTRACK
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.rule_text import RuleText

_FAMILIES = {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": frozenset({4, 6})}
_FIELDS = ("ct_", "orig_", "reply_")
_UNREAD = re.compile(r"conn|\bct\b|helper|cluster|synproxy|xt ", re.IGNORECASE)
"""What is undecided and may need connections, by its text."""


def tracked_families(ruleset: Ruleset) -> frozenset[int]:
    """The families, 4 and 6, in which some rule needs connection tracking, hooked or not; both, where rules were not
    read that may need it."""
    if ruleset.unread:
        return frozenset({4, 6})
    found: set[int] = set()
    for table in ruleset.tables:
        families = _FAMILIES.get(table.family, frozenset())
        for chain in table.chains.values():
            if families <= found:
                break
            found |= _needed(texts_of(chain.rules), families)
    return frozenset(found)


def zoned_families(ruleset: Ruleset) -> frozenset[int]:
    """The families in which some rule in front of connection tracking gives packets a zone."""
    found: set[int] = set()
    for table in ruleset.tables:
        families = _FAMILIES.get(table.family, frozenset())
        early = any(chain.hook in ("prerouting", "output") and chain.priority <= CONNTRACK
                    for chain in table.chains.values())
        if early and any(_gives_zone(rule.target) for chain in table.chains.values() for rule in texts_of(chain.rules)):
            found |= families
    return frozenset(found)


def _gives_zone(target: Target) -> bool:
    if isinstance(target, Inline):
        return any(_gives_zone(rule.target) for rule in target.rules)
    return isinstance(target, Template) and target.zone


def _needed(rules: Iterable[RuleText | Rule], families: frozenset[int]) -> frozenset[int]:
    """The families of a table for which its rules need tracking."""
    found: frozenset[int] = frozenset()
    for rule in rules:
        if any(_asks(condition) for condition in rule.conditions):
            return families
        found |= _by_target(rule.target, families)
        if found == families:
            break
    return found


def _asks(condition: Condition) -> bool:
    if isinstance(condition, All | AnyOf):
        return any(_asks(part) for part in condition.parts)
    if isinstance(condition, Not):
        return _asks(condition.part)
    if isinstance(condition, Unknown):
        return _UNREAD.search(condition.text) is not None
    return isinstance(condition, In | Masked) and condition.field.startswith(_FIELDS)


def _by_target(target: Target, families: frozenset[int]) -> frozenset[int]:
    """``dnat ip to`` in a table of both families turns tracking on for one of them."""
    if isinstance(target, Dnat | Snat | NetmapDnat):
        return families & {target.family} if target.family else families
    if isinstance(target, Inline):
        return _needed(target.rules, families)
    needs = isinstance(target, Redirect | CopyMark | Template) or (
        isinstance(target, SetMark) and target.field == "ct_mark") or (
        isinstance(target, Undecidable) and _UNREAD.search(target.text) is not None)
    return families if needs else frozenset()
