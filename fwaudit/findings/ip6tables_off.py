"""Docker has an IPv6 network and writes no IPv6 rules.

What: a network has IPv6 enabled, and ip6tables is off (the default before Docker 27, or ``"ip6tables": false``).
Docker switches IPv6 forwarding on for it all the same, and filters nothing: all ports of a container with a routable
address are open, published or not, unless something else drops them in ip6tables' FORWARD.

Why it hurts: IPv4 hides behind NAT and Docker's rules, so that nobody expects IPv6 to be wide open. With ufw, its own
FORWARD policy is all that stands between; ``ufw disable`` or ``IPV6=no`` takes it away.

See it yourself: ``ip6tables -S | grep DOCKER`` prints nothing; from another machine, connect to the container's IPv6
address.

Fix: ``"ip6tables": true`` in /etc/docker/daemon.json (before Docker 27 with ``"experimental": true``), then restart
Docker; or take IPv6 off the network.

Before: ``{"ip6tables": false}``. After: ``{"ip6tables": true}``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by, without_ip6tables
from fwaudit.findings.exposed import about, subject
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("ip6tables-off", "An IPv6 network without IPv6 rules", Severity.CRITICAL,
            ("CIS Docker 2.4", "ATT&CK T1190"))

_NEXT = 'set "ip6tables": true in /etc/docker/daemon.json and restart Docker'


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that is open for it; where there is none, one for each such network with containers."""
    exposed = list(explained_by(audited, KIND.id))
    for exposure in exposed:
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is open at its IPv6 address: "
            "Docker writes no IPv6 rules.",
            why=("There is a DOCKER chain in iptables and none in ip6tables, so nothing filters for the container.",),
            next=(_NEXT,), explains=True)
    if exposed or not without_ip6tables(audited.host) or any(name.endswith(".v6") for name, _ in audited.host.unread):
        return
    for name in _networks(audited.host):
        yield KIND.finding(
            f"network {name}", Severity.LOW, f"The network {name} has IPv6, and Docker writes no IPv6 rules: only "
            "FORWARD's policy keeps its containers closed.",
            why=("There is a DOCKER chain in iptables and none in ip6tables.",),
            next=(_NEXT, "ip6tables -S FORWARD"))


def _networks(host: Host) -> list[str]:
    """Bridge networks on which a running container has an IPv6 address."""
    used = {endpoint.network for container in host.engine.containers if container.running
            for endpoint in container.endpoints if endpoint.address6 is not None}
    return sorted(network.name for network in host.engine.networks
                  if network.driver == "bridge" and network.ipv6 and not network.internal and network.name in used)
