"""What opened and what closed between two reports, in terms of who reaches what; rules may differ as they like.

A port is known again by its kind, number, protocol, address and family, and by whose it is; where only that has
changed, another container answers now. A container's own address changes from start to start, so its ports go without
it. Addresses that nobody else has (the host's own, its other networks') are not compared: with every new network they
change.

Policy is what stands for it now. Where ufw was in force and no longer is, what it denied is against policy all the
same: that nobody asks it any more is how the port opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Literal, get_args

from fwaudit.exposure.words import somebody
from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.records import dataclass

Kind = Literal[
    "opened",      # reached by somebody, and by nobody before
    "wider",       # by more than before
    "moved",       # by some who were not let in before, and no longer by others
    "narrower",    # no longer by some
    "closed",      # no longer by anybody
    "surer",       # by the same, and more of them for certain
    "doubtful",    # by the same, and fewer of them for certain
    "disallowed",  # by the same, but policy no longer allows it
    "allowed",     # by the same, and policy allows it now
    "replaced",    # by the same, but another container or process answers
    "new",         # a service that there was not, and nobody reaches it
    "gone",        # a service that there is no more, and nobody reached it
]
Effect = Literal[
    "against",  # more sources than before certainly get in although policy denies them, or ufw did
    "perhaps",  # more sources than before may get in although policy denies them
    "opened",   # more get in, and policy allows it
    "closed",   # fewer get in
    "neutral",  # neither
]
EFFECTS: tuple[Effect, ...] = ("against", "perhaps", "opened", "closed", "neutral")
"""The worst first."""
_KINDS: tuple[Kind, ...] = get_args(Kind)
Area = tuple[str, bool, IntervalSet]
"""By this interface; True where only neighbours on the link can send such packets; these sources."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One port of one service and family. ``gained``/``lost``: who gets in now and did not before, and the other way
    round. ``before``/``after``: None where the service was not, or is no more, there."""

    kind: Kind
    effect: Effect
    before: Exposure | None
    after: Exposure | None
    gained: tuple[Area, ...] = ()
    lost: tuple[Area, ...] = ()

    @property
    def exposure(self) -> Exposure:
        """The one that there is now, else the one that there was."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def severity(self) -> Severity:
        """How bad it is that it opened; of what closed, how bad it was."""
        return self.before.severity if self.effect == "closed" and self.before else self.exposure.severity


def compare(old: Report, new: Report) -> tuple[Difference, ...]:
    """Every port that is not reached as before, the worst first. Also what is hidden is compared."""
    real, lost = _Real(old, new), lost_policy(old, new)
    found = [difference for before, after in _pairs(old, new) for difference in _differences(before, after, real, lost)]
    found.sort(key=lambda each: (EFFECTS.index(each.effect), -each.severity, _KINDS.index(each.kind),
                                 each.exposure.service.port, each.exposure.family))
    return tuple(found)


def lost_policy(old: Report, new: Report) -> bool:
    """Whether ufw was in force and no longer is."""
    return old.policy == "ufw" and new.policy != "ufw"


@dataclass(frozen=True, slots=True)
class _Real:
    """The sources that another machine may have, for each family and interface, in both reports."""

    old: Report
    new: Report
    known: dict[tuple[int, str], IntervalSet] = field(default_factory=dict)

    def of(self, family: int, iif: str) -> IntervalSet:
        found = self.known.get((family, iif))
        if found is None:
            networks = (*self.old.networks.get(iif, ()), *self.new.networks.get(iif, ()))
            found = self.known[family, iif] = somebody(family, networks, (*self.old.inside, *self.new.inside))
        return found


Exposures = list[Exposure]
Ways = dict[tuple[str, bool, int], IntervalSet]
"""(interface, neighbours only, address that they send to) → sources."""


def _pairs(old: Report, new: Report) -> Iterator[tuple[Exposures, Exposures]]:
    before, after = _by_name(old.every_exposure), _by_name(new.every_exposure)
    gone = {name: before[name] for name in before if name not in after}
    by_port: dict[tuple[object, ...], tuple[object, ...]] = {}
    for name in gone:
        by_port.setdefault(name[1:], name)
    for name, exposures in after.items():
        if name in before:
            yield before[name], exposures
        else:
            yield gone.pop(by_port.pop(name[1:], ()), []), exposures
    for exposures in gone.values():
        yield exposures, []


