"""Published on 127.0.0.1, yet reachable by a neighbour.

What: a port is published on 127.0.0.1, for this host alone. Docker's DNAT rule for it takes a packet from any
interface: a machine on the same link that sends a packet *to 127.0.0.1* gets it translated to the container before
the kernel looks for martians. ufw is not asked, since the packet is forwarded.

Why it hurts: "publish on localhost" is the advice that everybody gives for databases, and in a data centre, a cloud
network or an office the link is shared with strangers. Docker Engine 28 and later drop such packets in table raw
(moby#45610); before that, nothing does.

See it yourself: on a machine of the same network, ``ip route add 127.0.0.0/8 via ADDRESS-OF-THIS-HOST`` after taking
127.0.0.1 off its own loopback and setting ``net.ipv4.conf.all.route_localnet=1``; then connect to 127.0.0.1.

Fix: update the engine to 28 or later; or drop the packets, at every boot: ``iptables -t raw -I PREROUTING 1 ! -i lo
-d 127.0.0.0/8 -j DROP``; or do not publish the port at all.

Before: Docker 26 with ``-p 127.0.0.1:5432:5432``. After: Docker 28 with the same, or the rule above.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("loopback-publish-reachable", "Published on localhost, yet reached", Severity.HIGH,
            ("CIS Docker 5.14", "ATT&CK T1190"))

_DROP = "iptables -t raw -I PREROUTING 1 ! -i lo -d 127.0.0.0/8 -j DROP"


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that is bound to a loopback address and certainly reached by other machines."""
    engine = audited.host.engine
    for exposure in explained_by(audited, KIND.id):
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is published for this host "
            "alone, yet machines on the same link reach it.",
            why=("Docker's DNAT for 127.0.0.1 takes packets from any interface, and no rule in table raw drops them.",
                 f"{engine.name} {engine.version}: version 28 and later write such a rule (moby#45610)."),
            next=(_DROP,), explains=True)
