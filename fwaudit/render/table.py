"""The report as a screen: what is open that nobody meant, then why, then what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fwaudit.model.report import Report, Severity
from fwaudit.render.advice import advice
from fwaudit.render.json import against_policy
from fwaudit.render.rows import VERDICTS, Row, rows
from fwaudit.render.style import Style
from fwaudit.render.text import clean
from fwaudit.render.trace import path_lines

_MAX_DETAILS = 8
_COLOURS = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.LOW: "warn",
            Severity.INFO: "dim"}


def render(report: Report, style: Style | None = None) -> str:
    """The whole screen, with a newline at its end."""
    style = style or Style()
    parts = [_headline(report, style), _context(report, style)]
    bad = rows(report, ("bypass", "neighbours", "undecided"))
    fine = rows(report, ("as-intended",))
    if bad or fine:
        parts.append(_table(report, bad + fine, style))
    groups = _groups(bad)
    parts += [_details(report, group, style) for group in groups[:_MAX_DETAILS]]
    if len(groups) > _MAX_DETAILS:
        parts.append(f"… and {len(groups) - _MAX_DETAILS} more; fwaudit report --format json explains every one.")
    parts += filter(None, (_blocked(report, style), _unread(report, style), _next(report, bad)))
    return "\n\n".join(parts) + "\n"


def _headline(report: Report, style: Style) -> str:
    count = len(against_policy(report))
    policy = _policy_name(report)
    if count:
        verb = "1 port can" if count == 1 else f"{count} ports can"
        return style.paint(f"{verb} be reached from outside that {policy} does not allow.", "bad")
    doubt = any(e.verdict == "undecided" for e in report.exposures)
    if not report.complete or doubt:
        return style.paint(f"No port is known to be reachable from outside against {policy}, but not everything could "
                           "be decided.", "warn")
    return style.paint(f"No port can be reached from outside that {policy} does not allow.", "good")


def _policy_name(report: Report) -> str:
    return "ufw" if any(e.policy.by == "ufw" for e in report.exposures) else "the INPUT policy"


def _context(report: Report, style: Style) -> str:
    first = "  ".join(filter(None, (clean(report.host), report.taken_at)))
    lines = [first] if first else []
    lines += [f"Engine:   {clean(report.engine)}", f"Firewall: {clean(report.firewall)}"]
    return "\n".join(_wrap(line, style, "          ") for line in lines)


def _table(report: Report, found: list[Row], style: Style) -> str:
    from tabulate import tabulate  # 52 ms to import: only when a table is printed

    headers = ["Severity", "Port", "Who answers", "From where", f"{_policy_name(report)} says", "Verdict"]
    free = max(style.width - 8 - 10, 60)  # what is left beside the severity and the gaps
    widths = [8, free * 21 // 100, free * 22 // 100, free * 21 // 100, free * 18 // 100, free * 18 // 100]
    body = [[_cell(text, width) for text, width in zip(
        (row.severity.name.lower() if row.severity else "-", f"{row.port} {row.ip}", row.who, row.where, row.policy,
         VERDICTS[row.verdict].format(policy=_policy_name(report))), widths, strict=True)] for row in found]
    text = tabulate(body, headers=headers, tablefmt="simple", disable_numparse=True)
    if not style.colour:
        return text
    return "\n".join(_coloured(line, style) for line in text.split("\n"))


def _cell(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False) or [""])


def _coloured(line: str, style: Style) -> str:
    for severity, how in _COLOURS.items():
        if line.startswith(severity.name.lower()):
            return style.paint(line, how)
    return line


def _groups(bad: list[Row]) -> list[list[Row]]:
    """Rows that need the same words: containers' own addresses are explained once for all of them."""
    groups: dict[object, list[Row]] = {}
    for place, row in enumerate(bad):
        direct = row.verdict == "neighbours" and row.exposures[0].service.kind == "container-port"
        groups.setdefault("direct" if direct else place, []).append(row)
    return list(groups.values())


def _details(report: Report, group: list[Row], style: Style) -> str:
    """Bad rows: a packet's way rule by rule, why ufw is not asked, and what to do."""
    row = group[0]
    lines = [style.paint(f"{each.severity.name} {each.port} of {each.who}", _COLOURS[each.severity]) for each in group]
    evidence = row.exposures[0].evidence
    if evidence is not None:
        lines += [f"  The way of one packet{' of them' if len(group) > 1 else ''}:",
                  *(f"    {line}" for line in path_lines(evidence, style))]
    lines += _paragraphs(advice(report, row), style)
    return "\n".join(lines)


def _paragraphs(found: Iterator[tuple[str, list[str]]], style: Style) -> list[str]:
    out: list[str] = []
    for sentence, commands in found:
        out += [_wrap(f"  {sentence}", style, "  ")]
        out += [f"      {command}" for command in commands]
    return out


def _blocked(report: Report, style: Style) -> str:
    blocked = rows(report, ("blocked",))
    if not blocked:
        return ""
    names = [f"{row.port} {row.who.split(' · ')[0]}" for row in blocked]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return _wrap(f"Not reachable from outside: {shown}.", style, "  ")


def _unread(report: Report, style: Style) -> str:
    lines = [f"Could not be looked at: {clean(source)}: {clean(why)}" for source, why in report.unread]
    lines += [f"Note: {clean(note)}" for note in report.notes]
    if report.unread:
        lines.append("What depends on it is undecided. Run as root, on the host itself, to see everything.")
    return "\n".join(_wrap(line, style, "  ") for line in lines)


def _next(report: Report, bad: list[Row]) -> str:
    if not bad:
        return ""
    return "More: fwaudit report --format json · fwaudit trace --help · fwaudit snapshot -o host.tar.gz"


def _wrap(text: str, style: Style, indent: str) -> str:
    return textwrap.fill(text, style.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
