"""The engine's API listens on TCP.

What: dockerd takes commands on a TCP port (2375 without encryption, 2376 with TLS, by custom). Who may speak to it
starts a container with the host's disk mounted: it is root on this host. Without client certificates, everybody who
reaches the port may speak.

Why it hurts: port 2375 is scanned for around the clock; miners come in by it within the hour. On 127.0.0.1 it is open
to every user and every container in the host's network, and to web pages in a browser here.

See it yourself: ``ss -tlnp | grep dockerd``; ``curl http://ADDRESS:2375/version``.

Fix: take ``tcp://`` out of ``hosts`` in /etc/docker/daemon.json and of dockerd's ``-H``; reach the engine by
``DOCKER_HOST=ssh://user@host``. Where it has to be TCP, ``tlsverify`` with client certificates, and a rule that lets
in those who need it.

Before: ``dockerd -H tcp://0.0.0.0:2375``. After: ``docker context create far --docker host=ssh://user@host``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import REACHED, about
from fwaudit.model.host import Engine, Host, Socket
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.packet.address import format_address

KIND = Kind("docker-api-on-tcp", "The engine's API listens on TCP", Severity.CRITICAL,
            ("CIS Docker 2.7", "ATT&CK T1190", "ATT&CK T1610", "ATT&CK T1133"))

_PLAIN, _TLS = 2375, 2376
_SWARM = (2377, 7946)
_ENGINES = ("dockerd", "podman", "docker-containerd")


def find(audited: Audited) -> Iterator[Finding]:
    """One for each TCP port that takes the engine's commands, with the worst way to it. Silent where nobody outside
    reaches it and clients need a certificate."""
    for port, sockets in sorted(_ports(audited.host).items()):
        safe = _protection(audited.host.engine, port)
        reached = [each for each in audited.exposures if each.verdict in (*REACHED, "undecided")
                   and (each.service.kind, each.service.proto, each.service.port) == ("host-socket", 6, port)]
        places = ", ".join(sorted({_place(each) for each in sockets}))
        said = f"The engine's API listens on {places}, {_SAYS[safe]}"
        if reached:
            yield about(KIND, audited, reached[0], f"{said}; it is reached from outside.", next=_NEXT,
                        severity=_severity(reached[0], safe))
        elif safe != "verified":
            yield KIND.finding(f"{port}/tcp", Severity.MEDIUM, f"{said}; it is not reached from outside.", next=_NEXT)


_SAYS = {"verified": "and asks for a client certificate", "plain": "without encryption or password",
         "encrypted": "encrypted, but without asking for a client certificate",
         "unknown": "and it is not known whether it asks for a client certificate"}
_NEXT = ('take tcp:// out of "hosts" in /etc/docker/daemon.json and of dockerd\'s -H, and restart Docker',
         "ss -tlnp | grep dockerd")


def _severity(exposure: Exposure, safe: str) -> Severity:
    if safe == "verified":
        return Severity.LOW
    return Severity.HIGH if exposure.verdict in ("neighbours", "undecided") else Severity.CRITICAL


def _ports(host: Host) -> dict[int, list[Socket]]:
    """TCP ports of the engine itself: the customary two, and others of dockerd that are not swarm's."""
    found: dict[int, list[Socket]] = {}
    for socket in host.sockets or ():
        customary = socket.port in (_PLAIN, _TLS) and socket.owner in ("", *_ENGINES)
        other = socket.owner == "dockerd" and socket.port not in _SWARM and not host.engine.swarm
        if socket.proto == 6 and (customary or other):
            found.setdefault(socket.port, []).append(socket)
    return found


def _protection(engine: Engine, port: int) -> str:
    """What the engine itself says in its warnings (fillAPIInfo in moby's daemon/info.go): it warns of every TCP address
    without encryption, and of every one without client verification."""
    for warning in engine.warnings:
        if f":{port} without encryption" in warning:
            return "plain"
        if f":{port} without TLS client verification" in warning:
            return "encrypted"
    if engine.unread or not engine.version:
        return "plain" if port == _PLAIN else "unknown"
    return "verified"


def _place(socket: Socket) -> str:
    address = format_address(socket.family, socket.address) if socket.address else "*"
    return f"[{address}]:{socket.port}" if ":" in address else f"{address}:{socket.port}"
