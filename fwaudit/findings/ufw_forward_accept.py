"""ufw lets everything through that is forwarded.

What: ``DEFAULT_FORWARD_POLICY="ACCEPT"`` in /etc/default/ufw (``ufw default allow routed``). Before Docker Engine 28,
and with Podman, ports that a container does not publish are kept from outside by that policy alone.

Why it hurts: whoever can send packets for the container's address to this host (a machine on the link, or anybody where
the network is routed) reaches every port of every container, published or not.

See it yourself: on a neighbour, ``ip route add 172.17.0.0/16 via HOST``, then ``nc -vz 172.17.0.2 PORT``.

Fix: deny, and allow what is meant; containers keep their way out with Docker's iptables backend. Or move to Docker
Engine 28, which drops such packets itself.

Before: ``DEFAULT_FORWARD_POLICY="ACCEPT"``. After: ``ufw default deny routed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fwaudit.findings._effect import first_of, reaching, resting, weight
from fwaudit.findings._rules import filter_tables, listed
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.path.engine import Engine

KIND = Kind("ufw-forward-accept", "ufw lets everything through that is forwarded", Severity.HIGH)


def find(audited: Audited) -> Iterator[Finding]:
    """One where container ports that nobody published are reached because of it, or could be with this engine."""
    host = audited.host
    if host.ufw.default_forward != "accept" or not (intent.in_force(host, 4) or intent.in_force(host, 6)):
        return
    opened = tuple(_opened(audited))
    if not opened and not _relies_on_policy(host):
        return
    names = listed(subject(exposure) for exposure, _ in opened)
    yield resting(
        KIND, audited, first_of(opened), "ufw", weight(opened),
        f"ufw lets through what is forwarded{f': so {names} can be reached' if opened else ''}, published or not.",
        why=("/etc/default/ufw says DEFAULT_FORWARD_POLICY=ACCEPT.",
             f"{host.engine.name.capitalize()} {host.engine.version} leaves ports that are not published to that "
             "policy."), next=("ufw default deny routed",))


def _relies_on_policy(host: Host) -> bool:
    """Whether the engine has no rule of its own against packets to ports that are not published."""
    found = re.match(r"(\d+)\.", host.engine.version)
    old = host.engine.name == "podman" or (found is not None and int(found[1]) < 28)
    return old and any(container.running and container.endpoints for container in host.engine.containers)


def _opened(audited: Audited) -> Iterator[tuple[Exposure, Way]]:
    """Ports of containers that get in now and would not under ``default deny routed``."""
    engine = _with_deny(audited.host)
    published = {(container.name, port.proto, port.container_port) for container in audited.host.engine.containers
                 for port in container.published}
    for exposure in audited.exposures:
        service = exposure.service
        if service.kind != "container-port" or (service.container, service.proto, service.port) in published:
            continue
        for way in exposure.ways:
            if way.certainly - reaching(engine, exposure, way, way.certainly):
                yield exposure, way
                break


def _with_deny(host: Host) -> Engine:
    """The engine of the same host under ``ufw default deny routed``."""
    tables = {}
    for _, table in filter_tables(host):
        chains = dict(table.chains)
        if "FORWARD" in chains:
            chains["FORWARD"] = replace(chains["FORWARD"], policy="drop")
        for name in ("ufw-track-forward", "ufw6-track-forward"):
            if name in chains:
                chains[name] = replace(chains[name], rules=())
        tables[id(table)] = replace(table, chains=chains)
    ruleset = replace(host.ruleset, tables=tuple(tables.get(id(table), table) for table in host.ruleset.tables))
    return Engine(replace(host, ruleset=ruleset))
