"""A checked report as a screen, and a policy file written from a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from fwaudit.exposure.compliance import entry_in_words
from fwaudit.model.compliance import SCHEMA_VERSION, Checked, Judged
from fwaudit.model.report import Exposure, Report, Way
from fwaudit.packet.address import to_cidrs
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.render.rows import where, who
from fwaudit.render.style import Style
from fwaudit.render.text import bullet, clean, fold

_HOW: dict[str, str] = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "warn"}
_WORDS = {"critical": "CRITICAL", "warning": "WARNING", "unknown": "UNKNOWN", "ok": "OK"}
_MANY_SOURCES = 16


def headline(checked: Checked) -> str:
    """One line: the level, and what it is about."""
    breaches = [each for each in checked.judged if each.standing == "breach"]
    undecided = [each for each in checked.judged if each.standing == "undecided" and each.level != "ok"]
    parts = []
    if breaches:
        named = ", ".join(dict.fromkeys(short_name(each.exposure) for each in breaches[:3]))
        more = f" and {len(breaches) - 3} more" if len(breaches) > 3 else ""
        parts.append(f"{_count(breaches, 'exposure')} that nobody answers for: {named}{more}")
    if undecided:
        parts.append(f"{len(undecided)} undecided")
    if not checked.report.complete:
        unread = len(checked.report.unread)
        parts.append(f"{unread} thing{'' if unread == 1 else 's'} cannot be told" if checked.report.preview else
                     f"{unread} source{'' if unread == 1 else 's'} could not be read")
    if checked.warnings:
        parts.append(f"{len(checked.warnings)} entries of the policy to look at")
    accepted = sum(each.standing == "accepted" for each in checked.judged)
    if not parts:
        parts.append("nothing is reached that nobody answers for")
    if accepted:
        parts.append(f"{accepted} accepted")
    return f"{_WORDS[checked.level]}: {'; '.join(parts)}"


def render(checked: Checked, style: Style | None = None) -> str:
    """The whole screen, with a newline at its end."""
    style = style or Style()
    lines = [style.paint(line, _HOW[checked.level]) for line in fold(headline(checked), style.width)]
    for title, standing in (("Nobody answers for", "breach"), ("Undecided", "undecided"), ("Accepted", "accepted")):
        found = [each for each in checked.shown if each.standing == standing]
        if found:
            lines += ["", f"{title}:"]
            for each in found:
                lines += _judged(checked.report, each, style)
    if checked.warnings:
        lines += ["", "The policy:"]
        for warning in checked.warnings:
            lines += bullet(clean(warning), style.width)
    if checked.report.unread:
        lines += ["", "Not looked at:"]
        for source, why in checked.report.unread:
            lines += bullet(f"{clean(source)}: {clean(why)}", style.width)
    if any(each.standing == "breach" for each in checked.judged):
        lines += ["", "Why, and what to do: fwaudit report    To close them: fwaudit fix --dry-run",
                  "To answer for one: an [[accept]] section in the policy (fwaudit policy --help)"]
    return "\n".join([*lines, ""])


def _judged(report: Report, each: Judged, style: Style) -> Iterator[str]:
    exposure = each.exposure
    text = f"{exposure.severity.name.lower()}  {short_name(exposure)} v{exposure.family} from {where(report, exposure)}"
    yield from bullet(text, style.width)
    for entry in each.by:
        until = f", until {entry.expires.isoformat()}" if entry.expires else ""
        owner = f" ({clean(entry.owner)})" if entry.owner else ""
        yield from (f"      {line}" for line in fold(f"{clean(entry.reason)}{owner}{until}", style.width - 6))


def short_name(exposure: Exposure) -> str:
    """``5432/tcp shop-db-1``."""
    service = exposure.service
    bound = "" if service.bound == "*" else f"{service.bound} port "
    name = clean(service.container or service.process) or who(exposure)
    return f"{bound}{service.port}/{PROTOCOL_NAMES.get(service.proto, service.proto)} {name}"


def _count(found: list[Judged], noun: str) -> str:
    return f"1 {noun}" if len(found) == 1 else f"{len(found)} {noun}s"


# ---- a policy from the present state --------------------------------------------------------------------------------


def policy_file(report: Report) -> str:
    """A policy that the host fulfils now, with a comment on each entry; the reasons are for its admin to write."""
    lines = [
        f"# What is meant to be reachable on {clean(report.host)}, written from its state of {clean(report.taken_at)}.",
        "# Go through the entries: give each its reason and owner, and delete those that should not be.",
        "# fwaudit policy check finds mistakes; fwaudit check holds the host to it. Keys: docs/policy.md",
        "",
        f"schema_version = {SCHEMA_VERSION}",
        "",
        "[check]",
        "strict = true          # a port that is reached and not listed is a breach, whatever ufw allows",
        'fail_on = "high"       # a breach from this severity on is critical, a lesser one a warning',
        'undecided = "unknown"  # ok, warn, unknown or critical',
    ]
    groups: dict[tuple[object, ...], list[Exposure]] = {}
    for exposure in report.exposures:
        if any(way.possibly for way in exposure.ways):
            service = exposure.service
            key = (service.port, service.proto, service.container, service.process, service.bound)
            groups.setdefault(key, []).append(exposure)
    for found in groups.values():
        lines += ["", *_entry(report, found)]
    return "\n".join([*lines, ""])


def _entry(report: Report, found: list[Exposure]) -> Iterator[str]:
    service, worst = found[0].service, max(found, key=lambda each: each.severity)
    yield f"# {clean(who(worst))}; from {clean(where(report, worst))}"
    if worst.verdict in ("bypass", "neighbours", "undecided"):
        verdict: Literal["bypass", "neighbours", "undecided"] = worst.verdict
        said = {"bypass": "although the firewall policy denies it", "neighbours": "by neighbours on the link alone",
                "undecided": "perhaps: it could not be decided"}
        yield f"# REACHED {said[verdict]} ({worst.severity.name.lower()}). Is that meant to be?"
    yield "[[accept]]"
    yield f"port = {service.port}"
    yield f"protocol = {_quoted(str(PROTOCOL_NAMES.get(service.proto, service.proto)))}"
    if len({each.family for each in found}) == 1:
        yield f"family = {found[0].family}"
    if service.project and service.compose_service:
        yield f"compose = {_quoted(f'{service.project}/{service.compose_service}')}"
    elif service.container:
        yield f"container = {_quoted(service.container)}"
    elif service.process:
        yield f"process = {_quoted(service.process)}"
    if service.bound != "*":
        yield f"address = {_quoted(service.bound)}"
    networks = _networks(found)
    if networks:
        yield f"from = [{', '.join(map(_quoted, networks))}]"
    yield 'reason = "it was so when this file was written"'
    yield 'owner = ""'


def _networks(found: Iterable[Exposure]) -> list[str]:
    """The sources, where they are few networks; none where it is nearly everybody."""
    listed: list[str] = []
    for exposure in found:
        area = _reached(exposure.ways)
        cidrs = to_cidrs(exposure.family, area, _MANY_SOURCES + 1)
        if len(cidrs) > _MANY_SOURCES or area.size(1 << 128) > 1 << (31 if exposure.family == 4 else 127):
            return []
        listed += cidrs
    return listed


def _reached(ways: Iterable[Way]) -> IntervalSet:
    found = EMPTY
    for way in ways:
        found = found | way.possibly
    return found


def _quoted(text: str) -> str:
    """A TOML basic string: names are hostile data."""
    out = ['"']
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable() and ord(char) < 0x110000 and not 0xD800 <= ord(char) <= 0xDFFF:
            out.append(char)
        elif ord(char) < 0x10000 and not 0xD800 <= ord(char) <= 0xDFFF:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append("?")
    return "".join([*out, '"'])


__all__ = ["entry_in_words", "headline", "policy_file", "render", "short_name"]
