"""A report held against a policy: what somebody answers for, what is a breach, and which entries are out of use."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

from fwaudit.exposure.weigh import weigh
from fwaudit.model.compliance import Accepted, Checked, Judged, Policy
from fwaudit.model.report import Exposure, Report, Way
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import EMPTY, IntervalSet

_LEVELS: dict[str, Literal["ok", "warning", "critical", "unknown"]] = {
    "ok": "ok", "warn": "warning", "unknown": "unknown", "critical": "critical"}


def check(report: Report, policy: Policy, today: datetime.date) -> Checked:
    """Judge every exposure. An entry that has expired still counts, and is a warning: it is the entry that is wrong."""
    judged = tuple(_judge(exposure, policy) for exposure in report.every_exposure)
    findings = weigh(report, policy, judged) if policy.findings else ()
    used = {entry for each in judged for entry in each.by} | {entry for each in findings for entry in each.by}
    return Checked(report, policy, judged, tuple(_warnings(policy, used, today)), findings=findings)


def _judge(exposure: Exposure, policy: Policy) -> Judged:
    if exposure.verdict == "blocked":
        return Judged(exposure, "fine", "ok", (), tuple((way, EMPTY, EMPTY) for way in exposure.ways))
    by = tuple(entry for entry in policy.accepted if _speaks_of(entry, exposure))
    wrong, doubtful = EMPTY, EMPTY
    left: list[tuple[Way, IntervalSet, IntervalSet]] = []
    answering: dict[Accepted, None] = {}
    for way in exposure.ways:
        certain, perhaps = _questionable(exposure, way, policy.strict)
        asked = certain | perhaps
        for entry in by:
            if _covers(entry, exposure, way) and (area := _sources(entry, exposure.family)) is not None:
                if asked & area:
                    answering[entry] = None
                certain, perhaps = certain - area, perhaps - area
        wrong, doubtful = wrong | certain, doubtful | perhaps
        left.append((way, certain, perhaps))
    found = tuple(answering), tuple(left)
    if wrong:
        level: Literal["critical", "warning"] = "critical" if exposure.severity >= policy.fail_on else "warning"
        return Judged(exposure, "breach", level, *found)
    if doubtful:
        return Judged(exposure, "undecided", _LEVELS[policy.undecided], *found)
    return Judged(exposure, "accepted" if answering else "fine", "ok", *found)


def _questionable(exposure: Exposure, way: Way, strict: bool) -> tuple[IntervalSet, IntervalSet]:
    """Sources that certainly, and that perhaps, get in although nothing but an entry could let them."""
    if strict:
        return way.certainly, way.possibly - way.certainly
    return way.bypass, way.doubtful


def _speaks_of(entry: Accepted, exposure: Exposure) -> bool:
    service = exposure.service
    compose = f"{service.project}/{service.compose_service}" if service.project else ""
    return (entry.proto == service.proto and service.port in entry.ports
            and entry.family in (0, exposure.family)
            and (not entry.container or fnmatchcase(service.container, entry.container))
            and (not entry.compose or (compose != "" and fnmatchcase(compose, entry.compose if "/" in entry.compose
                                                                     else f"{entry.compose}/*")))
            and (not entry.process or fnmatchcase(service.process, entry.process))
            and (not entry.address or entry.address == service.bound))


def _covers(entry: Accepted, exposure: Exposure, way: Way) -> bool:
    return not entry.interface or fnmatchcase(way.iif, entry.interface)


def _sources(entry: Accepted, family: int) -> IntervalSet | None:
    """The sources of a family that an entry answers for; None where it speaks of the other family alone."""
    if entry.sources is None:
        return IntervalSet((0,))
    return dict(entry.sources).get(family)


def _warnings(policy: Policy, used: set[Accepted], today: datetime.date) -> Iterator[str]:
    for entry in policy.accepted:
        name = f"{policy.path} line {entry.line}: {entry_in_words(entry)}"
        if entry.expires is not None and entry.expires < today:
            yield f"{name} has expired on {entry.expires.isoformat()}"
        elif entry not in used:
            what = "no such finding is made" if entry.finding else "nothing that it speaks of is reached"
            yield f"{name} is not used: {what}"


def entry_in_words(entry: Accepted) -> str:
    """``443/tcp of web-*``, or ``weak-credentials of web-*``: what an entry speaks of."""
    if entry.finding:
        return entry.finding + (f" of {entry.subject}" if entry.subject else "")
    ports = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in entry.ports.ranges(65535))
    who = entry.container or entry.compose or entry.process
    return f"{ports}/{PROTOCOL_NAMES.get(entry.proto, entry.proto)}{f' of {who}' if who else ''}"
