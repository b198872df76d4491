"""A report as Markdown, for tickets. Names are escaped: none of them can make a link, a table cell or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.model.compliance import Checked, Judged
from fwaudit.render.check import headline, short_name
from fwaudit.render.rows import VERDICTS, where
from fwaudit.render.style import Style
from fwaudit.render.text import clean
from fwaudit.render.trace import path_lines

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")


def escaped(text: str) -> str:
    """Text from outside as plain Markdown text."""
    return _SPECIAL.sub(r"\\\1", clean(text))


def render_checked(checked: Checked) -> str:
    """The whole document."""
    return "\n".join([*_document(checked), ""])


def _document(checked: Checked) -> Iterator[str]:
    report = checked.report
    yield f"# fwaudit: {escaped(report.host)}"
    yield ""
    yield f"**{escaped(headline(checked))}**"
    yield ""
    yield f"- Looked at: {escaped(report.taken_at)}"
    yield f"- Engine: {escaped(report.engine)}"
    yield f"- Firewall: {escaped(report.firewall)}"
    rows = [each for each in checked.judged if each.exposure.verdict != "blocked"]
    if rows:
        yield ""
        yield "| Severity | Port | IP | From where | Policy says | Verdict | |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for each in rows:
            yield _row(checked, each)
    for each in checked.judged:
        evidence = each.exposure.evidence
        if each.standing == "breach" and evidence is not None:
            yield ""
            yield f"## {escaped(short_name(each.exposure))} (IPv{each.exposure.family})"
            yield ""
            for line in path_lines(evidence, Style(100)):
                yield f"    {clean(line)}"
    if report.findings:
        yield ""
        yield "## Findings"
        yield ""
        for finding in report.findings:
            sure = "" if finding.certain else " (not certain)"
            yield f"- **{finding.severity.name.lower()}**{sure} `{finding.id}`: {escaped(finding.what)}"
            for step in finding.next[:2]:
                yield f"  - {escaped(step)}"
    for title, lines in (("The policy", checked.warnings),
                         ("Not looked at", [f"{source}: {why}" for source, why in report.unread])):
        if lines:
            yield ""
            yield f"## {title}"
            yield ""
            yield from (f"- {escaped(line)}" for line in lines)


def _row(checked: Checked, each: Judged) -> str:
    exposure = each.exposure
    verdict = VERDICTS[exposure.verdict].format(policy=checked.report.policy)
    reasons = "; ".join(entry.reason for entry in each.by)
    standing = f"accepted: {reasons}" if each.standing == "accepted" else ""
    cells = (exposure.severity.name.lower(), short_name(exposure), f"v{exposure.family}",
             where(checked.report, exposure), exposure.policy.text, verdict, standing)
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"
