"""What every report for people consists of: its first line, and rows that need the same words."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.render.others import cause_of
from fwaudit.render.rows import Row


def headline(report: Report) -> tuple[str, str]:
    """The first line, about the whole host, and how it is meant: ``bad``, ``warn`` or ``good``."""
    text, how = _now(report)
    return (f"With {report.preview} up: {text[0].lower()}{text[1:]}", how) if report.preview else (text, how)


def _now(report: Report) -> tuple[str, str]:
    count = len(report.against_policy)
    policy = "ufw" if report.policy == "ufw" else "the INPUT chain"
    if count:
        return f"{_ports(count)} can be reached from outside that {policy} does not allow.", "bad"
    reached = _reached(report)
    if not report.complete or any(each.verdict == "undecided" for each in report.every_exposure):
        text, how = (f"No port is known to be reachable from outside against {policy}, but not everything could be "
                     "decided."), "warn"
    elif report.policy == "INPUT" and reached:
        text, how = (f"{_ports(reached)} can be reached from outside, as {policy} allows; ufw is not in force.", "warn")
    else:
        text, how = f"No port can be reached from outside that {policy} does not allow.", "good"
    if any(each.severity >= Severity.HIGH for each in report.every_finding if not each.explains):
        return f"{text} What else is wrong here, below, is severe.", "bad"
    return text, how


def _ports(count: int) -> str:
    return "1 port" if count == 1 else f"{count:,} ports"


def _reached(report: Report) -> int:
    """How many ports anybody outside gets through to."""
    return len({(e.service.kind, e.service.proto, e.service.port, e.service.container or e.service.process)
                for e in report.every_exposure if e.verdict == "as-intended"})


def groups(report: Report, bad: Sequence[Row]) -> list[list[Row]]:
    """Rows that need the same words: containers' own addresses are explained once for all of them."""
    found: dict[object, list[Row]] = {}
    for place, row in enumerate(bad):
        direct = row.verdict == "neighbours" and row.exposures[0].service.kind == "container-port"
        found.setdefault(cause_of(report, row.exposures) if direct else place, []).append(row)
    return list(found.values())


def exposures_of(group: Sequence[Row]) -> list[Exposure]:
    """What rows stand for."""
    return [exposure for row in group for exposure in row.exposures]
