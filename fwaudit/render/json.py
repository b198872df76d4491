"""A report as JSON: versioned, sorted, deterministic. docs/report-json.md describes every field."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fwaudit import __version__
from fwaudit.exposure.words import sources_in_words
from fwaudit.model.report import SCHEMA_VERSION, Evidence, Exposure, Finding, Report, Way
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES, max_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.trace import answerer_json, trace_json

if TYPE_CHECKING:
    from fwaudit.model.compliance import Accepted, Checked


def render(report: Report) -> str:
    """The whole report, with a newline at its end."""
    return json.dumps(report_json(report), indent=2, ensure_ascii=True) + "\n"


def render_checked(checked: Checked) -> str:
    """A checked report: the report, and under ``check`` what it was judged to be."""
    from fwaudit.render.benchmark import as_json as benchmark_json
    from fwaudit.render.places import since

    body = report_json(checked.report)
    body["check"] = {
        "level": checked.level,
        "policy": checked.policy.path,
        "strict": checked.policy.strict,
        "warnings": list(checked.warnings),
        "findings": [{
            "id": each.finding.id, "subject": each.finding.subject, "severity": each.finding.severity.name.lower(),
            "standing": each.standing, "level": each.level, "accepted_by": _entries(each.by),
        } for each in checked.shown_findings],
        "standings": [{
            "kind": each.exposure.service.kind,
            "protocol": PROTOCOL_NAMES.get(each.exposure.service.proto, str(each.exposure.service.proto)),
            "port": each.exposure.service.port,
            "family": each.exposure.family,
            "container": each.exposure.service.container,
            "process": each.exposure.service.process,
            "standing": each.standing,
            "level": each.level,
            "since": since(checked, each) or None,
            "accepted_by": _entries(each.by),
        } for each in checked.shown],
        **({"compliance": benchmark_json(checked)} if checked.controls else {}),
    }
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def _entries(entries: Iterable[Accepted]) -> list[dict[str, Any]]:
    return [{"reason": entry.reason, "owner": entry.owner, "line": entry.line,
             "expires": entry.expires.isoformat() if entry.expires else None} for entry in entries]


def report_json(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "fwaudit": __version__,
        "host": report.host,
        "taken_at": report.taken_at,
        "firewall": report.firewall,
        "engine": report.engine,
        **({"preview": report.preview} if report.preview else {}),
        **({"redacted": True} if report.redacted else {}),
        "complete": report.complete,
        "summary": {
            "reachable_against_policy": len(report.against_policy),
            "verdicts": {verdict: sum(e.verdict == verdict for e in report.every_exposure)
                         for verdict in ("bypass", "neighbours", "undecided", "as-intended", "blocked")},
        },
        "hidden": {"by": report.hidden.by, "exposures": len(report.hidden.exposures),
                   "findings": len(report.hidden.findings)},
        "exposures": [_exposure(report, exposure) for exposure in report.exposures],
        "findings": [_finding(finding) for finding in report.findings],
        "unread": [{"source": source, "why": why} for source, why in report.unread],
        "notes": list(report.notes),
    }


def _exposure(report: Report, exposure: Exposure) -> dict[str, Any]:
    service, policy = exposure.service, exposure.policy
    out: dict[str, Any] = {
        "kind": service.kind,
        "protocol": PROTOCOL_NAMES.get(service.proto, str(service.proto)),
        "family": exposure.family,
        "host_address": service.bound if service.kind != "container-port" else "",
        "host_port": service.port if service.kind != "container-port" else 0,
        "container": service.container,
        "container_address": service.bound if service.kind == "container-port" else "",
        "container_port": service.container_port,
        "image": service.image,
        "project": service.project,
        "service": service.compose_service,
        "process": service.process,
        "likely": service.likely,
        "verdict": exposure.verdict,
        "severity": exposure.severity.name.lower(),
        "certain": exposure.certain,
        "policy": {"by": policy.by, "says": policy.says, "rule": policy.rule, "text": policy.text},
        "ways": [_way(report, exposure.family, way) for way in exposure.ways if way.possibly],
        "notes": list(exposure.notes),
    }
    if exposure.evidence is not None:
        out["evidence"] = _evidence(exposure.evidence)
    return out


def _way(report: Report, family: int, way: Way) -> dict[str, Any]:
    out: dict[str, Any] = {
        "in": way.iif,
        "to": format_address(family, way.dst),
        "neighbours_only": way.neighbours_only,
        "sources": _sources(report, family, way, way.certainly),
        "bypass": _sources(report, family, way, way.bypass),
    }
    if way.doubtful or way.possibly != way.certainly:
        out["possible_sources"] = _sources(report, family, way, way.possibly)
    if way.sports:
        out["source_ports"] = [str(low) if low == high else f"{low}-{high}" for low, high in way.sports]
    if way.to is not None:
        out["answered_by"] = answerer_json(way.to)
    return out


def _sources(report: Report, family: int, way: Way, area: IntervalSet) -> dict[str, Any]:
    """In words, and exactly, as ranges with both ends included."""
    return {
        "words": sources_in_words(family, area, report.networks.get(way.iif, ()), report.inside),
        "ranges": [f"{format_address(family, low)}-{format_address(family, high)}" if low < high
                   else format_address(family, low) for low, high in area.ranges(max_address(family))],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    query = evidence.query
    return {
        "in": query.iif,
        "src": format_address(query.family, query.sources.lowest()),
        **({} if query.sport is None else {"sport": query.sport}),
        "dst": format_address(query.family, query.dst),
        "dport": query.dport,
        "proto": PROTOCOL_NAMES.get(query.proto, str(query.proto)),
        **trace_json(evidence.trace),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id, "subject": finding.subject, "title": finding.title,
        "severity": finding.severity.name.lower(), "certain": finding.certain, "what": finding.what,
        "where_from": finding.where_from, "why": list(finding.why), "next": list(finding.next),
        "owner": finding.owner, "file": finding.file, "line": finding.line, "references": list(finding.references),
    }
