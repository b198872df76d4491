"""On a macvlan or ipvlan network no rule of this host applies.

What: the container has an address of its own on the physical network. Its packets do not pass this host's netfilter
hooks, so that neither Docker's rules nor ufw's nor yours are ever asked; every port that something inside listens on
is open to the network that the parent interface is connected to.

Why it hurts: there is no firewall on this host for such a container at all, and ``-p`` and ``ufw`` give the
impression that there is one.

See it yourself: from another machine of that network, connect to the container's address. From this host you cannot:
macvlan keeps a host from its own containers.

Fix: filter on the router or switch, or inside the container's network namespace; let the service listen on fewer
addresses; or move it to a bridge network and publish what is needed.

Before: ``driver: macvlan``. After: ``driver: bridge`` and ``ports: ["192.0.2.10:5432:5432"]``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, endpoint_of, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("macvlan-no-host-rules", "No rule of this host is asked", Severity.CRITICAL,
            ("CIS Docker 5.9", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port of a container on a macvlan or ipvlan network that other machines reach."""
    for exposure in explained_by(audited, KIND.id):
        found = endpoint_of(audited.host, exposure)
        if found is None:
            continue
        driver, name, parent = found[1].driver, found[1].name, found[1].interface
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} stands on the network of "
            f"{parent} itself, past every rule of this host.",
            why=(f"The network {name} is {driver}: the container's packets do not pass this host's hooks.",),
            next=("close the port inside the container, or move it to a bridge network and publish what is needed",),
            explains=True)
