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
from itertools import islice
from shlex import quote

from fwaudit.findings._effect import first_of, resting, sample, weight
from fwaudit.findings._rules import Placed, asked_tables, holds, interfaces_of, listed, restricts, tool, typed
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.model.ruleset import Table
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import IntervalSet

KIND = Kind("docker-user-one-interface", "DOCKER-USER forgets an interface", Severity.HIGH)

_ENTERING = re.compile(r" -i \S+")
_MOST = 3
_MOST_ASKED = 64
Open = tuple[tuple[Exposure, Way], ...]


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family and interface by which something gets in that a rule for another interface drops there."""
    for family, table, rules in asked_tables(audited.host):
        named = {(placed.chain, placed.rule.number): placed for placed in rules
                 if interfaces_of(placed, "iif") and restricts(placed)}
        if not named:
            continue
        forgotten: dict[str, list[tuple[Exposure, Way]]] = {}
        by: dict[str, dict[str, Placed]] = {}
        for exposure, way, other, sources in islice(_differences(audited, family), _MOST_ASKED):
            dropping = _dropped_by(audited, named, exposure, other, sources)
            if dropping is not None:
                by.setdefault(way.iif, {})[dropping.name] = dropping
                if exposure not in [each for each, _ in forgotten.setdefault(way.iif, [])]:
                    forgotten[way.iif].append((exposure, way))
        for name, found in forgotten.items():
            yield _finding(audited, table, list(by[name].values()), tuple(found), family, name)


def _differences(audited: Audited, family: int) -> Iterator[tuple[Exposure, Way, Way, IntervalSet]]:
    """(exposure, way, other, sources): policy denies them, and they get in by one way and not by the other, which
    differs from it in nothing but the interface."""
    for exposure in audited.exposures:
        if exposure.family != family or exposure.service.kind == "host-socket":
            continue
        for way in exposure.ways:
            for other in exposure.ways if way.bypass else ():
                sources = way.bypass - other.possibly
                if other.dst == way.dst and other.iif != way.iif and sources:
                    yield exposure, way, other, sources


def _dropped_by(audited: Audited, named: dict[tuple[str, int], Placed], exposure: Exposure, way: Way,
                sources: IntervalSet) -> Placed | None:
    """The rule that drops them there, if it is one that names the interface."""
    one = IntervalSet.of(sample(exposure.family, sources))
    trace = audited.engine.trace(Query(exposure.family, way.iif, way.dst, exposure.service.proto, exposure.service.port,
                                       one))
    for step in reversed(trace.path) if trace.disposition in ("dropped", "rejected") else ():
        placed = named.get((step.chain, step.rule))
        if placed is not None and any(holds(each, way.iif) for each in interfaces_of(placed, "iif")):
            return placed
    return None


def _finding(audited: Audited, table: Table, rules: list[Placed], opened: Open, family: int, name: str) -> Finding:
    rules.sort(key=lambda placed: -placed.rule.number)  # so that what is inserted first moves none of the others
    commands = [f"{quote(placed.chain)} {placed.rule.number + 1} "
                + typed(_ENTERING.sub(lambda _: f" -i {name}", placed.rule.text, 1)) for placed in rules[:_MOST]]
    return resting(
        KIND, audited, first_of(opened), f"{name} (IPv{family})", weight(opened),
        f"DOCKER-USER closes ports on other interfaces, and {name} was forgotten: "
        f"{listed(subject(each) for each, _ in opened)} would be closed there too.", where=f"by {name}",
        why=tuple(placed.name for placed in rules[:_MOST]),
        next=tuple(f"{tool(table)} -I {command}" for command in commands))
