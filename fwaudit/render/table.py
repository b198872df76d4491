"""The report as a screen: what is open that nobody meant, then why, then what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from fwaudit.model.report import Finding, Report, Severity
from fwaudit.render.advice import advice
from fwaudit.render.others import added_to, cause_of, lines_of, others
from fwaudit.render.outline import exposures_of, groups, headline
from fwaudit.render.remarks import hidden_in_words
from fwaudit.render.rows import REDACTED, VERDICTS, Row, collapsed, rows
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold
from fwaudit.render.trace import path_lines

_MAX_DETAILS = 8
_MAX_HEADS = 8
_WIDTHS = (13, 13, 15, 10, 11)
"""Columns beside the severity on a screen of 80; a wider one is shared out alike."""
_NO_ROOT = "permission denied; run as root"
"""How the edge says that a source is root's (fwaudit/host/run.py)."""
_COLOURS = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.LOW: "warn",
            Severity.INFO: "dim"}


def render(report: Report, style: Style | None = None) -> str:
    """The whole screen, with a newline at its end."""
    style = style or Style()
    parts = [_headline(report, style), _context(report, style)]
    bad = rows(report, ("bypass", "neighbours", "undecided"))
    fine = rows(report, ("as-intended",))
    if bad or fine:
        parts.append(_table(report, sorted(bad + fine, key=lambda row: -row.severity), style))
    details = groups(report, bad)
    said: set[str] = set()
    parts += [_details(report, group, style, said) for group in details[:_MAX_DETAILS]]
    shown = [each for group in details[:_MAX_DETAILS] for each in added_to(report, exposures_of(group))]
    if len(details) > _MAX_DETAILS:
        parts.append(f"… and {len(details) - _MAX_DETAILS} more; fwaudit report --format json explains every one.")
    parts += filter(None, (_others(report, shown, style), _blocked(report, style), _unread(report, style),
                           _wrap(hidden_in_words(report), style, "  "), _next(report, bool(bad), style)))
    return "\n\n".join(parts) + "\n"


def _headline(report: Report, style: Style) -> str:
    text, how = headline(report)
    return "\n".join(style.paint(line, how) for line in _wrap(text, style, "").split("\n"))


def _context(report: Report, style: Style) -> str:
    first = "  ".join(filter(None, (clean(report.host), report.taken_at)))
    lines = [first] if first else []
    lines += [f"Engine:   {clean(report.engine)}", f"Firewall: {clean(report.firewall)}"]
    lines += [f"Redacted: {REDACTED}"] if report.redacted else []
    return "\n".join(_wrap(line, style, "          ") for line in lines)


