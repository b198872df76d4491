"""A file for node_exporter's textfile collector: HELP and TYPE for each metric, no timestamps.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Severity
from fwaudit.render.places import protocol, reached_from
from fwaudit.render.remarks import remarks
from fwaudit.render.text import clean

Labels = Sequence[tuple[str, str]]
_SUCCESS = "fwaudit_last_run_success"


def render_checked(checked: Checked) -> str:
    """Every metric, sorted by its labels."""
    report = checked.report
    severities = dict.fromkeys(Severity, 0)
    for finding in report.every_finding:
        severities[finding.severity] += 1
    standings = [each.standing for each in checked.judged]
    lines = [f"# {clean(remark)}" for remark in remarks(report)]
    lines += [
        *metric("fwaudit_port_exposed", "A port that is reached from outside although nobody answers for it.",
                 sorted({labels: 1 for each in checked.shown for labels in _exposed(each)}.items())),
        *metric("fwaudit_findings", "Findings by severity.", [
            ((("severity", severity.name.lower()),), count) for severity, count in severities.items()]),
        *metric("fwaudit_undecided_total", "Ports of which it could not be told who reaches them.", [
            ((), standings.count("undecided"))]),
        *metric("fwaudit_breaches", "Exposures that nobody answers for.", [((), standings.count("breach"))]),
        *metric("fwaudit_accepted", "Exposures that an entry of the policy file answers for.", [
            ((), standings.count("accepted"))]),
        *metric("fwaudit_finding_breaches", "Findings that count beside the ports and that nobody answers for.", [
            ((), sum(each.standing == "breach" for each in checked.findings))]),
        *metric("fwaudit_last_run_timestamp_seconds", "When the host was looked at, in seconds since the epoch.", [
            ((), seconds(report.taken_at))]),
        *_success(int(report.complete)),
    ]
    return "\n".join([*lines, ""])


def failed(old: str) -> str:
    """The file after a run that failed: what the last one said, and that it is no longer sure."""
    ours = f"# TYPE {_SUCCESS} gauge" in old
    kept = [line for line in old.splitlines() if _SUCCESS not in line] if ours else []
    return "\n".join([*kept, *_success(0), ""])


def _success(value: int) -> list[str]:
    return metric(_SUCCESS, "1 where everything could be read, else 0.", [((), value)])


def _exposed(each: Judged) -> Iterable[tuple[tuple[str, str], ...]]:
    """The labels of each place from which somebody certainly gets in for whom nobody answers."""
    exposure, service = each.exposure, each.exposure.service
    for reached in reached_from(each):
        if reached.certainly:
            yield (("container", service.container), ("process", service.process), ("host_port", str(service.port)),
                   ("proto", protocol(exposure)), ("family", str(exposure.family)), ("source", reached.place),
                   ("severity", exposure.severity.name.lower()))


def metric(name: str, help: str, samples: Iterable[tuple[Labels, int]]) -> list[str]:
    """The lines of one metric."""
    return [f"# HELP {name} {help}", f"# TYPE {name} gauge",
            *(f"{name}{_labels(labels)} {value}" for labels, value in samples)]


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels) + "}" if labels else ""


def _escaped(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')


def seconds(taken_at: str) -> int:
    """``2026-11-25T22:18:40Z`` → seconds since the epoch, 0 where it is not known."""
    try:
        return int(datetime.datetime.fromisoformat(taken_at.replace("Z", "+00:00")).timestamp())
    except ValueError:
        return 0
