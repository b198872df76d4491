"""A rule in DOCKER-USER that asks for the host's port.

What: a rule names the port that clients send to, as in ``--dport 8080`` for ``-p 8080:80``. DOCKER-USER stands in
FORWARD, behind Docker's DNAT: there the packet already has the container's address and port, 80.

Why it hurts: the rule matches nothing, and what it was to close is open (or what it was to allow stays closed).

See it yourself: ``iptables -nvL DOCKER-USER`` shows its counters at zero while the port answers; in ``fwaudit trace
--in eth0 --from 198.51.100.7 --to 203.0.113.10:5432/tcp`` a packet changes its port in nat, before DOCKER-USER.

Fix: ask connection tracking for the port that the client sent to: ``-m conntrack --ctorigdstport 8080 --ctdir
ORIGINAL``. Without ``--ctdir ORIGINAL`` the rule is about the answers as well.

Before: ``iptables -I DOCKER-USER -i eth0 -p tcp --dport 8080 -j DROP``. After: ``iptables -I DOCKER-USER -i eth0 -p
tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from shlex import quote

from fwaudit.findings._effect import closed_under, engine_with, resting, weight
from fwaudit.findings._rules import Placed, asked_tables, changed, holds, interfaces_of, tool, typed, values_of
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import port_name
from fwaudit.model.condition import Condition, In
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.model.ruleset import Rule, Table
from fwaudit.packet.fields import MAX_PORT

KIND = Kind("docker-user-host-port", "A rule in DOCKER-USER that asks for the host's port", Severity.HIGH)

_PORT = re.compile(r"-m (?:tcp|udp|sctp) --dport (\d+(?::\d+)?)(?= )")
_WIDE = 4096
"""A rule for more ports than this is not about one published port."""


def find(audited: Audited) -> Iterator[Finding]:
    """One for each published port that a rule means by its number on the host."""
    host = audited.host
    seen: set[tuple[str, str]] = set()
    for family, table, rules in asked_tables(host):
        for placed in rules:
            if values_of(placed, "orig_dport") is not None or _about_what_leaves(host, placed):
                continue
            for exposure in _meant(audited, placed, family):
                key = (port_name(exposure), exposure.service.container)
                if key not in seen:
                    seen.add(key)
                    yield _finding(audited, table, placed, exposure)


def _meant(audited: Audited, placed: Placed, family: int) -> Iterator[Exposure]:
    """The published ports that a rule names by the host's number, where no container has a port of that number."""
    ports, protocols = values_of(placed, "dport"), values_of(placed, "proto")
    if ports is None or ports.size(MAX_PORT) > _WIDE:
        return
    for exposure in audited.exposures:
        service = exposure.service
        if service.kind != "published" or exposure.family != family or service.port not in ports:
            continue
        if service.container_port in ports or (protocols is not None and service.proto not in protocols):
            continue
        if (service.proto, service.port) not in _inside(audited.host):
            yield exposure


def _inside(host: Host) -> set[tuple[int, int]]:
    """The (protocol, port) pairs that packets to containers may have in FORWARD."""
    found: set[tuple[int, int]] = set()
    for container in host.engine.containers:
        if container.running and not container.shares_host_network:
            found |= set(container.exposed) | {(each.proto, each.container_port) for each in container.published}
            found |= {(each.proto, each.port) for each in container.listeners or ()}
    return found


def _about_what_leaves(host: Host, placed: Placed) -> bool:
    """Whether a rule is about what containers send: in by a bridge of the engine's, or out by anything else."""
    bridges = {network.interface for network in host.engine.networks if network.driver == "bridge"}
    entering, leaving = interfaces_of(placed, "iif"), interfaces_of(placed, "oif")
    return any(holds(named, bridge) for named in entering for bridge in bridges) or (bool(leaving) and not any(
        holds(named, bridge) for named in leaving for bridge in bridges))


def _finding(audited: Audited, table: Table, placed: Placed, exposure: Exposure) -> Finding:
    service, chain = exposure.service, table.chains[placed.chain]
    as_meant = [_by_original_port(rule) if rule.number == placed.rule.number else rule for rule in chain.rules]
    engine = engine_with(audited.host, table, {placed.chain: as_meant})
    closed = [each for each in closed_under(audited, engine, exposure.family) if each[0] is exposure]
    why = (placed.name,
           f"{service.container} is published as {service.port}:{service.container_port}; Docker's DNAT comes first.")
    return resting(
        KIND, audited, exposure, f"{port_name(exposure)} of {service.container}", weight(closed),
        f"A rule in {placed.chain} asks for port {service.port}, and never sees it: {service.container}'s packets have "
        f"port {service.container_port} there.", why=why, next=tuple(_next(table, placed)))


def _by_original_port(rule: Rule) -> Rule:
    def original(condition: Condition) -> Condition:
        return In("orig_dport", condition.values) if isinstance(condition, In) and condition.field == "dport" else (
            condition)

    return replace(rule, conditions=tuple(changed(each, original) for each in rule.conditions))


def _next(table: Table, placed: Placed) -> Iterator[str]:
    text, count = _PORT.subn(r"-m conntrack --ctorigdstport \1 --ctdir ORIGINAL", placed.rule.text)
    if count == 1:
        yield f"{tool(table)} -R {quote(placed.chain)} {placed.rule.number} {typed(text)}"
    else:
        yield "ask for the port with -m conntrack --ctorigdstport PORT --ctdir ORIGINAL, one rule for each port"
