"""A container holds Docker's socket.

What: the engine's socket, or a folder that it lies in, is mounted into a container. Who can speak to it starts a
container with the host's disk mounted: it is root on this host. Read-only does not help, since that is about the file
and not about what is said through it.

Why it hurts: proxies, dashboards and updaters ask for it, and some of them face the network. One flaw there is the
host.

See it yourself: ``docker inspect --format '{{json .Mounts}}' CONTAINER``.

Fix: put a filtering proxy in between that lets through the few questions that are needed (GET on containers and
networks), or let the container do without.

Before: ``/var/run/docker.sock:/var/run/docker.sock:ro``. After: ``DOCKER_HOST: tcp://socket-proxy:2375`` on a network
that is internal.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import about, foothold, project_of
from fwaudit.model.host import Container
from fwaudit.model.report import Finding, Severity

KIND = Kind("docker-socket-mounted", "A container holds the engine's socket", Severity.CRITICAL,
            ("CIS Docker 5.32", "ATT&CK T1611", "ATT&CK T1610"))

_SOCKETS = ("/docker.sock", "/podman.sock", "/containerd.sock")
_FOLDERS = ("/", "/run", "/run/docker", "/run/podman", "/run/containerd")


def find(audited: Audited) -> Iterator[Finding]:
    """One for each running container that has the socket; worse where it is reached from outside."""
    for container in audited.host.engine.containers:
        source = _source(container)
        if not container.running or not source:
            continue
        what = f"{container.name} holds {source}, by which it is root on this host"
        next = ("put a filtering proxy in between, or do without: "
                f"docker inspect --format '{{{{json .Mounts}}}}' {quote(container.name)}",)
        reached = foothold(audited, container)
        if reached is not None:
            exposure, severity = reached
            yield about(KIND, audited, exposure, f"{what}, and it is reached from outside.", severity=severity,
                        next=next)
        else:
            yield KIND.finding(container.name, Severity.LOW, f"{what}.", next=next, owner=project_of(container))


def _source(container: Container) -> str:
    """What of the host's is mounted that holds the socket; empty where nothing does."""
    for source, _ in container.mounts:
        path = source.replace("/var/run", "/run", 1).rstrip("/") or "/"
        if path.endswith(_SOCKETS) or path in _FOLDERS:
            return source
    return ""
