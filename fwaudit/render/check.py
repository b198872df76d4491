"""A checked report as a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fwaudit.model.compliance import Accepted, Checked, Judged, JudgedFinding
from fwaudit.model.report import Exposure, Finding
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.benchmark import table
from fwaudit.render.places import since_in_words
from fwaudit.render.rows import REDACTED, name_of, where
from fwaudit.render.style import Style
from fwaudit.render.text import bullet, clean, fold

_HOW: dict[str, str] = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "warn"}
_WORDS = {"critical": "CRITICAL", "warning": "WARNING", "unknown": "UNKNOWN", "ok": "OK"}


def headline(checked: Checked) -> str:
    """One line: the level, and what it is about."""
    breaches = [each for each in checked.judged if each.standing == "breach"]
    undecided = [each for each in checked.judged if each.standing == "undecided" and each.level != "ok"]
    parts = []
    if breaches:
        named = ", ".join(dict.fromkeys(short_name(each.exposure) for each in breaches[:3]))
        more = f" and {len(breaches) - 3} more" if len(breaches) > 3 else ""
        parts.append(f"{_count(breaches, 'exposure')} that nobody answers for: {named}{more}")
    found = [each for each in checked.findings if each.standing == "breach"]
    if found:
        named = ", ".join(dict.fromkeys(each.finding.id for each in found[:3]))
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        parts.append(f"{_count(found, 'finding')} that nobody answers for: {named}{more}")
    if undecided:
        parts.append(f"{len(undecided)} undecided")
    if not checked.report.complete:
        unread = len(checked.report.unread)
        parts.append(f"{unread} thing{'' if unread == 1 else 's'} cannot be told" if checked.report.preview else
                     f"{unread} source{'' if unread == 1 else 's'} could not be read")
    if checked.warnings:
        count = len(checked.warnings)
        parts.append(f"{count} {'entry' if count == 1 else 'entries'} of the policy to look at")
    accepted = accepted_count(checked)
    if not parts:
        parts.append("nothing is reached that nobody answers for")
    if accepted:
        parts.append(f"{accepted} accepted")
    return f"{_WORDS[checked.level]}: {'; '.join(parts)}"


def render(checked: Checked, style: Style | None = None) -> str:
    """The whole screen, with a newline at its end."""
    style = style or Style()
    lines = [style.paint(line, _HOW[checked.level]) for line in fold(headline(checked), style.width)]
    lines += fold(f"Redacted: {REDACTED}", style.width) if checked.report.redacted else []
    for title, standing in (("Nobody answers for", "breach"), ("Undecided", "undecided"), ("Accepted", "accepted")):
        found = [each for each in checked.shown if each.standing == standing]
        findings = [each for each in checked.shown_findings if each.standing == standing]
        if found or findings:
            lines += ["", f"{title}:"]
            for each in found:
                lines += _judged(checked, each, style)
            for finding in findings:
                lines += _finding(finding, style)
    if checked.warnings:
        lines += ["", "The policy:"]
        for warning in checked.warnings:
            lines += bullet(clean(warning), style.width)
    if checked.report.unread:
        lines += ["", "Not looked at:"]
        for source, why in checked.report.unread:
            lines += bullet(f"{clean(source)}: {clean(why)}", style.width)
    if checked.controls:
        lines += ["", *table(checked, style)]
    breaches = any(each.standing == "breach" for each in checked.judged)
    if breaches or any(each.standing == "breach" for each in checked.findings):
        close = "    To close them: fwaudit fix --dry-run" if breaches else ""
        lines += ["", f"Why, and what to do: fwaudit report{close}",
                  "To answer for one: an [[accept]] section in the policy (fwaudit policy --help)"]
    return "\n".join([*lines, ""])


def _judged(checked: Checked, each: Judged, style: Style) -> Iterator[str]:
    exposure = each.exposure
    yield from bullet(f"{exposure.severity.name.lower()}  {short_name(exposure)} v{exposure.family} from "
                      f"{where(checked.report, exposure)}{since_in_words(checked, each, ', ')}", style.width)
    yield from _answers(each.by, style)


def _finding(each: JudgedFinding, style: Style) -> Iterator[str]:
    finding = each.finding
    sure = "" if finding.certain else " (not certain)"
    yield from bullet(f"{finding.severity.name.lower()}{sure}  {finding_name(finding)} [{finding.id}]", style.width)
    yield from _answers(each.by, style)


def finding_name(finding: Finding) -> str:
    """``A weak or default password: shop-db-1``."""
    return clean(f"{finding.title}: {finding.subject}" if finding.subject not in ("", "host") else finding.title)


def _answers(entries: Sequence[Accepted], style: Style) -> Iterator[str]:
    """Who answers for it, and why."""
    for entry in entries:
        until = f", until {entry.expires.isoformat()}" if entry.expires else ""
        owner = f" ({clean(entry.owner)})" if entry.owner else ""
        yield from (f"      {line}" for line in fold(f"{clean(entry.reason)}{owner}{until}", style.width - 6))


def short_name(exposure: Exposure) -> str:
    """``5432/tcp shop-db-1``."""
    service = exposure.service
    bound = "" if service.bound == "*" else f"{service.bound} port "
    return f"{bound}{service.port}/{PROTOCOL_NAMES.get(service.proto, service.proto)} {clean(name_of(exposure))}"


def accepted_count(checked: Checked) -> int:
    """How many exposures and findings an entry of the policy answers for."""
    return (sum(each.standing == "accepted" for each in checked.judged)
            + sum(each.standing == "accepted" for each in checked.findings))


def _count(found: Sequence[object], noun: str) -> str:
    return f"1 {noun}" if len(found) == 1 else f"{len(found)} {noun}s"
