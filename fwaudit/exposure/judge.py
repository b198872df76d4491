"""What the ways in to a service come to: one verdict, the way that shows it best, and how bad that is."""

from __future__ import annotations

from fwaudit.exposure.outside import PRIVATE
from fwaudit.model.report import Service, Severity, Verdict, Way
from fwaudit.model.services import identify
from fwaudit.packet.intervals import EMPTY


def verdict_of(ways: tuple[Way, ...]) -> tuple[Verdict, bool]:
    """The verdict, and whether it is certain. What strangers reach weighs more than what only neighbours do."""
    afar = [way for way in ways if not way.neighbours_only]
    near = [way for way in ways if way.neighbours_only]
    if any(way.bypass for way in afar):
        return "bypass", True
    if any(way.doubtful for way in afar):
        return "undecided", False
    if any(way.bypass for way in near):
        return "neighbours", True
    if any(way.doubtful for way in near):
        return "undecided", False
    if any(way.possibly for way in ways):
        return "as-intended", all(way.possibly == way.certainly for way in ways)
    return "blocked", True


def worst(ways: tuple[Way, ...], verdict: Verdict) -> Way | None:
    """The way that shows the verdict best: the one with the most sources, an interface's own address before others."""
    if verdict == "bypass":
        fitting = [(way, way.bypass) for way in ways if not way.neighbours_only]
    elif verdict == "neighbours":
        fitting = [(way, way.bypass) for way in ways]
    elif verdict == "undecided":
        fitting = [(way, way.doubtful) for way in ways]
    else:
        fitting = [(way, way.possibly) for way in ways]
    fitting = [(way, area) for way, area in fitting if area]
    return max(fitting, key=lambda pair: pair[1].size(1 << 128), default=(None, EMPTY))[0]


def severity(service: Service, family: int, way: Way, verdict: Verdict) -> Severity:
    """What the service is × from where it is reached. Sure or not is another matter."""
    known = identify(service.proto, (service.container_port, service.port), service.image, service.process)
    level = known.level if known else 2
    if verdict == "bypass":
        if not way.bypass & ~PRIVATE[family]:
            return Severity.HIGH if level == 3 else Severity.MEDIUM
        return Severity.CRITICAL if level == 3 else Severity.HIGH
    if verdict == "neighbours":
        return Severity.MEDIUM if level == 3 else Severity.LOW
    if verdict == "undecided":
        return Severity.MEDIUM if level == 3 else Severity.LOW
    if verdict == "as-intended" and level == 3 and way.certainly & ~PRIVATE[family]:
        return Severity.LOW
    return Severity.INFO
