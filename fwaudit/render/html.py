"""One self-contained page: what is reached that nobody meant, the way of a packet as a picture, and everything else.

No network, no script is needed to read it (one sorts the table), and a content policy that names both by their digests
lets nothing else run. Every text is escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fwaudit import __version__
from fwaudit.model.compliance import Checked
from fwaudit.model.report import Report, Severity
from fwaudit.render.advice import advice
from fwaudit.render.benchmark import STATES, summary
from fwaudit.render.benchmark import reasons as shown_by
from fwaudit.render.check import headline as checked_headline
from fwaudit.render.others import added_to, cause_of, lines_of, others
from fwaudit.render.outline import exposures_of, groups, headline
from fwaudit.render.picture import picture
from fwaudit.render.remarks import hidden_in_words
from fwaudit.render.rows import REDACTED, VERDICTS, Row, collapsed, rows
from fwaudit.render.style import Style
from fwaudit.render.text import clean
from fwaudit.render.trace import path_lines

if TYPE_CHECKING:
    from jinja2 import Environment

_HOW = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "warn"}
_STATE_MARKS = {"pass": "good", "fail": "bad", "not-applicable": "", "undetermined": "warn"}
_BAD = ("bypass", "neighbours", "undecided")
_MAX_DETAILS, _MAX_HEADS, _MAX_NAMES, _MAX_ROWS = 60, 12, 200, 2000


def render_checked(checked: Checked) -> str:
    """The whole page."""
    from markupsafe import Markup

    style, script = _part("report.css"), _part("report.js")
    report = checked.report
    title, how = (checked_headline(checked), _HOW[checked.level]) if checked.policy.path else headline(report)
    details = groups(report, _wrong(checked))
    shown = [each for group in details[:_MAX_DETAILS] for each in added_to(report, exposures_of(group))]
    places = {id(exposure): f"port-{number}" for number, group in enumerate(details[:_MAX_DETAILS], 1)
              for exposure in exposures_of(group)}
    reasons = {id(each.exposure): [entry.reason for entry in each.by]
               for each in checked.shown if each.standing == "accepted"}
    blocked = [f"{row.port} {row.ip} {row.who}" for row in rows(report, ("blocked",))]
    return _environment().from_string(_part("report.html")).render(
        version=__version__, report=report, clean=clean, style=Markup(style), script=Markup(script),  # noqa: S704
        content_policy="; ".join(("default-src 'none'", f"style-src '{_digest(style)}'",
                                  f"script-src '{_digest(script)}'", "base-uri 'none'", "form-action 'none'")),
        headline=title, how=how, totals=list(_totals(report)), rows=[
            _row(report, row, ports, places, reasons) for row, ports in _lines(_every_row(checked))],
        policy="ufw" if report.policy == "ufw" else "INPUT",
        details=[_detail(report, group, f"port-{number}") for number, group in enumerate(details[:_MAX_DETAILS], 1)],
        left_out=max(0, len(details) - _MAX_DETAILS), others=others(report, shown), warnings=checked.warnings,
        blocked=blocked[:_MAX_NAMES], more_blocked=max(0, len(blocked) - _MAX_NAMES), hidden=hidden_in_words(report),
        redacted=REDACTED if report.redacted else "", benchmark=summary(checked) if checked.controls else "",
        controls=[(each.id, each.title, STATES[each.state], _STATE_MARKS[each.state], shown_by(each))
                  for each in checked.controls])


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       keep_trailing_newline=True)


def _part(name: str) -> str:
    """A file that comes with this module."""
    return (files("fwaudit.render") / "page" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _wrong(checked: Checked) -> list[Row]:
    """The rows that need an explanation: against the firewall policy, undecided, or allowed but listed by nobody."""
    breaches = {id(each.exposure) for each in checked.shown if each.standing == "breach"}
    allowed = rows(checked.report, ("as-intended",))
    return [*rows(checked.report, _BAD),
            *(row for row in allowed if any(id(each) in breaches for each in row.exposures))]


def _every_row(checked: Checked) -> list[Row]:
    return sorted(rows(checked.report, (*_BAD, "as-intended")),
                  key=lambda row: (-row.severity, row.verdict == "as-intended"))


def _lines(found: list[Row]) -> list[tuple[Row, str]]:
    """A page has room for more lines than a screen, and a browser finds and sorts them."""
    return [(row, row.port) for row in found] if len(found) <= _MAX_ROWS else collapsed(found)


def _totals(report: Report) -> Iterator[tuple[int, str, str]]:
    """(count, what, how it is meant) of the whole host: ports by verdict, and findings by severity."""
    how = {"bypass": "bad", "neighbours": "warn", "undecided": "warn", "as-intended": "good", "blocked": "good"}
    for verdict, words in VERDICTS.items():
        count = len({each.service for each in report.every_exposure if each.verdict == verdict})
        if count or verdict == "bypass":
            yield count, words.format(policy=report.policy), how[verdict] if count else "good"
    for severity in reversed(Severity):
        count = sum(each.severity == severity for each in report.every_finding)
        if count and severity > Severity.INFO:
            yield count, f"{severity.name.lower()} finding{'' if count == 1 else 's'}", severity.name.lower()


def _row(report: Report, row: Row, ports: str, places: dict[int, str], reasons: dict[int, list[str]]) -> dict[str, Any]:
    accepted = dict.fromkeys(clean(reason) for each in row.exposures for reason in reasons.get(id(each), ()))
    return {
        "severity": row.severity.name.lower(), "order": -int(row.severity), "port": row.ports[0], "name": ports,
        "ip": row.ip, "who": row.who, "where": row.where, "says": row.policy,
        "verdict": VERDICTS[row.verdict].format(policy=report.policy),
        "place": places.get(id(row.exposures[0]), ""), "reason": "; ".join(accepted)}


def _detail(report: Report, group: list[Row], place: str) -> dict[str, Any]:
    """Rows that need the same words, as `fwaudit.render.table` has them. The command that asks again stands last."""
    from markupsafe import Markup

    row = group[0]
    evidence = row.exposures[0].evidence
    found = list(advice(report, group)) if row.verdict in _BAD else []
    last = found[-1:] if evidence else []
    return {
        **_row(report, row, row.port, {}, {}), "place": place, "cause": cause_of(report, row.exposures),
        "alike": [(each.severity.name.lower(), f"{each.port} of {each.who}") for each in group[1:_MAX_HEADS]],
        "more_alike": max(0, len(group) - _MAX_HEADS),
        "picture": Markup(picture(report, row.exposures[0])),  # noqa: S704
        "lines": path_lines(evidence, Style(90)) if evidence else [],
        "advice": found[:len(found) - len(last)], "last": last,
        "added": lines_of(added_to(report, exposures_of(group)))}
