"""A container shares the host's network.

What: the container runs with ``--network host``: its sockets are the host's, every port that it opens is the host's,
and it reaches whatever listens on this host's loopback. ufw does apply to it, as to any process; ``-p`` has no
meaning, and the engine tells none of its ports.

Why it hurts: whatever the image opens besides its own port (metrics, debug, clustering) is open as well where ufw
allows it, and services that trust 127.0.0.1 trust the container.

See it yourself: ``ss -tlnp`` on this host shows its sockets.

Fix: give it a bridge network and publish what is needed; where it needs the host's network, allow its ports one by
one.

Before: ``network_mode: host``. After: ``ports: ["127.0.0.1:8080:8080"]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import REACHED, of_container, port_name, project_of
from fwaudit.model.report import Finding, Severity

KIND = Kind("host-network-container", "A container shares the host's network", Severity.LOW,
            ("CIS Docker 5.10", "ATT&CK T1611"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each running container in the host's network; what of it is reached is told by exposures."""
    for container in audited.host.engine.containers:
        if not container.running or not container.shares_host_network:
            continue
        reached = list(dict.fromkeys(port_name(each).partition(" ")[0] for each in of_container(audited, container)
                                     if each.verdict in REACHED))  # both families of a port are one
        shown = ", ".join(reached[:4]) + (f" and {len(reached) - 4} more" if len(reached) > 4 else "")
        said = f"reached from outside: {shown}" if reached else "none of its ports is reached from outside"
        yield KIND.finding(
            container.name, Severity.LOW if reached else Severity.INFO,
            f"{container.name} shares the host's network; {said}.",
            why=("Its sockets are the host's: ufw applies to them, and it reaches what listens on 127.0.0.1.",),
            next=(f"docker inspect --format '{{{{.HostConfig.NetworkMode}}}}' {quote(container.name)}",),
            owner=project_of(container))