def _by_name(exposures: Iterable[Exposure]) -> dict[tuple[object, ...], Exposures]:
    """The exposures of one port together; the first part of a name is whose it is. A container's own port is known by
    that alone."""
    found: dict[tuple[object, ...], Exposures] = {}
    for each in exposures:
        service = each.service
        own = service.kind == "container-port"
        who = service.container or service.process
        name = (who, service.kind, service.proto, service.port, who if own else service.bound, each.family)
        found.setdefault(name, []).append(each)
    return found


@dataclass(frozen=True, slots=True)
class _View:
    """Who reaches one port: sources that certainly and possibly get in, those of either that policy denies, and those
    that policy lets in."""

    certainly: Ways
    possibly: Ways
    denied: Ways
    perhaps_denied: Ways
    allowed: Ways


def _view(exposures: Exposures, real: _Real, apart: bool) -> _View:
    """``apart``: by the address that they send to as well."""
    view = _View({}, {}, {}, {}, {})
    for exposure in exposures:
        for way in exposure.ways:
            key = (way.iif, way.neighbours_only, way.dst if apart else 0)
            somebody = real.of(exposure.family, way.iif)
            for areas, area in ((view.certainly, way.certainly), (view.possibly, way.possibly),
                                (view.denied, way.bypass), (view.perhaps_denied, way.bypass | way.doubtful),
                                (view.allowed, way.allowed_possibly)):
                if left := area & somebody:
                    areas[key] = areas.get(key, EMPTY) | left
    return view


def _differences(before: Exposures, after: Exposures, real: _Real, lost_policy: bool) -> Iterator[Difference]:
    apart = _addresses(before) == _addresses(after)
    old, new = _view(before, real, apart), _view(after, real, apart)
    gained, lost = _minus(new.possibly, old.possibly), _minus(old.possibly, new.possibly)
    kind = _kind(before, after, old, new)
    if kind is None:
        return
    effect: Effect = "neutral"
    unasked = lost_policy and bool(before) and bool(_minus(_minus(new.certainly, old.possibly), old.allowed))
    if _minus(new.denied, old.denied) or unasked or (kind == "replaced" and _is_worse(before, after)):
        effect = "against"
    elif _minus(new.perhaps_denied, old.perhaps_denied):
        effect = "perhaps"
    elif gained:
        effect = "opened"
    elif lost:
        effect = "closed"
    yield Difference(kind, effect, _worst(before), _worst(after), _areas(gained), _areas(lost))


def _kind(before: Exposures, after: Exposures, old: _View, new: _View) -> Kind | None:
    gained, lost = _minus(new.possibly, old.possibly), _minus(old.possibly, new.possibly)
    if gained and lost:
        return "moved"
    if gained:
        return "wider" if old.possibly else "opened"
    if lost:
        return "narrower" if new.possibly else "closed"
    if _minus(new.certainly, old.certainly):
        return "surer"
    if _minus(old.certainly, new.certainly):
        return "doubtful"
    if _minus(new.perhaps_denied, old.perhaps_denied) or _minus(new.denied, old.denied):
        return "disallowed"
    if _minus(old.perhaps_denied, new.perhaps_denied) or _minus(old.denied, new.denied):
        return "allowed"
    if not before or not after:
        return "new" if after else "gone"
    return "replaced" if _who(before) != _who(after) else None


def _who(exposures: Exposures) -> set[tuple[str, str]]:
    return {(each.service.container, each.service.process) for each in exposures}


def _is_worse(before: Exposures, after: Exposures) -> bool:
    """Whether what answers now, against policy, is worse to lose than what answered before."""
    bad = [each.severity for each in after if each.verdict in ("bypass", "neighbours")]
    return bool(bad) and max(bad) > max(each.severity for each in before)


def _worst(exposures: Exposures) -> Exposure | None:
    return max(exposures, key=lambda each: each.severity, default=None)


def _addresses(exposures: Exposures) -> set[tuple[str, int]]:
    return {(way.iif, way.dst) for each in exposures for way in each.ways}


def _minus(one: Ways, two: Ways) -> Ways:
    left = {way: sources - two.get(way, EMPTY) for way, sources in one.items()}
    return {way: sources for way, sources in left.items() if sources}


def _areas(found: Ways) -> tuple[Area, ...]:
    """Without the address that they send to."""
    areas: dict[tuple[str, bool], IntervalSet] = {}
    for (iif, near, _), sources in found.items():
        areas[iif, near] = areas.get((iif, near), EMPTY) | sources
    return tuple((iif, near, sources) for (iif, near), sources in areas.items())
