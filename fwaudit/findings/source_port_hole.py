"""Open to whoever sends from a special port.

What: a port is closed to ordinary clients and open to packets whose *source* port is 53, 20, 67 or the like. Somebody
wrote a rule for answers (of DNS, of active FTP) by their source port in place of their connection, and it lets in
everything that comes from that port.

Why it hurts: a sender chooses his source port: ``nmap --source-port 53`` and every tool like it asks for exactly
this. The first texts of ufw-docker had such a rule.

See it yourself: from another machine, as root, ``nc -p 53 -vz HOST PORT``; for UDP with ``-u``.

Fix: let answers in by their connection, ``-m conntrack --ctstate ESTABLISHED,RELATED``, and take the rule by source
port away.

Before: ``-A DOCKER-USER -p udp --sport 53 -j RETURN``. After: ``-A DOCKER-USER -m conntrack --ctstate
RELATED,ESTABLISHED -j RETURN``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, policy_says, subject
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.packet.intervals import IntervalSet

KIND = Kind("source-port-hole", "Open to a special source port", Severity.CRITICAL,
            ("CIS Docker 5.9", "ATT&CK T1190"))

_SHOWN = 4


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that is reached against policy from special source ports alone."""
    for exposure in explained_by(audited, KIND.id):
        steps = exposure.evidence.trace.path if exposure.evidence else ()
        asking = [step for step in steps if "--sport" in step.text or " sport " in step.text]
        yield about(
            KIND, audited, exposure,
            f"{subject(exposure)} is closed to ordinary clients, and open to what comes from port {_ports(exposure)}.",
            why=(policy_says(exposure),
                 *(f"{step.table} {step.chain} rule {step.rule}: {step.text}" for step in asking)),
            next=("let answers in by their connection (--ctstate ESTABLISHED,RELATED) in place of their source port",),
            explains=True)


def _ports(exposure: Exposure) -> str:
    """``53``, ``20, 53 or 1024-65535``."""
    ranges = IntervalSet.from_ranges(
        each for way in exposure.ways if way.bypass for each in way.sports).ranges(0xFFFF)
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in ranges]
    if len(shown) > _SHOWN:
        return f"{', '.join(shown[:_SHOWN])} and others"
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
