"""What opened and what closed, as a screen and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fwaudit.exposure.diff import Difference
from fwaudit.model.report import Report
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.check import short_name
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold
from fwaudit.render.words import sources_in_words

SCHEMA_VERSION = 1

_WORDS = {"opened": "opened", "wider": "opened wider", "moved": "moved", "narrower": "closed in part",
          "closed": "closed", "surer": "now certain", "doubtful": "no longer certain"}
_SIGNS = {"opened": "+", "wider": "+", "moved": "~", "narrower": "-", "closed": "-", "surer": "~", "doubtful": "~"}


def render(old: Report, new: Report, found: Sequence[Difference], style: Style | None = None) -> str:
    """The screen, with a newline at its end."""
    style = style or Style()
    lines = [style.paint(line, "bad" if any(each.against_policy for each in found) else "good")
             for line in fold(headline(found), style.width)]
    lines += [f"{clean(old.host)} {clean(old.taken_at)} -> {clean(new.host)} {clean(new.taken_at)}"]
    if found:
        lines.append("")
    for each in found:
        lines += _lines(old, new, each, style)
    unread = [f"{report.taken_at}: {source}: {why}" for report in (old, new) for source, why in report.unread]
    if unread:
        lines += ["", "Not looked at:", *(line for text in unread for line in _item(clean(text), style.width))]
    return "\n".join([*lines, ""])


def headline(found: Sequence[Difference]) -> str:
    """One sentence."""
    opened = sum(each.kind in ("opened", "wider", "moved") for each in found)
    closed = sum(each.kind in ("closed", "narrower", "moved") for each in found)
    against = sum(each.against_policy for each in found)
    if not found:
        return "Nothing has changed: every port is reached by the same sources."
    text = f"{opened} opened, {closed} closed"
    return f"{text}; {against} opened to sources that policy denies." if against else f"{text}."


def _lines(old: Report, new: Report, each: Difference, style: Style) -> Iterator[str]:
    exposure = each.exposure
    text = f"{_SIGNS[each.kind]} {short_name(exposure)} IPv{exposure.family} {_WORDS[each.kind]}"
    if each.against_policy:
        text += f", although {clean(exposure.policy.by)} says: {clean(exposure.policy.text)}"
    first, *rest = fold(text, style.width)
    yield style.paint(first, "bad" if each.against_policy else "")
    yield from (f"    {line}" for line in rest)
    for report, sign, areas in ((new, "to", each.gained), (old, "for", each.lost)):
        for iif, sources in areas:
            words = _in_words(report, exposure.family, iif, sources)
            yield from (f"    {line}" for line in fold(f"{sign} {words} ({clean(iif)})", style.width - 4))


def _in_words(report: Report, family: int, iif: str, sources: IntervalSet) -> str:
    return sources_in_words(family, sources, report.networks.get(iif, ()), report.inside)


def _item(text: str, width: int) -> Iterator[str]:
    first, *rest = fold(text, width - 4) or [""]
    yield f"  - {first}"
    yield from (f"    {line}" for line in rest)


def render_json(old: Report, new: Report, found: Sequence[Difference]) -> str:
    """The same as JSON, with a newline at its end."""
    return json.dumps({
        "schema_version": SCHEMA_VERSION,
        "old": _report(old), "new": _report(new),
        "changes": [_change(old, new, each) for each in found],
    }, indent=2) + "\n"


def _report(report: Report) -> dict[str, Any]:
    return {"host": report.host, "taken_at": report.taken_at, "complete": report.complete}


def _change(old: Report, new: Report, each: Difference) -> dict[str, Any]:
    exposure, service = each.exposure, each.exposure.service
    return {
        "kind": each.kind, "against_policy": each.against_policy, "severity": each.severity.name.lower(),
        "service": service.kind, "protocol": PROTOCOL_NAMES.get(service.proto, str(service.proto)),
        "port": service.port, "family": exposure.family, "container": service.container, "process": service.process,
        "verdict_before": each.before.verdict if each.before else None,
        "verdict_after": each.after.verdict if each.after else None,
        "gained": [{"interface": iif, "sources": _in_words(new, exposure.family, iif, area)}
                   for iif, area in each.gained],
        "lost": [{"interface": iif, "sources": _in_words(old, exposure.family, iif, area)}
                 for iif, area in each.lost],
    }
