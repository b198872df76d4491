"""A policy file written from a report."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from fwaudit.exposure.compliance import check
from fwaudit.intent.accepted import parse_policy
from fwaudit.model.compliance import SCHEMA_VERSION
from fwaudit.model.report import Exposure, Finding, Report, Way
from fwaudit.packet.address import to_cidrs
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.render.rows import where, who
from fwaudit.render.text import clean

_MANY_SOURCES = 16
_REASON = 'reason = "it was so when this file was written"'



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
        "findings = true        # a severe finding counts as well, not ports alone",
    ]
    groups: dict[tuple[object, ...], list[Exposure]] = {}
    for exposure in report.exposures:
        if any(way.possibly for way in exposure.ways):
            service = exposure.service
            key = (service.port, service.proto, service.container, service.process, service.bound)
            groups.setdefault(key, []).append(exposure)
    for found in groups.values():
        lines += ["", *_entry(report, found)]
    text = "\n".join([*lines, ""])
    for finding in _unanswered(report, text):
        lines += ["", *_of_finding(finding)]
    return "\n".join([*lines, ""])


def _unanswered(report: Report, ports: str) -> list[Finding]:
    """The findings that would be breaches although the ports are answered for."""
    held = check(report, parse_policy(ports, ""), datetime.date.min)
    return [each.finding for each in held.shown_findings if each.standing == "breach"]


def _of_finding(finding: Finding) -> Iterator[str]:
    yield f"# {clean(finding.what)}"
    yield f"# FOUND ({finding.severity.name.lower()}): fwaudit findings {finding.id}. Is that meant to be?"
    yield from ("[[accept]]", f"finding = {_quoted(finding.id)}")
    if finding.subject:
        subject = re.sub(r"([*?[])", r"[\1]", finding.subject)  # it is a name here, not a pattern
        yield f"subject = {_quoted(subject)}"
    yield from (_REASON, 'owner = ""')


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
    yield from (_REASON, 'owner = ""')


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
