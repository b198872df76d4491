"""Findings beside the table: those that add to a row, and those about the host as a whole. Nothing is said twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fwaudit.model.report import Exposure, Finding, Report, Severity
from fwaudit.records import dataclass

_TOLD_ELSEWHERE = ("unreadable",)
"""Findings that a section of their own says already."""
_IN_THE_TABLE = ("ufw-rule-without-effect",)
"""Findings that a row says by its columns: this rule of ufw's, and yet that verdict."""
_SHOWN = 3
"""So many of one kind and severity are shown one by one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the section, with what to do next. ``more``: so many findings like it are not shown."""

    finding: Finding
    what: str
    more: int = 0

    @property
    def text(self) -> str:
        """The sentence, and how many more there are like it."""
        return f"{self.what} And {self.more:,} more like it." if self.more else self.what


def cause_of(report: Report, exposures: Iterable[Exposure]) -> str:
    """The id of the finding that explains these exposures; several, with commas, where they are not alike."""
    wanted = set(map(id, exposures))
    return ", ".join(dict.fromkeys(each.id for each in report.findings
                                   if each.explains and id(each.exposure) in wanted))


def added_to(report: Report, exposures: Iterable[Exposure]) -> list[Finding]:
    """What other findings add to these exposures, the worst first."""
    wanted = set(map(id, exposures))
    return [each for each in report.findings if id(each.exposure) in wanted and not each.explains
            and each.severity > Severity.INFO and each.id not in _IN_THE_TABLE]


def others(report: Report, shown: Sequence[Finding]) -> list[Line]:
    """What is left to be said: not what explains a row of the table, nor what was ``shown`` with one."""
    said = set(map(id, shown))
    left = [each for each in report.findings if each.severity > Severity.INFO and id(each) not in said
            and not each.explains and each.id not in _TOLD_ELSEWHERE
            and not (each.id in _IN_THE_TABLE and each.exposure is not None)]
    return lines_of(left)


def lines_of(found: Iterable[Finding]) -> list[Line]:
    """Findings as sentences, both families as one, and a few of each kind."""
    kinds: dict[tuple[str, Severity], list[Line]] = {}
    for line in _families(found):
        kinds.setdefault((line.finding.id, line.finding.severity), []).append(line)
    return [line for lines in kinds.values() for line in _few(lines)]


def _families(found: Iterable[Finding]) -> Iterator[Line]:
    """Two families of one sentence become one."""
    by_text: dict[tuple[str, Severity, str], list[Finding]] = {}
    for each in found:
        text = each.what.replace(" (IPv4)", "").replace(" (IPv6)", "")
        by_text.setdefault((each.id, each.severity, text), []).append(each)
    for (_, _, text), alike in by_text.items():
        yield Line(alike[0], text if len(alike) > 1 else alike[0].what)


def _few(lines: list[Line]) -> list[Line]:
    more = len(lines) - _SHOWN
    if more <= 0:
        return lines
    return [*lines[:_SHOWN - 1], Line(lines[_SHOWN - 1].finding, lines[_SHOWN - 1].what, more)]
