"""ufw limit, and what it does not limit.

What: ``ufw limit`` allows a port and holds back sources that open six connections in thirty seconds. It does so in
INPUT, so for processes of this host (SSH, most of all). A published port passes INPUT by: there the rule counts as
permission, and nothing is limited.

Why it hurts: a limit on a database's published port looks like protection against guessing passwords and is none. On
a process it works, but it is no lock: the first connections of every source get through.

See it yourself: open ten connections in a row from another machine.

Fix: allow only the sources that need it; or limit in DOCKER-USER with ``-m hashlimit`` by original destination port.

Before: ``ufw limit 5432/tcp``. After: ``ufw allow from 192.0.2.0/24 to any port 5432 proto tcp``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import about, narrower, subject
from fwaudit.model.report import Exposure, Finding, Severity

KIND = Kind("ufw-limited", "Allowed at a limited rate", Severity.LOW)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that ufw limits: information where it does, and a warning where it does not."""
    if not any(rule.action == "limit" for rule in audited.host.ufw.rules):
        return  # and nobody has to ask what policy says of each port
    for exposure in audited.exposures:
        if exposure.verdict != "as-intended" or exposure.policy.says != "limit":
            continue
        if _limits(exposure):
            yield about(KIND, audited, exposure, f"{subject(exposure)} is allowed at a limited rate: the first "
                        "connections of every source get through.", severity=Severity.INFO)
        else:
            yield about(
                KIND, audited, exposure,
                f"ufw limit does not limit {subject(exposure)}: its packets do not pass INPUT.",
                why=("Docker's DNAT sends them to the container, where no rule counts connections.",),
                next=(narrower(exposure),),
                severity=Severity.LOW)


def _limits(exposure: Exposure) -> bool:
    """Whether some packets may be held back on the way that is the policy's own."""
    return all(way.possibly != way.certainly for way in exposure.ways if way.possibly)
