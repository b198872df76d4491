"""Findings held against a policy: what of them counts beside the ports, and who answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from fwaudit.model.compliance import Accepted, Judged, JudgedFinding, Policy
from fwaudit.model.report import Finding, Report, Severity

OF_A_PORT = frozenset({
    "dangerous-service", "docker-api-on-tcp", "docker-user-cuts-replies", "docker-user-dead-rule",
    "docker-user-empty-set", "docker-user-host-port", "docker-user-ignored", "docker-user-jumps-to-ufw",
    "docker-user-not-called", "docker-user-one-family", "docker-user-one-interface", "docker-user-stale",
    "ufw-docker-block", "ufw-limited", "ufw-rule-without-effect",
})
"""Kinds that are as bad as it is that their port is reached: who answers for the port answers for them. A weak password
or a mounted socket is none: that a port is meant to be open is no word on what stands behind it."""

COUNTED_OTHERWISE = frozenset({"undecided", "unreadable"})
"""Kinds that ``undecided`` and what could not be read stand for."""


def weigh(report: Report, policy: Policy, judged: Sequence[Judged]) -> tuple[JudgedFinding, ...]:
    """Judge every finding that says more than its port does: in the order of the report."""
    ports = {id(each.exposure): each for each in judged}
    found = []
    for finding in report.every_finding:
        port = ports.get(id(finding.exposure)) if finding.explains or finding.id in OF_A_PORT else None
        told = port is not None and (finding.explains or port.standing in ("breach", "undecided"))
        if not told and finding.id not in COUNTED_OTHERWISE:
            found.append(_judge(finding, policy, port))
    return tuple(found)


def _judge(finding: Finding, policy: Policy, port: Judged | None) -> JudgedFinding:
    by = tuple(entry for entry in policy.accepted if _speaks_of(entry, finding))
    if port is not None and port.standing == "accepted":
        by = (*by, *port.by)
    level = _level(finding, policy)
    if level == "ok":
        return JudgedFinding(finding, "fine", "ok", by)
    return JudgedFinding(finding, "accepted", "ok", by) if by else JudgedFinding(finding, "breach", level)


def _level(finding: Finding, policy: Policy) -> Literal["ok", "warning", "critical"]:
    """``fail_on`` holds as for ports; but what is low is for reading, not for an alarm, unless ``fail_on`` says so, and
    what is not certain is a warning at most."""
    if finding.severity >= policy.fail_on:
        return "critical" if finding.certain else "warning"
    return "warning" if finding.severity >= Severity.MEDIUM else "ok"


def _speaks_of(entry: Accepted, finding: Finding) -> bool:
    return entry.finding == finding.id and (not entry.subject or fnmatchcase(finding.subject, entry.subject))
