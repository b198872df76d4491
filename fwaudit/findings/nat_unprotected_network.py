"""A nat-unprotected network: every port of every container on it is open.

What: the network's gateway mode is ``nat-unprotected``. Docker accepts every packet that is forwarded to it, for any
port, published or not, from anywhere; it is how Docker behaved long ago, kept for those who asked for it.

Why it hurts: a container's debug port, its metrics, its database inside are reached by whoever has a route to the
container's network: always the neighbours on the link.

See it yourself: ``docker network inspect NETWORK`` shows the gateway mode; on a neighbour, add a route to the
network's subnet by way of this host and connect to any port of a container.

Fix: create the network anew without the option (gateway mode ``nat`` drops what is not published), or drop what comes
from outside for its bridge in DOCKER-USER.

Before: ``com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected``. After: the option left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, endpoint_of, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("nat-unprotected-network", "Reached through an unprotected network", Severity.CRITICAL,
            ("CIS Docker 5.9", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each container port on a network of gateway mode nat-unprotected that other machines reach."""
    for exposure in explained_by(audited, KIND.id):
        found = endpoint_of(audited.host, exposure)
        network = found[1].name if found else ""
        yield about(
            KIND, audited, exposure,
            f"{subject(exposure)} is open at the container's address, since its network {network} is unprotected.",
            why=(f"{network} has gateway mode nat-unprotected: Docker accepts every port of every container.",),
            next=(f"docker network inspect {quote(network)}",), explains=True)
