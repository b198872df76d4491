"""OCSF Compliance Finding (class 2003), one event a line, for security data lakes."""

from __future__ import annotations

import datetime
import json
from typing import Any

from fwaudit import __version__
from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Severity
from fwaudit.render.check import short_name
from fwaudit.render.places import exposure_identity
from fwaudit.render.rows import where
from fwaudit.render.text import clean

_SEVERITIES = {Severity.INFO: 1, Severity.LOW: 2, Severity.MEDIUM: 3, Severity.HIGH: 4, Severity.CRITICAL: 5}
_STATUS = {"breach": (3, "Fail"), "undecided": (0, "Unknown"), "accepted": (1, "Pass"), "fine": (1, "Pass")}
_CREATED = 1


def render_checked(checked: Checked) -> str:
    """JSON Lines: an event for each exposure."""
    return "".join(json.dumps(_event(checked, each), sort_keys=True) + "\n" for each in checked.shown)


def _event(checked: Checked, each: Judged) -> dict[str, Any]:
    report, exposure = checked.report, each.exposure
    status_id, status = _STATUS[each.standing]
    when = _milliseconds(report.taken_at)
    text = f"{short_name(exposure)} (IPv{exposure.family})"
    return {
        "category_uid": 2, "category_name": "Findings", "class_uid": 2003, "class_name": "Compliance Finding",
        "activity_id": _CREATED, "activity_name": "Create", "type_uid": 200300 + _CREATED,
        "type_name": "Compliance Finding: Create",
        "severity_id": _SEVERITIES[exposure.severity], "severity": _severity(exposure.severity),
        "status_id": 1, "status": "New", "time": when,
        "message": f"{text} is reached from {where(report, exposure)}",
        "metadata": {"version": "1.4.0", "product": {"name": "fwaudit", "vendor_name": "fwaudit",
                                                     "version": __version__}},
        "finding_info": {"uid": exposure_identity(report, exposure), "title": text, "created_time": when,
                         "desc": f"policy: {clean(exposure.policy.text)}", "types": [exposure.verdict]},
        "compliance": {"standards": ["CIS Docker Benchmark 1.6.0"], "control": "5.14", "status_id": status_id,
                       "status": status, "requirements": [clean(entry.reason) for entry in each.by]},
        "resources": [{"name": clean(report.host), "type": "host", "uid": clean(report.host)}],
    }


def _severity(severity: Severity) -> str:
    return "Informational" if severity is Severity.INFO else severity.name.capitalize()


def _milliseconds(taken_at: str) -> int:
    try:
        return int(datetime.datetime.fromisoformat(taken_at.replace("Z", "+00:00")).timestamp()) * 1000
    except ValueError:
        return 0
