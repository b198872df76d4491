"""A rule in DOCKER-USER that no packet comes to.

What: a rule stands behind another one that takes every packet it is for. The usual case: ``iptables -A DOCKER-USER``
appends, and up to Docker Engine 28.2.1 the chain ends with Docker's own ``-j RETURN``.

Why it hurts: the rule is listed, and it does nothing. A port that it was to close is open.

See it yourself: ``iptables -nvL DOCKER-USER --line-numbers`` shows the rule behind the RETURN, its counters at zero.

Fix: insert in place of appending, ``iptables -I DOCKER-USER``; better still, keep your rules in a chain of your own
and insert one jump to it.

Before: ``iptables -A DOCKER-USER -i eth0 -j DROP``. After: ``iptables -I DOCKER-USER -i eth0 -j DROP``, and above it
``iptables -I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings._effect import closed_under, engine_with, first_of, resting, weight
from fwaudit.findings._rules import (
    ANSWERS,
    CHAIN,
    Placed,
    asked_tables,
    covers,
    is_always,
    lets_answers_through,
    listed,
    tool,
    typed,
)
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.report import Finding, Severity
from fwaudit.model.ruleset import Accept, Continue, Drop, Goto, Reject, Return, Rule, Table

KIND = Kind("docker-user-dead-rule", "A rule in DOCKER-USER that no packet comes to", Severity.HIGH)

_ENDS = (Accept, Drop, Reject, Return, Goto)
_MOST = 5
_LONG_CHAIN = 500
"""Longer chains are lists that a program made; comparing each rule with each would take too long, so that only rules
behind one that takes every packet are found there."""


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family with such rules."""
    for family, table, rules in asked_tables(audited.host):
        takers = _first_takers(table, rules)
        dead = [(placed, taker) for placed in rules if (taker := _taken_by(placed, table, takers)) is not None]
        if not dead:
            continue
        moved = [placed for placed, _ in dead if placed.chain == CHAIN]
        away = {placed.rule.number for placed in moved}
        first = [*(placed.rule for placed in moved),
                 *(rule for rule in table.chains[CHAIN].rules if rule.number not in away)]
        closed = closed_under(audited, engine_with(audited.host, table, {CHAIN: first}), family)
        why = [f"{placed.name}: never met, since rule {taker.number} takes its packets: {taker.text}"
               for placed, taker in dead[:_MOST]]
        if closed:
            why.append(f"If it came first, less would get in to {listed(subject(each) for each, _ in closed)}.")
        yield resting(
            KIND, audited, first_of(closed), f"{CHAIN} (IPv{family})", weight(closed),
            f"{'A rule' if len(dead) == 1 else f'{len(dead)} rules'} in {CHAIN} can meet no IPv{family} packet.",
            why=tuple(why), next=tuple(_next(table, rules, [placed for placed, _ in dead])))


def _first_takers(table: Table, rules: tuple[Placed, ...]) -> dict[str, list[Rule]]:
    """For each chain the first rule that takes every packet."""
    found: dict[str, list[Rule]] = {}
    for name in {placed.chain for placed in rules}:
        found[name] = [rule for rule in table.chains[name].rules if isinstance(rule.target, _ENDS) and is_always(rule)][
            :1]
    return found


def _taken_by(placed: Placed, table: Table, takers: dict[str, list[Rule]]) -> Rule | None:
    """The earlier rule that takes every packet of a rule, where that makes a difference."""
    earlier = table.chains[placed.chain].rules
    if isinstance(placed.rule.target, (Return, Continue)):
        return None
    for rule in earlier if len(earlier) <= _LONG_CHAIN else takers.get(placed.chain, ()):
        if rule.number >= placed.rule.number:
            return None
        if isinstance(rule.target, _ENDS) and rule.target != placed.rule.target and covers(rule, placed.rule):
            return rule
    return None


def _next(table: Table, rules: tuple[Placed, ...], dead: list[Placed]) -> Iterator[str]:
    """Each rule moved to the front, but behind the one that lets answers pass; that one first, where there is none."""
    command = tool(table)
    standing = [placed.rule.number for placed in rules
                if placed.chain == CHAIN and placed not in dead and lets_answers_through(placed)]
    place = standing[0] + 1 if standing else 2
    first = "" if standing else f"{command} -I {CHAIN} 1 {ANSWERS} && "
    for placed in reversed(dead[:_MOST]):
        chain, words = quote(placed.chain), typed(placed.rule.text)
        if placed.chain == CHAIN:
            yield f"{first}{command} -D {chain} {words} && {command} -I {chain} {place} {words}"
            first = ""
        else:
            yield f"{command} -D {chain} {words} && {command} -I {chain} 1 {words}"
