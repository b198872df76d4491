"""Docker bypasses ufw.

What: a published port is reached by sources that ufw denies. Docker writes its own rules: a DNAT rule in nat
PREROUTING turns a packet for the host's port into one for the container before it is routed, so that it is forwarded
and never comes to INPUT, where ``ufw allow`` and ``ufw deny`` stand. In FORWARD, Docker's accept comes before ufw.

Why it hurts: ``ufw status`` says closed, the internet says open. Databases with weak passwords are found by scanners
within hours and turned into miners.

See it yourself: from another machine, ``nc -vz HOST PORT``. On this host, ``fwaudit trace --in eth0 --from
198.51.100.7 --to 203.0.113.10:5432/tcp`` prints the rules that the packet meets.

Fix: publish on one address (``-p 127.0.0.1:5432:5432``), do not publish at all and let containers talk over a network
of their own, or restrict the port in DOCKER-USER by its original destination port.

Before: ``ports: ["5432:5432"]``. After: ``ports: ["127.0.0.1:5432:5432"]``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, narrower, policy_says, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("docker-bypasses-ufw", "Docker bypasses the firewall policy", Severity.CRITICAL,
            ("CIS Docker 5.14", "CIS Docker 5.9", "ATT&CK T1190", "ATT&CK T1133"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each published port and family that is reached although policy denies it, wholly or in part."""
    for exposure in explained_by(audited, KIND.id):
        service = exposure.service
        allowed = any(way.allowed and way.bypass for way in exposure.ways)
        wider = "wider than policy allows" if allowed else "although policy denies it"
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is reached from outside {wider}.",
            why=(policy_says(exposure),
                 "Docker's DNAT sends the packet to the container before INPUT and its rules are asked."),
            next=(narrower(exposure),) if service.container_port else (), explains=True)
