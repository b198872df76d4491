"""One status line for Nagios, Icinga and their kin, and details on further lines.

The form is that of the Monitoring Plugins Development Guidelines: ``SERVICE STATUS - text | perfdata``, one ``|`` only.
"""

from __future__ import annotations

from fwaudit.model.compliance import Checked
from fwaudit.render.check import accepted_count, finding_name, headline, short_name
from fwaudit.render.places import since_in_words
from fwaudit.render.remarks import remarks
from fwaudit.render.rows import where
from fwaudit.render.text import clean, shorten

STATUS = {"ok": "OK", "warning": "WARNING", "critical": "CRITICAL", "unknown": "UNKNOWN"}
_MAX_LINES = 40
"""Nagios reads 8 kB."""
_UNSAFE = str.maketrans(dict.fromkeys("|`~$&'\"<>\\;", "_"))
"""What begins performance data, and what Nagios by default keeps out of macros, since a shell may see them."""


def render_checked(checked: Checked) -> str:
    """The status line, then a line for each exposure that is not as it should be."""
    breaches = [each for each in checked.judged if each.standing == "breach"]
    undecided = sum(each.standing == "undecided" for each in checked.judged)
    accepted = accepted_count(checked)
    findings = [each for each in checked.findings if each.standing == "breach"]
    text = plain(headline(checked).partition(": ")[2])
    perfdata = (f"exposed={len(breaches)};0;0;0 undecided={undecided};;;0 accepted={accepted};;;0 "
                f"findings={len(findings)};0;;0 unread={len(checked.report.unread)};;;0")
    perfdata += f" time={checked.seconds:.2f}s;;;0" if checked.seconds is not None else ""
    lines = [f"FWAUDIT {STATUS[checked.level]} - {text} | {perfdata}"]
    shown = [each for each in checked.shown if each.standing in ("breach", "undecided")]
    for each in shown[:_MAX_LINES]:
        doubt = "undecided, " if each.standing == "undecided" else ""
        lines.append(plain(f"{each.exposure.severity.name.lower()}: {short_name(each.exposure)} IPv"
                            f"{each.exposure.family}: {doubt}from {where(checked.report, each.exposure)}"
                            f"{since_in_words(checked, each, ', ')}"))
    if len(shown) > _MAX_LINES:
        lines.append(f"... and {len(shown) - _MAX_LINES} more")
    lines += [plain(f"{each.finding.severity.name.lower()}: {finding_name(each.finding)} ({each.finding.id})")
              for each in checked.shown_findings if each.standing == "breach"][:_MAX_LINES]
    lines += [plain(f"not read: {source}: {why}") for source, why in checked.report.unread[:_MAX_LINES]]
    lines += [plain(warning) for warning in checked.warnings[:_MAX_LINES]]
    lines += [plain(remark) for remark in remarks(checked.report)]
    return "\n".join([*lines, ""])


def failed(why: str) -> str:
    """What there is to say where nothing could be found out."""
    return f"FWAUDIT UNKNOWN - {plain(why)}\n"


def plain(text: str) -> str:
    """Text from outside as Nagios takes it."""
    return shorten(clean(text).translate(_UNSAFE), 400)
