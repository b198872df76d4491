"""DOCKER-USER forgets an interface.

What: rules in DOCKER-USER close a port on one interface by its name (``-i eth0``), and the same port is reached by
another one, although the firewall policy denies it there.

Why it hurts: a second network card, a VPN or a new name of the card is enough to get in.

See it yourself: ``fwaudit trace --in eth1 --from 192.168.50.20 --to 203.0.113.10:5432/tcp``, with the interface that
the finding names.

Fix: say what may come in and drop the rest, whichever interface it comes by; or say the rule again for each one.

Before: ``-i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP``. After: the same without ``-i
eth0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fwaudit.exposure import outside_interfaces
from fwaudit.findings._rules import (
    Placed,
    asked_tables,
    changed,
    closed_under,
    engine_with,
    first_of,
    holds,
    interfaces_of,
    listed,
    resting,
    restricts,
    tool,
    weight,
)
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.condition import AnyOf, Condition, Named
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.model.ruleset import Rule, Table

KIND = Kind("docker-user-one-interface", "DOCKER-USER forgets an interface", Severity.HIGH)

_MOST = 3


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family and interface by which more would be closed, if the rules for others were for it as well."""
    outside = [interface.name for interface in outside_interfaces(audited.host)]
    for family, table, rules in asked_tables(audited.host):
        about = [placed for placed in rules if any(
            holds(named, name) for named in interfaces_of(placed, "iif") for name in outside)]
        named = {name for placed in about for name in outside
                 if restricts(placed) and any(holds(each, name) for each in interfaces_of(placed, "iif"))}
        forgotten = [name for name in outside if name not in named]
        if not named or not forgotten:
            continue
        engine = engine_with(audited.host, table, {
            chain: [_anywhere(rule, outside) for rule in table.chains[chain].rules]
            for chain in {placed.chain for placed in about}})
        for name in forgotten:
            closed = closed_under(audited, engine, family, wrong=True, iif=name)
            if closed:
                yield _finding(audited, table, [placed for placed in about if restricts(placed)], closed, family, name)


def _anywhere(rule: Rule, outside: list[str]) -> Rule:
    """The rule, for all outer interfaces in place of the one that it names."""
    def every(condition: Condition) -> Condition:
        if isinstance(condition, Named) and condition.field == "iif" and any(
                holds(condition, each) for each in outside):
            return AnyOf(tuple(Named("iif", each) for each in outside))
        return condition

    return replace(rule, conditions=tuple(changed(each, every) for each in rule.conditions))


def _finding(audited: Audited, table: Table, rules: list[Placed], closed: tuple[tuple[Exposure, Way], ...],
             family: int, name: str) -> Finding:
    commands = [re.sub(r" -i \S+", f" -i {name}", placed.rule.text, count=1).removeprefix("-A ")
                for placed in rules[:_MOST]]
    return resting(
        KIND, audited, first_of(closed), f"{name} (IPv{family})", weight(closed),
        f"DOCKER-USER closes ports on other interfaces, and {name} was forgotten: "
        f"{listed(subject(each) for each, _ in closed)} would be closed there too.", where=f"by {name}",
        why=tuple(placed.name for placed in rules[:_MOST]),
        next=tuple(f"{tool(table)} -I {command}" for command in commands))
