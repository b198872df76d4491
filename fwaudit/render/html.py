"""One self-contained page: what is reached that nobody meant, the way of a packet as a picture, and everything else.

No network, no script is needed to read it (one sorts the table), and a content policy that names both by their digests
lets nothing else run. Every text is escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fwaudit import __version__
from fwaudit.model.compliance import Checked, Judged
from fwaudit.render.check import headline, short_name
from fwaudit.render.hidden import hidden_in_words
from fwaudit.render.picture import picture
from fwaudit.render.rows import VERDICTS, where, who
from fwaudit.render.style import Style
from fwaudit.render.table import render as screen
from fwaudit.render.text import clean
from fwaudit.render.trace import path_lines

if TYPE_CHECKING:
    from jinja2 import Environment

_HOW = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "warn"}
_MAX_PICTURES = 200


def render_checked(checked: Checked) -> str:
    """The whole page."""
    from markupsafe import Markup

    style, script = _part("report.css"), _part("report.js")
    report = checked.report
    shown = [each for each in checked.shown if each.exposure.verdict != "blocked"]
    title = headline(checked) if checked.policy.path else screen(report).split("\n\n", 1)[0].replace("\n", " ")
    wrong = [each for each in shown if each.exposure.verdict in ("bypass", "neighbours", "undecided")]
    return _environment().from_string(_part("report.html")).render(
        version=__version__, report=report, clean=clean, style=Markup(style), script=Markup(script),  # noqa: S704
        policy="; ".join(("default-src 'none'", f"style-src '{_digest(style)}'", f"script-src '{_digest(script)}'",
                          "base-uri 'none'", "form-action 'none'")),
        headline=title, how=_HOW[checked.level],
        rows=[_row(checked, each) for each in shown],
        details=[_detail(checked, each) for each in wrong[:_MAX_PICTURES]], left_out=max(0, len(wrong) - _MAX_PICTURES),
        blocked=[short_name(each.exposure) for each in checked.shown if each.exposure.verdict == "blocked"],
        findings=report.findings, hidden=hidden_in_words(report), warnings=checked.warnings)


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       keep_trailing_newline=True)


def _part(name: str) -> str:
    """A file that comes with this module."""
    return (files("fwaudit.render") / "page" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _row(checked: Checked, each: Judged) -> dict[str, Any]:
    exposure = each.exposure
    return {
        "severity": exposure.severity.name.lower(), "order": -int(exposure.severity), "port": exposure.service.port,
        "name": short_name(exposure), "family": exposure.family, "who": who(exposure),
        "where": where(checked.report, exposure), "says": clean(exposure.policy.text),
        "verdict": VERDICTS[exposure.verdict].format(policy=checked.report.policy), "standing": each.standing,
        "reason": "; ".join(clean(entry.reason) for entry in each.by)}


def _detail(checked: Checked, each: Judged) -> dict[str, Any]:
    from markupsafe import Markup

    evidence = each.exposure.evidence
    findings = [finding for finding in checked.report.findings if finding.exposure == each.exposure]
    return {
        **_row(checked, each), "findings": findings,
        "picture": Markup(picture(evidence, checked.report.policy)) if evidence else "",  # noqa: S704
        "lines": [clean(line) for line in path_lines(evidence, Style(90))] if evidence else [],
        "notes": [clean(note) for note in each.exposure.notes]}
