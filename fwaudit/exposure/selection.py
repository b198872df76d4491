"""A part of a report: by verdict, severity and container. What is left out is counted, so that nobody takes a part for
the whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from fwaudit.model.report import Exposure, Finding, Report, Severity


@dataclass(frozen=True, slots=True)
class Selection:
    """``verdicts`` and ``containers`` (globs): empty for all."""

    verdicts: Collection[str] = ()
    min_severity: Severity = Severity.INFO
    containers: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.containers or self.min_severity > Severity.INFO)


def select(report: Report, wanted: Selection) -> Report:
    """The report with what is wanted, and a note on what is not shown."""
    if not wanted:
        return report
    exposures = tuple(each for each in report.exposures if _is_wanted(each, wanted))
    findings = tuple(each for each in report.findings if _finding_is_wanted(each, wanted))
    hidden = len(report.exposures) - len(exposures), len(report.findings) - len(findings)
    note = f"{hidden[0]} exposures and {hidden[1]} findings are not shown, as was asked"
    return replace(report, exposures=exposures, findings=findings, notes=(*report.notes, note))


def _is_wanted(exposure: Exposure, wanted: Selection) -> bool:
    return ((not wanted.verdicts or exposure.verdict in wanted.verdicts)
            and exposure.severity >= wanted.min_severity
            and (not wanted.containers or any(fnmatchcase(exposure.service.container, each)
                                              for each in wanted.containers)))


def _finding_is_wanted(finding: Finding, wanted: Selection) -> bool:
    if finding.severity < wanted.min_severity:
        return False
    if finding.exposure is not None:
        return _is_wanted(finding.exposure, replace(wanted, min_severity=Severity.INFO))
    return not wanted.verdicts and (not wanted.containers or any(
        fnmatchcase(word, each) for each in wanted.containers for word in finding.subject.split()))
