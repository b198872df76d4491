"""OCSF Compliance Finding (class 2003), one event a line, for security data lakes."""

from __future__ import annotations

import datetime
import json
from typing import Any

from fwaudit import __version__
from fwaudit.model.compliance import Checked, Control, Judged
from fwaudit.model.report import Report, Severity
from fwaudit.render.benchmark import STATES, reasons
from fwaudit.render.check import short_name
from fwaudit.render.places import exposure_identity, identity
from fwaudit.render.rows import where
from fwaudit.render.text import clean

_SEVERITIES = {Severity.INFO: 1, Severity.LOW: 2, Severity.MEDIUM: 3, Severity.HIGH: 4, Severity.CRITICAL: 5}
_STATUS = {"breach": (3, "Fail"), "undecided": (0, "Unknown"), "accepted": (1, "Pass"), "fine": (1, "Pass")}
_STATES = {"pass": (1, "Pass"), "fail": (3, "Fail"), "not-applicable": (99, "Not Applicable"),
           "undetermined": (0, "Unknown")}
_WORDS = ("Unknown", "Informational", "Low", "Medium", "High", "Critical")
_CREATED = 1


def render_checked(checked: Checked) -> str:
    """JSON Lines: an event for each exposure, and for each recommendation of the benchmark that was asked for."""
    events = [*(_exposure(checked, each) for each in checked.shown),
              *(_control(checked, each) for each in checked.controls)]
    return "".join(json.dumps(each, sort_keys=True) + "\n" for each in events)


def _exposure(checked: Checked, each: Judged) -> dict[str, Any]:
    report, exposure = checked.report, each.exposure
    status_id, status = _STATUS[each.standing]
    text = f"{short_name(exposure)} (IPv{exposure.family})"
    return {
        **_event(report, _SEVERITIES[exposure.severity]),
        "message": f"{text} is reached from {where(report, exposure)}",
        "finding_info": {"uid": exposure_identity(report, exposure), "title": text,
                         "created_time": _milliseconds(report.taken_at),
                         "desc": f"policy: {clean(exposure.policy.text)}", "types": [exposure.verdict]},
        "compliance": {"standards": ["CIS Docker Benchmark 1.6.0"], "control": "5.14", "status_id": status_id,
                       "status": status, "requirements": [clean(entry.reason) for entry in each.by]},
    }


def _control(checked: Checked, control: Control) -> dict[str, Any]:
    """As severe as the worst of the findings that show it; where it fails without one, nobody says how severe."""
    report = checked.report
    status_id, status = _STATES[control.state]
    shown = set(control.findings)
    worst = max((each.severity for each in report.every_finding if (each.id, each.subject) in shown), default=None)
    informational = control.state in ("pass", "not-applicable")
    severity = _SEVERITIES[Severity.INFO] if informational else 0 if worst is None else _SEVERITIES[worst]
    text = f"{control.id} {clean(control.title)}"
    return {
        **_event(report, severity),
        "message": f"{text}: {STATES[control.state].lower()}",
        "finding_info": {"uid": identity(report, "control", checked.benchmark, control.id), "title": text,
                         "created_time": _milliseconds(report.taken_at), "types": [control.state],
                         "desc": "; ".join(reasons(control)) or STATES[control.state].lower()},
        "compliance": {"standards": [checked.benchmark], "control": control.id, "status_id": status_id,
                       "status": status, "requirements": [clean(control.title)]},
    }


def _event(report: Report, severity: int) -> dict[str, Any]:
    """What every event has."""
    return {
        "category_uid": 2, "category_name": "Findings", "class_uid": 2003, "class_name": "Compliance Finding",
        "activity_id": _CREATED, "activity_name": "Create", "type_uid": 200300 + _CREATED,
        "type_name": "Compliance Finding: Create",
        "severity_id": severity, "severity": _WORDS[severity], "status_id": 1, "status": "New",
        "time": _milliseconds(report.taken_at),
        "metadata": {"version": "1.4.0", "product": {"name": "fwaudit", "vendor_name": "fwaudit",
                                                     "version": __version__}},
        "resources": [{"name": clean(report.host), "type": "host", "uid": clean(report.host),
                       **({"labels": ["redacted"]} if report.redacted else {})}],
    }


def _milliseconds(taken_at: str) -> int:
    try:
        return int(datetime.datetime.fromisoformat(taken_at.replace("Z", "+00:00")).timestamp()) * 1000
    except ValueError:
        return 0
