"""What a reader has to know of a report as a whole, in sentences that every format has."""

from __future__ import annotations

from fwaudit.model.report import Report
from fwaudit.render.rows import REDACTED


def remarks(report: Report) -> list[str]:
    """That names and addresses are replacements, and what is hidden: for formats without a place of their own."""
    redacted = f"redacted: {REDACTED}" if report.redacted else ""
    return [each for each in (redacted, hidden_in_words(report)) if each]


def hidden_in_words(report: Report) -> str:
    """``12 more ports and 3 more findings are hidden by --only bypass.``; empty where nothing is hidden.

    IPv4 and IPv6 of one port are one.
    """
    hidden = report.hidden
    ports = len({each.service for each in hidden.exposures})
    counts = [f"{count:,} more {name}{'' if count == 1 else 's'}"
              for count, name in ((ports, "port"), (len(hidden.findings), "finding")) if count]
    verb = "is" if ports + len(hidden.findings) == 1 else "are"
    return f"{' and '.join(counts)} {verb} hidden by {hidden.by}." if counts else ""
