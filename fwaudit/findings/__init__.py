"""Findings: one module for each kind, all named in ``ALL``. A module's docstring is the page that users read."""

from __future__ import annotations

from fwaudit.findings import docker_bypasses_ufw
from fwaudit.findings.base import Audited, FindingModule
from fwaudit.model.report import Finding

ALL: tuple[FindingModule, ...] = (
    docker_bypasses_ufw,
)


def find_all(audited: Audited) -> tuple[Finding, ...]:
    """Every finding, the worst first."""
    found = [finding for module in ALL for finding in module.find(audited)]
    found.sort(key=lambda finding: (-finding.severity, finding.id, finding.subject))
    return tuple(found)
