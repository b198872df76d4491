"""What the ways in to a service come to: one verdict, the way that shows it best, and how bad that is.

Severity is what the service is × from where it is reached × how its door is locked, in the tables below. How sure it
is stands apart.
"""

from __future__ import annotations

from typing import Literal

from fwaudit.exposure.outside import PRIVATE
from fwaudit.model.host import Container, Engine, WeakCredential
from fwaudit.model.report import Service, Severity, Verdict, Way
from fwaudit.model.services import guarded_by, identify
from fwaudit.packet.intervals import EMPTY, IntervalSet

Place = Literal["internet", "private", "neighbour"]
Worth = Literal["unlocked", "data", "admin", "unknown", "public"]
"""``unlocked``: its password is weak or missing, so that whoever reaches it is in. ``data``: gives away data or the
host without more ado; ``admin``: an administration surface or a queue; ``public``: made to face the internet."""

_INFO, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_WORTHS: tuple[Worth, ...] = ("unlocked", "data", "admin", "unknown", "public")
_LEVELS: dict[int, Worth] = {3: "data", 2: "admin", 1: "public", 0: "unknown"}

Table = dict[Place, tuple[Severity, ...]]
_AGAINST_POLICY: Table = {
    #            unlocked   data       admin    unknown  public
    "internet":  (_CRITICAL, _CRITICAL, _HIGH,   _HIGH,   _HIGH),
    "private":   (_CRITICAL, _HIGH,     _MEDIUM, _MEDIUM, _MEDIUM),
    "neighbour": (_HIGH,     _MEDIUM,   _LOW,    _LOW,    _LOW),
}
_UNDECIDED: Table = {
    "internet":  (_HIGH,     _MEDIUM,   _LOW,    _LOW,    _LOW),
    "private":   (_HIGH,     _MEDIUM,   _LOW,    _LOW,    _LOW),
    "neighbour": (_HIGH,     _MEDIUM,   _LOW,    _LOW,    _LOW),
}
_ALLOWED: Table = {
    "internet":  (_CRITICAL, _MEDIUM,   _LOW,    _INFO,   _INFO),
    "private":   (_MEDIUM,   _INFO,     _INFO,   _INFO,   _INFO),
    "neighbour": (_LOW,      _INFO,     _INFO,   _INFO,   _INFO),
}
SEVERITIES: dict[Verdict, Table] = {
    "bypass": _AGAINST_POLICY, "neighbours": _AGAINST_POLICY, "undecided": _UNDECIDED, "as-intended": _ALLOWED,
}


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


def worth_of(service: Service, weak: bool = False) -> Worth:
    """What a stranger gets who reaches it. ``weak``: its own password is weak or missing."""
    if weak:
        return "unlocked"
    known = identify(service.proto, (service.container_port, service.port), service.image, service.process)
    return _LEVELS[known.level] if known else "unknown"


def weak_doors(service: Service, container: Container | None) -> tuple[WeakCredential, ...]:
    """What the container's environment says of this very service's logins that lets everybody in.

    A password of another service that the container only uses is not its own door; and a short one is no open door.
    """
    return tuple(each for each in (container.weak_credentials if container else ())
                 if each.verdict != "short" and _is_door_of(each, service))


def is_open_api(service: Service, engine: Engine) -> bool:
    """Whether the service is the engine's own API on TCP, without asking for a client certificate. The engine warns of
    every such address (fillAPIInfo in moby's daemon/info.go)."""
    return service.kind == "host-socket" and service.process == "dockerd" and any(
        f":{service.port} without {what}" in warning
        for warning in engine.warnings for what in ("encryption", "TLS client verification"))


def _is_door_of(weak: WeakCredential, service: Service) -> bool:
    guarded = guarded_by(weak.variable)
    if guarded is None:  # ALLOW_EMPTY_PASSWORD: whatever the image is
        return weak.verdict == "no-authentication" and bool(service.likely)
    return guarded.name == service.likely


def place_of(family: int, way: Way, area: IntervalSet) -> Place:
    """Where the farthest of the sources ``area`` are."""
    if way.neighbours_only:
        return "neighbour"
    return "internet" if area & ~PRIVATE[family] else "private"


def severity(service: Service, family: int, way: Way, verdict: Verdict, weak: bool = False) -> Severity:
    """How bad a verdict is, shown by its worst way. Sure or not is another matter."""
    table = SEVERITIES.get(verdict)
    if table is None:
        return Severity.INFO
    area = {"bypass": way.bypass, "neighbours": way.bypass, "undecided": way.doubtful}.get(verdict, way.possibly)
    place: Place = "neighbour" if verdict == "neighbours" else place_of(family, way, area)
    return table[place][_WORTHS.index(worth_of(service, weak))]
