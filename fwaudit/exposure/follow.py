"""What is new between one audit and the next, also where one of them could not see everything.

What an audit could not look at has not closed. While a source is silent that the reference could read, only what has
certainly opened is news; the last report that saw as much stays the reference, so that all the rest is told when the
source speaks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fwaudit.exposure.diff import Area, Difference, compare
from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Exposure, Finding, Report
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.records import dataclass

Key = tuple[object, ...]
_SILENT = ("new", "gone")
"""Kinds of differences that are no news: nobody reaches it, and nobody did."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the next audit is compared with. ``told``: what was told although the report behind it is no reference.
    ``level`` and ``headline``: of the last audit; ``lost``: sources that it could not read and the report could;
    ``unsaid``: those whose loss somebody else has said."""

    report: Report
    level: str = ""
    headline: str = ""
    told: frozenset[Key] = frozenset()
    lost: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference and how it stands now. ``judged``: None for what is no more. ``findings``: of the exposure that
    there is now. ``seen_late``: it may have been open before, when nobody could see it."""

    difference: Difference
    judged: Judged | None
    findings: tuple[Finding, ...] = ()
    seen_late: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """All that is new. ``lost``: (source, why) that could be read before; ``back``: sources that can be read again.
    ``appeared`` and ``gone``: findings that are not about one port."""

    old: Report
    new: Report
    changes: tuple[Change, ...] = ()
    appeared: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    back: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.appeared or self.gone or self.lost or self.back)


def begin(checked: Checked, headline: str) -> Reference:
    """The reference where there has been no audit yet."""
    return Reference(_kept(checked.report), checked.level, headline)


def follow(before: Reference, checked: Checked, headline: str) -> tuple[Reference, News]:
    """What is new, and what the next one is compared with."""
    old, new = before.report, checked.report
    unread = dict(new.unread)
    blind = {source for source, _ in old.unread}
    lost = tuple(source for source in unread if source not in blind)
    back = tuple(source for source in before.lost if source not in unread)
    found = [each for each in compare(old, new) if each.kind not in _SILENT]
    if lost:
        found = [each for each in found if _opened_anyway(old, each) and _key(each) not in before.told]
        told = before.told | {_key(each) for each in found}
        after = Reference(old, checked.level, headline, told, lost)
        appeared: tuple[Finding, ...] = ()
        gone: tuple[Finding, ...] = ()
    else:
        late = any(source not in unread for source in blind)
        back += tuple(source for source, _ in old.unread if source not in unread)
        found = [each for each in found if _key(each) not in before.told]
        appeared, gone = _others(new, old), _others(old, new)
        after = Reference(_kept(new), checked.level, headline)
        return after, News(old, new, _changes(checked, found, late), appeared, gone, (), back)
    newly = tuple((source, unread[source]) for source in lost if source not in before.lost)
    return after, News(old, new, _changes(checked, found, False), appeared, gone, newly, back)


def _kept(report: Report) -> Report:
    """Without what only a screen needs."""
    return replace(report, exposures=tuple(replace(each, evidence=None) for each in report.exposures),
                   findings=tuple(replace(each, exposure=None) for each in report.findings))


def _changes(checked: Checked, found: Iterable[Difference], late: bool) -> tuple[Change, ...]:
    by_exposure = {id(each.exposure): each for each in checked.judged}
    findings: dict[int, list[Finding]] = {}
    for finding in checked.report.every_finding:
        if finding.exposure is not None:
            findings.setdefault(id(finding.exposure), []).append(finding)
    return tuple(Change(each, by_exposure.get(id(each.after)), tuple(findings.get(id(each.after), ())),
                        late and bool(each.gained) and each.before is None) for each in found)


def _key(difference: Difference) -> Key:
    """The same for the same news. Who answers is not in it: that may be what could not be read."""
    exposure = difference.exposure
    gained = tuple(sorted((iif, near) for iif, near, _ in difference.gained))
    return difference.effect, exposure.service.proto, exposure.service.port, exposure.family, gained


def _others(one: Report, two: Report) -> tuple[Finding, ...]:
    """Findings of ``one`` that ``two`` has not and that are not about one port, nor about what could not be read."""
    known = {(each.id, each.subject) for each in two.every_finding}
    return tuple(each for each in one.every_finding if (each.id, each.subject) not in known and not each.explains
                 and each.id not in ("unreadable", "undecided"))


def _opened_anyway(old: Report, difference: Difference) -> bool:
    """Whether a port has certainly opened, whoever answers there: by no other name was it reached before."""
    after = difference.after
    if after is None or difference.effect not in ("against", "opened") or not difference.gained:
        return False
    before = _reached(old, after)
    now: dict[tuple[str, bool], IntervalSet] = {}
    for way in after.ways:
        now[way.iif, way.neighbours_only] = now.get((way.iif, way.neighbours_only), EMPTY) | way.certainly
    return any(_new(area, now, before) for area in difference.gained)


def _new(area: Area, now: dict[tuple[str, bool], IntervalSet], before: dict[tuple[str, bool], IntervalSet]) -> bool:
    iif, near, sources = area
    return bool((sources & now.get((iif, near), EMPTY)) - before.get((iif, near), EMPTY))


def _reached(report: Report, like: Exposure) -> dict[tuple[str, bool], IntervalSet]:
    """Who reached this port number before, whatever answered."""
    found: dict[tuple[str, bool], IntervalSet] = {}
    service = like.service
    for each in report.every_exposure:
        if (each.service.proto, each.service.port, each.family) == (service.proto, service.port, like.family):
            for way in each.ways:
                key = (way.iif, way.neighbours_only)
                found[key] = found.get(key, EMPTY) | way.possibly
    return found
