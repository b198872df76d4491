"""One status line for Nagios, Icinga and their kin, and details on further lines.

The form is that of the Monitoring Plugins Development Guidelines: ``SERVICE STATUS - text | perfdata``, one ``|`` only.
"""

from __future__ import annotations

from fwaudit.model.compliance import Checked
from fwaudit.render.check import headline, short_name
from fwaudit.render.rows import where
from fwaudit.render.text import clean, shorten

_STATUS = {"ok": "OK", "warning": "WARNING", "critical": "CRITICAL", "unknown": "UNKNOWN"}
_MAX_LINES = 50


def render_checked(checked: Checked) -> str:
    """The status line, then a line for each exposure that is not as it should be."""
    breaches = [each for each in checked.judged if each.standing == "breach"]
    undecided = sum(each.standing == "undecided" for each in checked.judged)
    accepted = sum(each.standing == "accepted" for each in checked.judged)
    text = _plain(headline(checked).partition(": ")[2])
    perfdata = (f"exposed={len(breaches)};0;0;0 undecided={undecided};;;0 accepted={accepted};;;0 "
                f"unread={len(checked.report.unread)};;;0")
    lines = [f"FWAUDIT {_STATUS[checked.level]} - {text} | {perfdata}"]
    for each in breaches[:_MAX_LINES]:
        lines.append(_plain(f"{each.exposure.severity.name.lower()} {short_name(each.exposure)} IPv"
                            f"{each.exposure.family} from {where(checked.report, each.exposure)}"))
    lines += [_plain(f"not read: {source}: {why}") for source, why in checked.report.unread[:_MAX_LINES]]
    lines += [_plain(warning) for warning in checked.warnings[:_MAX_LINES]]
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """A ``|`` would begin performance data."""
    return shorten(clean(text).replace("|", "/"), 400)
