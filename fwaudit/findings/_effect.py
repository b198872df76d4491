"""Whether a rule has an effect: the engine is asked once more, about the same host with the rule changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fwaudit.exposure.words import where_from
from fwaudit.findings._rules import STRANGERS, Placed
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import owner_of
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.model.ruleset import Rule, Table
from fwaudit.model.verdict import Query
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.engine import Engine


def engine_with(host: Host, table: Table, chains: Mapping[str, Iterable[Rule]]) -> Engine:
    """The engine of the same host, with other rules in some chains of a table."""
    new = replace(table, chains={name: replace(chain, rules=tuple(chains[name])) if name in chains else chain
                                 for name, chain in table.chains.items()})
    tables = tuple(new if each is table else each for each in host.ruleset.tables)
    return Engine(replace(host, ruleset=replace(host.ruleset, tables=tables)))


def engine_without(host: Host, table: Table, rules: Iterable[Placed]) -> Engine:
    """The engine of the same host without some rules."""
    away = {(placed.chain, placed.rule.number) for placed in rules}
    return engine_with(host, table, {name: [rule for rule in table.chains[name].rules
                                            if (name, rule.number) not in away] for name in {name for name, _ in away}})


def reaching(engine: Engine, exposure: Exposure, way: Way, sources: IntervalSet) -> IntervalSet:
    """Of ``sources``, those that get through, or may, by one way."""
    service, found = exposure.service, EMPTY
    answer = engine.reach(Query(exposure.family, way.iif, way.dst, service.proto, service.port, sources))
    for outcome in answer.outcomes:
        if outcome.disposition in ("delivered", "undecided"):
            found = found | outcome.possibly
    return found


def closed_under(audited: Audited, engine: Engine, family: int, *,
                 wrong: bool = False) -> tuple[tuple[Exposure, Way], ...]:
    """What certainly gets in now and certainly would not, wholly or in part, with ``engine``'s rules.

    ``wrong``: only sources that policy denies.
    """
    found = []
    for exposure in audited.exposures:
        if exposure.family != family or exposure.service.kind == "host-socket":
            continue
        for way in exposure.ways:
            sources = way.bypass if wrong else way.certainly
            if sources and sources - reaching(engine, exposure, way, sources):
                found.append((exposure, way))
                break
    return tuple(found)


def sample(family: int, sources: IntervalSet) -> int:
    """One of the sources, if possible one that a reader takes for a stranger's."""
    for text in STRANGERS[family]:
        if parse_address(text)[1] in sources:
            return parse_address(text)[1]
    return sources.lowest()


def resting(kind: Kind, audited: Audited, exposure: Exposure | None, subject: str, severity: Severity, what: str, *,
            why: tuple[str, ...] = (), next: tuple[str, ...] = (), where: str = "") -> Finding:
    """A finding about a rule, with the worst exposure that stands open for it; ``where``: from where, if not all of
    the exposure's sources."""
    if exposure is None:
        return kind.finding(subject, severity, what, why=why, next=next, where_from=where)
    owner, file, line = owner_of(audited.host, exposure)
    where = where or where_from(exposure, audited.networks, audited.inside)
    return kind.finding(subject, severity, what, where_from=where, why=why, next=next, owner=owner, exposure=exposure,
                        file=file, line=line)


def first_of(found: Sequence[tuple[Exposure, Way]]) -> Exposure | None:
    """The worst exposure of what was found: they are in that order."""
    return found[0][0] if found else None


def weight(found: Iterable[tuple[Exposure, Way]]) -> Severity:
    """How bad a rule without effect is: by what stands open for it. The exposure itself has its own finding."""
    worst = [exposure.severity if exposure.verdict == "bypass" else Severity.LOW for exposure, _ in found]
    if not worst:
        return Severity.LOW
    return Severity.HIGH if max(worst) >= Severity.HIGH else Severity.MEDIUM
