"""A part of a report: by verdict, severity and container. What is left out is kept beside it, so that nobody takes a
part for the whole: totals, the first line and exit codes are about everything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatchcase
from shlex import quote

from fwaudit.model.report import Exposure, Finding, Hidden, Report, Severity
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """``verdicts`` and ``containers`` (globs): empty for all."""

    verdicts: Collection[str] = ()
    min_severity: Severity = Severity.INFO
    containers: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.containers or self.min_severity > Severity.INFO)

    @property
    def options(self) -> str:
        """As it is typed: ``--only bypass --container 'db*'``."""
        words = [f"--only {each}" for each in self.verdicts]
        words += [f"--min-severity {self.min_severity.name.lower()}"] if self.min_severity > Severity.INFO else []
        return " ".join([*words, *(f"--container {quote(each)}" for each in self.containers)])


def select(report: Report, wanted: Selection) -> Report:
    """The report with what is wanted; the rest is in ``Report.hidden``."""
    if not wanted:
        return report
    exposures = tuple(each for each in report.exposures if _is_wanted(each, wanted))
    findings = tuple(each for each in report.findings if _finding_is_wanted(each, wanted))
    kept = {id(each) for each in (*exposures, *findings)}
    return replace(report, exposures=exposures, findings=findings, hidden=Hidden(
        wanted.options, tuple(each for each in report.exposures if id(each) not in kept),
        tuple(each for each in report.findings if id(each) not in kept)))


def _is_wanted(exposure: Exposure, wanted: Selection) -> bool:
    return ((not wanted.verdicts or exposure.verdict in wanted.verdicts)
            and exposure.severity >= wanted.min_severity
            and (not wanted.containers or any(fnmatchcase(exposure.service.container, each)
                                              for each in wanted.containers)))


def _finding_is_wanted(finding: Finding, wanted: Selection) -> bool:
    """With the exposure that it rests on. One about the host as a whole has no verdict, and belongs to the containers
    that its subject names."""
    if finding.severity < wanted.min_severity:
        return False
    if finding.exposure is not None:
        return _is_wanted(finding.exposure, replace(wanted, min_severity=Severity.INFO))
    return not wanted.verdicts and (not wanted.containers or any(
        fnmatchcase(word, each) for each in wanted.containers for word in finding.subject.split()))
