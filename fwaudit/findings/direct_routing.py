"""A container is reached at its own address.

What: a machine that routes the container's address to this host (a neighbour on the link, or everybody where the
network is really routed) reaches ports of the container directly. It does not matter whether they are published, or
on which address: FORWARD decides, and Docker accepts published container ports there for every destination address.

Why it hurts: a port that is published on 127.0.0.1 only, or not at all, counts as safe. Before Docker Engine 28 a
published container port is open at the container's address; a port that is not published is open wherever FORWARD's
chain policy is ACCEPT (``ufw disable`` sets it, and so does ``DEFAULT_FORWARD_POLICY="ACCEPT"``).

See it yourself: on a neighbour, ``ip route add 172.17.0.0/16 via ADDRESS-OF-THIS-HOST``, then connect to the
container.

Fix: update the engine to 28 or later, which drops such packets in table raw; keep FORWARD's policy at DROP; or drop
what is addressed to the container's network from outside, in DOCKER-USER.

Before: ``allow-direct-routing`` or Docker 26. After: Docker 28 without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by, has_chains
from fwaudit.findings.exposed import about, container_of, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("direct-routing", "A container reached at its own address", Severity.CRITICAL,
            ("CIS Docker 5.9", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port of a container that other machines reach at the container's address."""
    for exposure in explained_by(audited, KIND.id):
        service, container = exposure.service, container_of(audited.host, exposure)
        published = container is not None and any(
            (port.proto, port.container_port) == (service.proto, service.port) for port in container.published)
        yield about(
            KIND, audited, exposure,
            f"{subject(exposure)} is reached at the container's own address, "
            f"{'past what is published on the host' if published else 'although it is not published'}.",
            why=(f"{service.bound} is forwarded by this host, and no rule keeps other machines from sending to it.",),
            next=("update to Docker Engine 28 or later, which drops such packets",) if _drops_later(audited) else (),
            explains=True)


def _drops_later(audited: Audited) -> bool:
    engine = audited.host.engine
    if not has_chains(audited.host, "ip"):
        return False  # its rules are gone; another version's would be, too
    major = engine.version.partition(".")[0]
    return engine.name == "docker" and major.isdigit() and int(major) < 28
