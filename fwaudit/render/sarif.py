"""SARIF 2.1.0, for code scanning and CI: every finding is a result, and every exposure that no finding explains.

Identities (``partialFingerprints``) name host, container, port, protocol and family, never a container's id or a rule's
number, so that the same thing is the same result in the next run. What somebody answers for is suppressed.
The format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fwaudit import __version__
from fwaudit.model.compliance import Checked, Judged, JudgedFinding
from fwaudit.model.report import Exposure, Finding, Report, Severity
from fwaudit.render.check import short_name
from fwaudit.render.places import exposure_identity, finding_identity
from fwaudit.render.remarks import remarks
from fwaudit.render.rows import where
from fwaudit.render.text import clean

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note",
           Severity.INFO: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.5",
           Severity.INFO: "0.0"}
_EXPOSED = "exposed-port"


def render_checked(checked: Checked) -> str:
    """The whole log, one run."""
    report = checked.report
    judged = {id(each.exposure): each for each in checked.judged}
    explained = {id(each.exposure) for each in report.findings if each.explains}
    results = [_exposure(report, each) for each in checked.shown
               if each.standing != "fine" and id(each.exposure) not in explained]
    answered = {id(each.finding): each for each in checked.findings}
    results += [_finding(report, each, judged.get(id(each.exposure)) if each.explains else answered.get(id(each)))
                for each in report.findings]
    rules = _rules(report, any(each["ruleId"] == _EXPOSED for each in results))
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    run = {
        "tool": {"driver": {"name": "fwaudit", "version": __version__, "semanticVersion": __version__, "rules": rules}},
        "automationDetails": {"id": f"fwaudit/{clean(report.host)}/"},
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rules(report: Report, exposed: bool) -> list[dict[str, Any]]:
    """The rules that results name: each kind of finding that the report has, as bad as its worst, and exposed ports."""
    rules = {_EXPOSED: {
        "id": _EXPOSED, "shortDescription": {"text": "A port is reached that nobody answers for"},
        "fullDescription": {"text": "A port is reached from outside by some whom neither the firewall policy nor the "
                                    "policy file lets in."},
        "help": {"text": "Why, and what to do: fwaudit report"},
        "properties": {"security-severity": _SCORES[Severity.CRITICAL], "tags": ["security"]}}} if exposed else {}
    for finding in sorted(report.findings, key=lambda each: (each.id, -each.severity)):
        rules.setdefault(finding.id, {
            "id": finding.id, "shortDescription": {"text": finding.title},
            "fullDescription": {"text": f"{finding.title}. The worst of them here: {clean(finding.what)}"},
            "help": {"text": f"What it is, why it hurts, how to see and how to fix it: fwaudit findings {finding.id}"},
            "properties": {"security-severity": _SCORES[finding.severity], "tags": ["security", *finding.references]}})
    return list(rules.values())


def _exposure(report: Report, each: Judged) -> dict[str, Any]:
    exposure = each.exposure
    text = f"{short_name(exposure)} (IPv{exposure.family}) is reached from {where(report, exposure)}"
    return {
        "ruleId": _EXPOSED,
        **_level(exposure.severity, each.standing != "undecided"),
        "message": {"text": text},
        "locations": [_location(report, exposure, short_name(exposure), "", 0)],
        "partialFingerprints": {"fwaudit/v1": exposure_identity(report, exposure)},
        "properties": {"severity": exposure.severity.name.lower(), "certain": exposure.certain},
        **_suppressions(each),
    }


def _finding(report: Report, finding: Finding, judged: Judged | JudgedFinding | None) -> dict[str, Any]:
    """``judged``: what is answered for where it is: its port, of which it says why it is open, or it itself."""
    said = [finding.what, *finding.why]
    said += [f"From: {finding.where_from}."] if finding.where_from else []
    return {
        "ruleId": finding.id,
        **_level(finding.severity, finding.certain),
        "message": {"text": "\n".join(map(clean, said))},
        "locations": [_location(report, finding.exposure, finding.subject, finding.file, finding.line)],
        "partialFingerprints": {"fwaudit/v1": finding_identity(report, finding)},
        "properties": {"severity": finding.severity.name.lower(), "certain": finding.certain,
                       "next": [clean(each) for each in finding.next]},
        **(_suppressions(judged) if judged is not None else {}),
    }


def _level(severity: Severity, certain: bool) -> dict[str, str]:
    """What is not certain is for somebody to review, and has no level (3.27.9, 3.27.10)."""
    return {"kind": "fail", "level": _LEVELS[severity]} if certain else {"kind": "review", "level": "none"}


def _suppressions(each: Judged | JudgedFinding) -> dict[str, Any]:
    if each.standing != "accepted":
        return {}
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": clean(entry.reason)}
                             for entry in each.by]}


def _location(report: Report, exposure: Exposure | None, name: str, file: str, line: int) -> dict[str, Any]:
    """The line of the compose file where it is known; else an artifact that stands for the host. A region is always
    given, since code scanning shows nothing without one."""
    service = exposure.service if exposure is not None else None
    who = (service.container or service.process) if service is not None else ""
    uri = "/".join(["hosts", *(quote(part, safe="") for part in (report.host or "host", who) if part)])
    if file:
        uri = f"{'file://' if file.startswith('/') else ''}{quote(file)}"
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line or 1}},
            "logicalLocations": [{"name": clean(name), "kind": "resource", "fullyQualifiedName":
                                  "/".join(clean(part) for part in (report.host, who, name) if part)}]}


def _invocation(report: Report) -> dict[str, Any]:
    """Whether it could look at everything, and what it could not look at."""
    told = [(f"not read: {source}: {why}", "error") for source, why in report.unread]
    told += [(remark, "note") for remark in remarks(report)]
    return {
        "executionSuccessful": report.complete,
        **({"endTimeUtc": report.taken_at} if report.taken_at else {}),
        "toolExecutionNotifications": [{"level": level, "message": {"text": clean(text)}} for text, level in told],
    }