def _table(report: Report, found: list[Row], style: Style) -> str:
    from tabulate import tabulate  # 52 ms to import: only when a table is printed

    widths = [8, *((style.width - 18) * least // sum(_WIDTHS) for least in _WIDTHS)]
    headers = ["Severity", "Port", "Who answers", "From where", f"{report.policy} says", "Verdict"]
    cells = [(row.severity.name.lower() if row.severity else "-", f"{port} {row.ip}", row.who, row.where,
              row.policy, VERDICTS[row.verdict].format(policy=report.policy)) for row, port in collapsed(found)]
    body = [["\n".join(fold(text, width)) for text, width in zip(line, widths, strict=True)] for line in cells]
    # the headers as a row like the others: tabulate would make their columns two wider than they need
    text = tabulate([headers, ["-" * width for width in widths], *body], tablefmt="plain", disable_numparse=True)
    if not style.colour:
        return text
    return "\n".join(_coloured(line, style) for line in text.split("\n"))


def _coloured(line: str, style: Style) -> str:
    for severity, how in _COLOURS.items():
        if line.startswith(severity.name.lower()):
            return style.paint(line, how)
    return line


def _details(report: Report, group: list[Row], style: Style, said: set[str]) -> str:
    """Bad rows: a packet's way rule by rule, why ufw is not asked, and what to do; nothing ``said`` twice."""
    row = group[0]
    lines = _heads(report, group, style)
    evidence = row.exposures[0].evidence
    if evidence is not None:
        lines += [f"  The way of one packet{' of them' if len(group) > 1 else ''}:",
                  *(f"    {line}" for line in path_lines(evidence, style))]
    found = list(advice(report, group, style.snapshot))
    ask = found[-1:] if evidence is not None else []
    lines += _paragraphs(found[:len(found) - len(ask)], style, said)
    for also in lines_of(added_to(report, exposures_of(group))):
        how = also.finding.severity.name.lower()
        lines.append(_wrap(f"  Also {how}: {clean(also.text)} [{also.finding.id}]", style, "  "))
        lines += [f"      {clean(each)}" for each in also.finding.next[:1]]
    lines += _paragraphs(ask, style, said)
    return "\n".join(lines)


def _heads(report: Report, group: list[Row], style: Style) -> list[str]:
    """What the rows are about, and at the last the id of the finding that explains them all."""
    heads = [(f"{row.severity.name} {row.port} of {row.who}", _COLOURS[row.severity]) for row in group[:_MAX_HEADS]]
    if len(group) > _MAX_HEADS:
        heads.append((f"… and {len(group) - _MAX_HEADS:,} more like these", "dim"))
    cause = cause_of(report, group[0].exposures)
    if cause:
        heads[-1] = (f"{heads[-1][0]} [{cause}]", heads[-1][1])
    return [style.paint(line, how) for text, how in heads for line in _wrap(text, style, "  ").split("\n")]


def _paragraphs(found: Iterable[tuple[str, list[str]]], style: Style, said: set[str]) -> list[str]:
    out: list[str] = []
    for sentence, commands in found:
        if not commands and sentence in said:
            continue
        said.add(sentence)
        out += [_wrap(f"  {clean(sentence)}", style, "  ")]
        out += [f"      {clean(command)}" for command in commands]
    return out


def _others(report: Report, shown: list[Finding], style: Style) -> str:
    """Findings that no row of the table tells."""
    left = others(report, shown)
    if not left:
        return ""
    lines = [style.paint("What else is wrong here:", "bold")]
    for line in left:
        finding = line.finding
        head = f"  {finding.severity.name.lower():<8}  "
        text = _wrap(f"{head}{clean(line.text)} [{finding.id}]", style, " " * len(head))
        lines.append("  " + _coloured(text.lstrip(), style) if style.colour else text)
        lines += [f"{' ' * len(head)}  {clean(each)}" for each in finding.next[:1]]
    return "\n".join(lines)


def _blocked(report: Report, style: Style) -> str:
    blocked = rows(report, ("blocked",))
    if not blocked:
        return ""
    names = [f"{row.port} {row.ip} {row.who.split(' · ')[0]}" for row in blocked]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return _wrap(f"Not reachable from outside: {shown}.", style, "  ")


def _unread(report: Report, style: Style) -> str:
    denied = [source for source, why in report.unread if why.startswith(_NO_ROOT)]
    lead = "Cannot be told" if report.preview else "Could not be looked at"
    lines = [f"{lead}: {clean(source)}: {clean(why)}" for source, why in report.unread
             if source not in denied]
    if denied:
        lines.insert(0, f"Could not be looked at without root: {', '.join(map(clean, denied))}")
    if report.unread:
        root = bool(denied) or any("permi" in why.lower() or "root" in why for _, why in report.unread)
        lines.append("What depends on it is undecided." + (" As root, fwaudit sees more." if root else ""))
    lines += [f"Note: {clean(note)}" for note in report.notes]
    return "\n".join(_wrap(line, style, "  ") for line in lines)


def _next(report: Report, bad: bool, style: Style) -> str:
    if not bad and not report.findings:
        return ""
    return _wrap("More: fwaudit findings ID, for what stands in [brackets] · fwaudit --help", style, "      ")


def _wrap(text: str, style: Style, indent: str) -> str:
    return textwrap.fill(text, style.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
