"""A routed network: containers are machines of their own.

What: the network's gateway mode is ``routed``. Nothing is translated: published container ports are open at the
container's own address to everybody who has a route there, and the host's port of ``-p`` is ignored. ufw's allow and
deny rules stand in INPUT and are not asked; only ``ufw route`` rules could be, and Docker's accept comes before them.

Why it hurts: ``docker ps`` shows an empty column for these ports, and ``ufw status`` says nothing of them.

See it yourself: ``docker network inspect NETWORK`` shows ``gateway_mode_ipv4`` or ``…_ipv6``; from a machine with a
route, connect to the container's address.

Fix: publish only what has to be reached; restrict the rest in DOCKER-USER by the container's address and port (``-d
ADDRESS -p tcp --dport PORT``), or take the network back to gateway mode ``nat``.

Before: ``com.docker.network.bridge.gateway_mode_ipv4: routed``. After: ``nat``, or a rule in DOCKER-USER.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, endpoint_of, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("routed-network", "Reached through a routed network", Severity.CRITICAL,
            ("CIS Docker 5.9", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each container port on a network of gateway mode routed that other machines reach."""
    for exposure in explained_by(audited, KIND.id):
        found = endpoint_of(audited.host, exposure)
        network = found[1].name if found else ""
        yield about(
            KIND, audited, exposure,
            f"{subject(exposure)} is open at the container's address, since its network {network} is routed.",
            why=(f"{network} has gateway mode routed: no translation, and Docker accepts what is published.",),
            next=(f"docker network inspect {quote(network)}",), explains=True)
