"""What opened and what closed between two reports, in terms of who reaches what; rules may differ as they like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.packet.intervals import EMPTY, IntervalSet

Kind = Literal["opened", "wider", "narrower", "closed", "moved", "surer", "doubtful"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One port of one service and family. ``gained``/``lost``: interface → sources. ``against_policy``: among those
    gained are some that policy denies. ``before``/``after``: None where the service was not, or is no more, there."""

    kind: Kind
    before: Exposure | None
    after: Exposure | None
    gained: tuple[tuple[str, IntervalSet], ...] = ()
    lost: tuple[tuple[str, IntervalSet], ...] = ()
    against_policy: bool = False

    @property
    def exposure(self) -> Exposure:
        """The one that there is now, else the one that there was."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def severity(self) -> Severity:
        """How bad it is that it opened; of what closed, how bad it was."""
        return self.exposure.severity


def compare(old: Report, new: Report) -> tuple[Difference, ...]:
    """Every port that is reached by others than before, the worst first."""
    before, after = _by_name(old.exposures), _by_name(new.exposures)
    found = [difference for name in dict.fromkeys((*after, *before))
             for difference in _differences(before.get(name, []), after.get(name, []))]
    found.sort(key=lambda each: (not each.against_policy, each.kind not in ("opened", "wider", "moved"),
                                 -each.severity, each.exposure.service.port, each.exposure.family))
    return tuple(found)


def _by_name(exposures: Iterable[Exposure]) -> dict[tuple[object, ...], list[Exposure]]:
    """A container's own address changes from start to start, so its ports go by its name alone."""
    found: dict[tuple[object, ...], list[Exposure]] = {}
    for each in exposures:
        service = each.service
        bound = service.bound if service.kind != "container-port" else ""
        name = (service.kind, service.proto, service.port, service.container or service.process, bound, each.family)
        found.setdefault(name, []).append(each)
    return found


def _differences(before: list[Exposure], after: list[Exposure]) -> Iterator[Difference]:
    old, new = _reached(before, False), _reached(after, False)
    gained = _minus(new, old)
    lost = _minus(old, new)
    one, two = (before[0] if before else None), (after[0] if after else None)
    if not gained and not lost:
        sure, surely = _reached(before, True), _reached(after, True)
        if sure != surely:
            kind: Kind = "surer" if _minus(surely, sure) else "doubtful"
            yield Difference(kind, one, two)
        return
    denied = _denied(after)
    against = any(sources & denied.get(iif, EMPTY) for iif, sources in gained.items())
    if gained and lost:
        kind = "moved"
    elif gained:
        kind = "wider" if old else "opened"
    else:
        kind = "narrower" if new else "closed"
    yield Difference(kind, one, two, tuple(gained.items()), tuple(lost.items()), against)


def _reached(exposures: Iterable[Exposure], certainly: bool) -> dict[str, IntervalSet]:
    found: dict[str, IntervalSet] = {}
    for exposure in exposures:
        for way in exposure.ways:
            area = way.certainly if certainly else way.possibly
            if area:
                found[way.iif] = found.get(way.iif, EMPTY) | area
    return found


def _denied(exposures: Iterable[Exposure]) -> dict[str, IntervalSet]:
    """Sources that get in, certainly or perhaps, although policy denies them."""
    found: dict[str, IntervalSet] = {}
    for exposure in exposures:
        for way in exposure.ways:
            found[way.iif] = found.get(way.iif, EMPTY) | way.bypass | way.doubtful
    return found


def _minus(one: dict[str, IntervalSet], two: dict[str, IntervalSet]) -> dict[str, IntervalSet]:
    left = {iif: sources - two.get(iif, EMPTY) for iif, sources in one.items()}
    return {iif: sources for iif, sources in left.items() if sources}
