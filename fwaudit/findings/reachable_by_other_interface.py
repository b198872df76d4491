"""Published on one address, yet reached through other interfaces.

What: a port is published on the address of one interface, and packets for it that come in by another are taken as
well. Linux follows the weak host model: an address belongs to the host, not to an interface, and Docker's DNAT rule
names no interface.

Why it hurts: publishing on the inner address is meant to keep the outside out. Who can send a packet for that address
to the outer interface, a neighbour on its link, gets in.

See it yourself: on a machine at the other interface, ``ip route add ADDRESS via OTHER-ADDRESS-OF-THIS-HOST``, then
connect.

Fix: drop in DOCKER-USER or in table raw what comes in by the wrong interface for that address: ``iptables -t raw -I
PREROUTING 1 ! -i eth1 -d 192.168.50.10 -p tcp --dport 5432 -j DROP`` (but not for packets from lo and from
containers).

Before: ``-p 192.168.50.10:5432:5432`` alone. After: the same, and a rule that names the interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import by_other_interfaces, explained_by
from fwaudit.findings.exposed import about, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("reachable-by-other-interface", "Reached through other interfaces", Severity.CRITICAL,
            ("CIS Docker 5.14", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port published on one address that is reached against policy by interfaces without it; and, where
    policy lets everybody in, for those that only the address keeps apart."""
    allowed = [each for each in audited.exposures if each.verdict == "as-intended" and each.service.kind == "published"
               and by_other_interfaces(audited.host, each)]
    for exposure in (*explained_by(audited, KIND.id), *allowed):
        names = by_other_interfaces(audited.host, exposure)
        service, bound = exposure.service, exposure.service.bound
        rules = tuple(f"iptables -t raw -I PREROUTING 1 -i {quote(name)} -d {bound} -p tcp --dport {service.port} "
                      "-j DROP" for name in names) if exposure.family == 4 and service.proto == 6 else ()
        others = ", ".join(names)
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is published on {bound}, yet reached through {others}.",
            why=(f"{bound} is no address of {others}; an address belongs to the whole host, and Docker's DNAT names no "
                 "interface.",),
            next=rules, explains=exposure not in allowed, severity=max(exposure.severity, Severity.LOW))
