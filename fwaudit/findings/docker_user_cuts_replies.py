"""DOCKER-USER drops the answers that containers wait for.

What: DOCKER-USER is asked about every packet that is forwarded, and so about the answers to what containers ask of
others: they come in by the outer interface, like a stranger's packet. A rule that drops what comes in there, without
an exception for connections that stand, drops them as well. So does the example in Docker's own documentation.

Why it hurts: containers reach nothing outside: no updates, no mail, no API; and clients that are allowed may lose
their answers. What breaks in that way is often mended by taking the whole rule away.

See it yourself: from a container, a download times out; ``iptables -nvL DOCKER-USER`` counts the packets of the DROP.

Fix: let connections that stand pass first.

Before: ``-A DOCKER-USER -i eth0 -j DROP``. After: ``-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j
RETURN`` comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fwaudit.findings._effect import engine_without, resting
from fwaudit.findings._rules import (
    ANSWERS,
    CHAIN,
    STRANGERS,
    Placed,
    asked_tables,
    holds,
    interfaces_of,
    restricts,
    tool,
)
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import port_name
from fwaudit.model.condition import Condition, In, Not
from fwaudit.model.host import Container, Host
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.model.ruleset import Table
from fwaudit.model.verdict import Query, Trace
from fwaudit.packet.address import format_address, parse_address
from fwaudit.packet.fields import TCP, max_address
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.path.engine import Engine

KIND = Kind("docker-user-cuts-replies", "DOCKER-USER drops the answers that containers wait for", Severity.MEDIUM)

_HTTPS, _CLIENT_PORT = 443, 40000
_MOST_PORTS, _MOST_SOURCES, _MOST_WAYS = 10, 4, 2


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family in which strangers' answers to containers are dropped, and one for each published port whose
    own answers are."""
    for family, table, rules in asked_tables(audited.host):
        dropping = [placed for placed in rules if restricts(placed)]
        if not dropping:
            continue
        command = f"{tool(table)} -I {CHAIN} 1 {ANSWERS}"
        without = engine_without(audited.host, table, dropping)
        yield from _of_containers(audited, family, table, without, command)
        of_answers = [placed for placed in dropping if _meets_answers(audited.host, placed)]
        if of_answers:
            yield from _of_ports(audited, family, of_answers, command)


def _of_containers(audited: Audited, family: int, table: Table, without: Engine, command: str) -> Iterator[Finding]:
    engine = audited.engine
    for container, bridge, address in _on_bridges(audited.host, family):
        for stranger in (parse_address(text)[1] for text in STRANGERS[family]):
            asks = Query(family, bridge, stranger, TCP, _HTTPS, IntervalSet.of(address), _CLIENT_PORT)
            hops = engine.fibs[family].lookup(stranger)
            doors = hops[0][1].devices if hops else ()
            if not doors or engine.trace(asks).disposition not in ("undecided", "delivered"):
                continue
            answer = Query(family, doors[0], address, TCP, _CLIENT_PORT, ALL, _HTTPS, "forward", bridge, True)
            cut = _lost(engine, answer) & _through(without, answer)
            whole = 1 << (32 if family == 4 else 128)
            if cut.size(max_address(family)) * 2 > whole:  # a list of a few unwelcome sources is what was meant
                witness = stranger if stranger in cut else cut.lowest()
                trace = engine.trace(replace(answer, sources=IntervalSet.of(witness)))
                yield KIND.finding(
                    f"IPv{family}", Severity.LOW,
                    f"Answers to connections that containers open over IPv{family} are dropped.",
                    why=(f"The answer of {format_address(family, witness)} port {_HTTPS} to {container.name} "
                         f"({format_address(family, address)} port {_CLIENT_PORT}), in by {doors[0]}:", *_by(trace)),
                    next=(command,))
                return


def _of_ports(audited: Audited, family: int, dropping: list[Placed], command: str) -> Iterator[Finding]:
    """Published ports: a client's packet gets to the container, and the answer does not get back."""
    asked = [each for each in audited.exposures
             if each.family == family and each.service.kind == "published" and each.service.proto == TCP]
    for exposure in asked[:_MOST_PORTS]:
        lost = next(_lost_answers(audited.engine, exposure, dropping), None)
        if lost is not None:
            source, trace = lost
            yield resting(
                KIND, audited, exposure, f"{port_name(exposure)} of {exposure.service.container}", Severity.LOW,
                f"Clients get to {port_name(exposure)} of {exposure.service.container}, and its answers are dropped.",
                why=(f"The answer to {format_address(family, source)}:", *_by(trace)), next=(command,))


def _meets_answers(host: Host, placed: Placed) -> bool:
    """Whether a rule that asks for the source could meet a container's answer: it comes in by a bridge."""
    entering = interfaces_of(placed, "iif")
    bridges = [network.interface for network in host.engine.networks if network.driver == "bridge"]
    return any(map(_source, placed.conditions)) and (
        not entering or any(holds(named, bridge) for named in entering for bridge in bridges))


def _source(condition: Condition) -> IntervalSet | None:
    """The sources that a condition names, to be met or to be spared."""
    asked = condition.part if isinstance(condition, Not) else condition
    return asked.values if isinstance(asked, In) and asked.field == "src" else None


def _lost_answers(engine: Engine, exposure: Exposure, dropping: list[Placed]) -> Iterator[tuple[int, Trace]]:
    sources: dict[int, None] = {}
    for placed in dropping:
        for values in filter(None, map(_source, placed.conditions)):
            sources[values.lowest()] = None
        if len(sources) >= _MOST_SOURCES:
            break
    sources |= {parse_address(text)[1]: None for text in STRANGERS[exposure.family]}
    for way in exposure.ways[:_MOST_WAYS]:
        for source in sources:
            query = Query(exposure.family, way.iif, way.dst, TCP, exposure.service.port, IntervalSet.of(source))
            trace = engine.trace(query)
            last = trace.path[-1] if trace.path else None
            if trace.disposition not in ("dropped", "rejected") or last is None:
                continue
            by_them = any((last.chain, last.rule) == (placed.chain, placed.rule.number) for placed in dropping)
            if by_them and last.does.endswith("the answer"):
                yield source, trace


def _on_bridges(host: Host, family: int) -> Iterator[tuple[Container, str, int]]:
    """One container of each bridge network: rules that cut off what comes in make no difference between them."""
    seen: set[str] = set()
    bridges = {network.name: network.interface for network in host.engine.networks
               if network.driver == "bridge" and not network.internal}
    for container in host.engine.containers:
        for endpoint in container.endpoints if container.running else ():
            address = endpoint.address if family == 4 else endpoint.address6
            if address is not None and bridges.get(endpoint.network) and endpoint.network not in seen:
                seen.add(endpoint.network)
                yield container, bridges[endpoint.network], address


def _lost(engine: Engine, query: Query) -> IntervalSet:
    return _area(engine, query, ("dropped", "rejected"))


def _through(engine: Engine, query: Query) -> IntervalSet:
    return _area(engine, query, ("accepted",))


def _area(engine: Engine, query: Query, dispositions: tuple[str, ...]) -> IntervalSet:
    found = EMPTY
    for outcome in engine.reach(query).outcomes:
        if outcome.disposition in dispositions:
            found = found | outcome.certainly
    return found


def _by(trace: Trace) -> tuple[str, ...]:
    last = trace.path[-1]
    return (f"{last.chain} rule {last.rule}: {last.text}",)
