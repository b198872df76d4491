"""SARIF 2.1.0, for code scanning and CI: every exposure that nobody answers for, and every finding, is a result.

Identities (``partialFingerprints``) name host, container, port, protocol and family, never a container's id or a rule's
number, so that the same thing is the same result in the next run.
"""

from __future__ import annotations

import json
from typing import Any

from fwaudit import __version__
from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Finding, Report, Severity
from fwaudit.render.check import short_name
from fwaudit.render.places import exposure_identity, finding_identity
from fwaudit.render.rows import where
from fwaudit.render.text import clean

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note",
           Severity.INFO: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.5",
           Severity.INFO: "0.5"}
_EXPOSED = "exposed-port"


def render_checked(checked: Checked) -> str:
    """The whole log, one run."""
    report = checked.report
    results = [_exposure(checked, each) for each in checked.judged if each.standing in ("breach", "undecided",
                                                                                       "accepted")]
    results += [_finding(report, finding) for finding in report.findings]
    run = {
        "tool": {"driver": {"name": "fwaudit", "version": __version__, "rules": _rules(report),
                            "informationUri": "https://pypi.org/project/fwaudit/"}},
        "automationDetails": {"id": f"fwaudit/{clean(report.host)}"},
        "invocations": [{
            "executionSuccessful": report.complete,
            "toolExecutionNotifications": [
                {"level": "error", "message": {"text": f"not read: {clean(source)}: {clean(why)}"}}
                for source, why in report.unread]}],
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rules(report: Report) -> list[dict[str, Any]]:
    """The rules that results name: exposed ports, and each kind of finding that the report has."""
    rules = {_EXPOSED: {
        "id": _EXPOSED, "shortDescription": {"text": "A port is reached that nobody answers for"},
        "properties": {"security-severity": _SCORES[Severity.CRITICAL], "tags": ["security"]}}}
    for finding in sorted(report.findings, key=lambda each: (each.id, -each.severity)):
        rules.setdefault(finding.id, {
            "id": finding.id, "shortDescription": {"text": finding.title},
            "help": {"text": f"fwaudit findings {finding.id}"},
            "properties": {"security-severity": _SCORES[finding.severity], "tags": ["security", *finding.references]}})
    return list(rules.values())


def _exposure(checked: Checked, each: Judged) -> dict[str, Any]:
    exposure, report = each.exposure, checked.report
    result: dict[str, Any] = {
        "ruleId": _EXPOSED,
        "kind": "review" if each.standing == "undecided" else "fail",
        "level": _LEVELS[exposure.severity] if each.standing != "undecided" else "none",
        "message": {"text": f"{short_name(exposure)} (IPv{exposure.family}) is reached from {where(report, exposure)}"},
        "locations": [_location(report, short_name(exposure), exposure.service.container)],
        "partialFingerprints": {"fwaudit/v1": exposure_identity(report, exposure)},
        "properties": {"severity": exposure.severity.name.lower(), "certain": exposure.certain},
    }
    if each.standing == "accepted":
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": clean(entry.reason)}
                                  for entry in each.by]
    return result


def _finding(report: Report, finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": finding.id,
        "kind": "fail" if finding.certain else "review",
        "level": _LEVELS[finding.severity] if finding.certain else "none",
        "message": {"text": " ".join(map(clean, (finding.what, *finding.why)))},
        "locations": [_location(report, finding.subject, finding.owner)],
        "partialFingerprints": {"fwaudit/v1": finding_identity(report, finding)},
        "properties": {"severity": finding.severity.name.lower(), "certain": finding.certain},
    }


def _location(report: Report, name: str, owner: str) -> dict[str, Any]:
    """The compose file where the labels name it; else an artifact that stands for the host."""
    path = owner.split(",")[0].strip() if owner.startswith("/") else ""
    uri = path if path and path.isprintable() and " " not in path else f"hosts/{_uri(report.host)}"
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}},
            "logicalLocations": [{"name": clean(name), "kind": "resource", "fullyQualifiedName":
                                  f"{clean(report.host)}/{clean(name)}"}]}


def _uri(text: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in text) or "host"
