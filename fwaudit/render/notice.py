"""What is new since somebody was told last: as one line, as a text for people, and as data for programs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from fwaudit.exposure.diff import compare
from fwaudit.model.compliance import Checked
from fwaudit.model.notice import Notice
from fwaudit.model.report import Finding, Report
from fwaudit.render import check, diff
from fwaudit.render.places import exposure_identity, finding_identity
from fwaudit.render.style import Style
from fwaudit.render.text import bullet, clean

_MANY = 40
_WIDTH = 76


def state(checked: Checked) -> str:
    """A digest of what a change of is told: the level, each port that somebody reaches and how it stands, each finding,
    what the policy file is warned of, and what could not be read. No time, no counter and no rule number is in it."""
    report = checked.report
    parts = [checked.level, *checked.warnings, *(source for source, _ in report.unread)]
    parts += sorted(f"{exposure_identity(report, each.exposure)} {each.standing} {each.level}"
                    for each in checked.judged if each.standing != "fine")
    parts += sorted(f"{finding_identity(report, each)} {each.severity}" for each in report.every_finding)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def news(checked: Checked, before: Report, was: str, state_then: str) -> Notice | None:
    """What is new since ``before``, whose level was ``was``; None where nothing is. ``state_then``: its digest, empty
    where there is none. A port that comes or goes and that nobody reaches is no news."""
    report = checked.report
    found = [each for each in compare(before, report) if each.kind not in ("new", "gone")]
    appeared, gone = _findings(before, report), _findings(report, before)
    same = checked.level == was and (state(checked) == state_then if state_then else not (appeared or gone))
    if same and not found:
        return None
    lines = [diff.headline(before, report, found)[0]] if found else ["Every port is reached by the same sources."]
    changes = diff.render(before, report, found, Style(_WIDTH)).split("\n\n")[2:] if found else []
    changes = [each.rstrip("\n") for each in changes if not each.startswith("Why, and what to do")]
    parts = [f"Since {clean(before.taken_at)}: {lines[0]}", *changes]
    parts += _listed("New findings", appeared) + _listed("Findings that are gone", gone)
    parts += ["\n".join(["The policy:", *_items(list(map(clean, checked.warnings)))])] if checked.warnings else []
    data = {"since": before.taken_at, "changes": diff.changes_json(before, report, found),
            "findings_new": named(appeared), "findings_gone": named(gone)}
    return _notice(checked, was, parts, data)


def first(checked: Checked, why: str) -> Notice:
    """The notice where there is nothing to compare with, and why there is not."""
    return _notice(checked, "", [why], {"since": "", "changes": [], "findings_new": [], "findings_gone": []})


def _notice(checked: Checked, was: str, parts: Sequence[str], data: dict[str, Any]) -> Notice:
    report = checked.report
    head = headed(checked, was)
    breaches = names_of_breaches(checked)
    text = "\n\n".join([head, *parts, *_open(breaches), f"{clean(report.host)}, {clean(report.taken_at)}",
                        "Why, and what to do: fwaudit report    The runs: fwaudit history"])
    return Notice(report.host, report.taken_at, checked.level, was, head, text,
                  {**data, "complete": report.complete, "breaches": breaches})


def headed(checked: Checked, was: str) -> str:
    """The headline, with the level before where that was another."""
    level, colon, rest = check.headline(checked).partition(":")
    return f"{level}, was {was.upper()}{colon}{rest}" if was and was != checked.level else f"{level}{colon}{rest}"


def names_of_breaches(checked: Checked) -> list[str]:
    """What nobody answers for, each port once."""
    return list(dict.fromkeys(check.short_name(each.exposure) for each in checked.judged if each.standing == "breach"))


def _open(breaches: Sequence[str]) -> list[str]:
    return ["\n".join(["Nobody answers for:", *_items(breaches)])] if breaches else []


def _findings(one: Report, two: Report) -> list[Finding]:
    """Those of ``two`` that ``one`` has not."""
    known = {finding_identity(one, each) for each in one.every_finding}
    return [each for each in two.every_finding if finding_identity(two, each) not in known]


def _listed(title: str, found: Sequence[Finding]) -> list[str]:
    """Without those that say why a port is open: that it has opened or closed is said already."""
    said = [f"{each.severity.name.lower()}  {clean(each.title)}: {clean(each.subject)} [{each.id}]"
            for each in found if not each.explains]
    return ["\n".join([f"{title}:", *_items(said)])] if said else []


def _items(texts: Sequence[str]) -> list[str]:
    lines = [line for text in texts[:_MANY] for line in bullet(text, _WIDTH)]
    return lines + ([f"  … and {len(texts) - _MANY:,} more"] if len(texts) > _MANY else [])


def named(found: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as JSON has them in a notice."""
    return [{"id": each.id, "subject": each.subject, "severity": each.severity.name.lower()} for each in found]
