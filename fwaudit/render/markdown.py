"""A report as GitHub-flavoured Markdown, for tickets. Names are text there: none of them can make a link, a table cell,
HTML, or notify somebody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fwaudit.model.compliance import Checked
from fwaudit.model.report import Exposure, Finding
from fwaudit.render.benchmark import STATES, reasons, summary
from fwaudit.render.check import finding_name, short_name
from fwaudit.render.check import headline as checked_headline
from fwaudit.render.outline import headline
from fwaudit.render.places import since_in_words
from fwaudit.render.remarks import hidden_in_words
from fwaudit.render.rows import REDACTED, VERDICTS, Row, collapsed, rows
from fwaudit.render.style import Style
from fwaudit.render.text import clean, shorten
from fwaudit.render.trace import path_lines

_SPECIAL = re.compile(r"[\\`*_{}\[\]()#+!|<>~&$]|(?<=[a-zA-Z]):(?=//)|(?<=[wW]{3})\.")
"""What begins markup, and what makes a link of ``https://x`` and ``www.x``."""
_MAX_DETAILS, _MAX_FINDINGS, _MAX_NAMES = 20, 60, 40


def escaped(text: str) -> str:
    """Text from outside as plain Markdown text. The empty comment keeps ``@name`` from being a mention."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], clean(text)).replace("@", "@<!-- -->")


def render_checked(checked: Checked) -> str:
    """The whole document."""
    text = "\n".join(_document(checked))
    return re.sub("\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _document(checked: Checked) -> Iterator[str]:
    report = checked.report
    first = checked_headline(checked) if checked.policy.path else headline(report)[0]
    yield from (f"# fwaudit: {escaped(report.host or 'a host')}", "", f"**{escaped(first)}**", "")
    for name, value in (("Looked at", report.taken_at), ("Engine", report.engine), ("Firewall", report.firewall),
                        ("Redacted", REDACTED if report.redacted else "")):
        if value:
            yield f"- {name}: {escaped(value)}"
    wrong = rows(report, ("bypass", "neighbours", "undecided"))
    found = sorted([*wrong, *rows(report, ("as-intended",))], key=lambda row: -row.severity)
    if found:
        yield from ("", *_table(checked, found))
    with_evidence = [row for row in wrong if row.exposures[0].evidence is not None]
    for row in with_evidence[:_MAX_DETAILS]:
        yield from _details(checked, row)
    if len(with_evidence) > _MAX_DETAILS:
        yield from ("", f"… and {len(with_evidence) - _MAX_DETAILS:,} more; `fwaudit report --format json` explains "
                    "every one.")
    explained = {id(exposure) for row in with_evidence[:_MAX_DETAILS] for exposure in row.exposures}
    left = [each for each in report.findings if id(each.exposure) not in explained]
    if left:
        yield from ("", "## Findings" if not explained else "## What else was found", "")
        for finding in left[:_MAX_FINDINGS]:
            yield from _finding(finding)
        if len(left) > _MAX_FINDINGS:
            yield f"- and {len(left) - _MAX_FINDINGS:,} more"
    blocked = [f"{row.port} {row.ip} {row.who}" for row in rows(report, ("blocked",))]
    if blocked:
        more = f" and {len(blocked) - _MAX_NAMES:,} more" if len(blocked) > _MAX_NAMES else ""
        yield from ("", "## Not reachable from outside", "",
                    ", ".join(map(escaped, blocked[:_MAX_NAMES])) + more)
    yield from _standing(checked)
    if checked.controls:
        yield from _benchmark(checked)
    for title, lines in (("The policy", checked.warnings), ("Notes", report.notes),
                         ("Not looked at", [f"{source}: {why}" for source, why in report.unread])):
        if lines:
            yield from ("", f"## {title}", "", *(f"- {escaped(line)}" for line in lines))
    if hidden := hidden_in_words(report):
        yield from ("", escaped(hidden))


def _table(checked: Checked, found: list[Row]) -> Iterator[str]:
    accepted = {id(each.exposure): each.by for each in checked.shown if each.standing == "accepted"}
    last = "Accepted" if accepted else ""
    yield f"| Severity | Port | Who answers | From where | {checked.report.policy} says | Verdict | {last} |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row, ports in collapsed(found):
        verdict = VERDICTS[row.verdict].format(policy=checked.report.policy)
        reasons = dict.fromkeys(entry.reason for each in row.exposures for entry in accepted.get(id(each), ()))
        cells = (row.severity.name.lower(), f"{ports} {row.ip}", row.who, row.where, row.policy, verdict,
                 "; ".join(reasons))
        yield f"| {' | '.join(map(escaped, cells))} |"


def _standing(checked: Checked) -> Iterator[str]:
    """What a check knows beyond the report: since when ports are open, and which findings somebody answers for."""
    opened = {f"{short_name(each.exposure)} (IPv{each.exposure.family}): {since_in_words(checked, each)}": None
              for each in checked.shown if since_in_words(checked, each)}
    accepted = [f"{finding_name(each.finding)}: {'; '.join(dict.fromkeys(entry.reason for entry in each.by))}"
                for each in checked.shown_findings if each.standing == "accepted"]
    for title, lines in (("Since when", list(opened)), ("Accepted findings", accepted)):
        if lines:
            more = [f"and {len(lines) - _MAX_FINDINGS:,} more"] if len(lines) > _MAX_FINDINGS else []
            yield from ("", f"## {title}", "", *(f"- {escaped(line)}" for line in [*lines[:_MAX_FINDINGS], *more]))


def _benchmark(checked: Checked) -> Iterator[str]:
    yield from ("", f"## {escaped(checked.benchmark)}", "", escaped(summary(checked)), "",
                "| Number | Recommendation | State | What shows it |", "| --- | --- | --- | --- |")
    for each in checked.controls:
        cells = (each.id, each.title, STATES[each.state], "; ".join(reasons(each)))
        yield f"| {' | '.join(map(escaped, cells))} |"


def _details(checked: Checked, row: Row) -> Iterator[str]:
    exposure = row.exposures[0]
    title = shorten(f"{row.port} of {row.who}", 120)
    yield from ("", f"## {row.severity.name.lower()}: {escaped(title)}", "",
                f"Reached from {escaped(row.where)}; {checked.report.policy} says: {escaped(row.policy)}.")
    if exposure.evidence is not None:
        yield from ("", "The way of one packet:", "", *_fenced(path_lines(exposure.evidence, Style(100))))
    told = _first_of_each_kind(checked, row.exposures)
    if told:
        yield ""
    for finding in told:
        yield from _finding(finding)


def _first_of_each_kind(checked: Checked, exposures: Iterable[Exposure]) -> list[Finding]:
    """The findings on a row: both families of a port, and the ports of a range, say the same."""
    wanted = set(map(id, exposures))
    found: dict[str, Finding] = {}
    for each in checked.report.findings:
        if id(each.exposure) in wanted:
            found.setdefault(each.id, each)
    return list(found.values())


def _finding(finding: Finding) -> Iterator[str]:
    sure = "" if finding.certain else " (not certain)"
    owner = f" It belongs to {escaped(finding.owner)}." if finding.owner else ""
    yield f"- **{finding.severity.name.lower()}**{sure} `{finding.id}`: {escaped(finding.what)}{owner}"
    if finding.next:
        yield from ("", *(f"  {line}" for line in _fenced(finding.next[:2])), "")


def _fenced(lines: Iterable[str]) -> list[str]:
    """A block of code, whose fence is longer than any in it."""
    text = [clean(line) for line in lines]
    longest = max((len(run) for line in text for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *text, fence]
