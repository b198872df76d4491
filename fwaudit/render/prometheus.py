"""A file for node_exporter's textfile collector: HELP and TYPE for each metric, no timestamps."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from fwaudit.model.compliance import Checked
from fwaudit.model.report import Severity
from fwaudit.render.places import protocol
from fwaudit.render.rows import where
from fwaudit.render.text import clean

Samples = Iterable[tuple[Mapping[str, str], int | float]]


def render_checked(checked: Checked) -> str:
    """Every metric, sorted by its labels."""
    report = checked.report
    exposed: dict[tuple[tuple[str, str], ...], int] = {}
    for each in checked.judged:
        exposure = each.exposure
        if each.standing in ("breach", "undecided", "accepted"):
            service = exposure.service
            labels = {
                "container": service.container, "process": service.process, "host_port": str(service.port),
                "proto": protocol(exposure), "family": str(exposure.family), "source": where(report, exposure),
                "severity": exposure.severity.name.lower(), "standing": each.standing}
            exposed[tuple(labels.items())] = 1
    severities = dict.fromkeys(Severity, 0)
    for finding in report.findings:
        severities[finding.severity] += 1
    parts = [
        _metric("fwaudit_port_exposed", "A port that is reached from outside although nobody but an accepted exposure "
                "lets it.", ((dict(labels), value) for labels, value in sorted(exposed.items()))),
        _metric("fwaudit_findings", "Findings by severity.",
                (({"severity": severity.name.lower()}, count) for severity, count in severities.items())),
        _metric("fwaudit_undecided_total", "Ports of which it could not be told who reaches them.",
                [({}, sum(each.standing == "undecided" for each in checked.judged))], "gauge"),
        _metric("fwaudit_breaches", "Exposures that nobody answers for.",
                [({}, sum(each.standing == "breach" for each in checked.judged))]),
        _metric("fwaudit_last_run_timestamp_seconds", "When the host was looked at, in seconds since the epoch.",
                [({}, _seconds(report.taken_at))]),
        _metric("fwaudit_last_run_success", "1 where everything could be read, else 0.", [({}, int(report.complete))]),
    ]
    return "".join(parts)


def _metric(name: str, help: str, samples: Samples, kind: str = "gauge") -> str:
    lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')


def _seconds(taken_at: str) -> int:
    """``2026-11-25T22:18:40Z`` → seconds since the epoch, 0 where it is not known."""
    try:
        return int(datetime.datetime.fromisoformat(taken_at.replace("Z", "+00:00")).timestamp())
    except ValueError:
        return 0
