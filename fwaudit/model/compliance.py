"""What a host is held to: exposures that somebody answers for, and what a check makes of a report by them."""

from __future__ import annotations

import datetime
from typing import Literal

from fwaudit.model.report import Exposure, Report, Severity, Way
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

SCHEMA_VERSION = 1

Undecided = Literal["ok", "warn", "unknown", "critical"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One exposure that is meant to be. Empty fields hold for everything; names are globs.

    ``ports`` of the host, or of the container where it is reached at its own address. ``compose`` is
    ``PROJECT/SERVICE``. ``sources`` by family, None: anywhere. ``line``: where it stands in the file.
    """

    ports: IntervalSet
    proto: int
    reason: str
    family: int = 0
    container: str = ""
    compose: str = ""
    process: str = ""
    interface: str = ""
    address: str = ""
    sources: tuple[tuple[int, IntervalSet], ...] | None = None
    owner: str = ""
    expires: datetime.date | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """``strict``: a port that is reached and not listed is a breach, whatever the firewall policy allows. ``fail_on``:
    a breach from this severity on is critical, a lesser one a warning. ``undecided``: what an undecided port counts
    as."""

    accepted: tuple[Accepted, ...] = ()
    strict: bool = False
    fail_on: Severity = Severity.HIGH
    undecided: Undecided = "unknown"
    path: str = ""


Standing = Literal[
    "accepted",   # an entry answers for every source that gets in
    "breach",     # sources get in that neither the firewall policy nor an entry lets in
    "undecided",  # it cannot be told whether sources get in for which nobody answers
    "fine",       # nobody gets in, or as the firewall policy means it
]


@dataclass(frozen=True, slots=True)
class Judged:
    """One exposure held against the policy. ``by``: the entries that answer for it. ``level``: what it comes to.
    ``left``: for each way in, the sources that certainly, and that perhaps, get in although nobody answers for them."""

    exposure: Exposure
    standing: Standing
    level: Literal["ok", "warning", "critical", "unknown"]
    by: tuple[Accepted, ...] = ()
    left: tuple[tuple[Way, IntervalSet, IntervalSet], ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, judged. ``judged``: every exposure, hidden ones as well. ``warnings``: entries that have expired, or
    that nothing uses, in words. ``seconds``: how long it took, None where nobody measured."""

    report: Report
    policy: Policy
    judged: tuple[Judged, ...]
    warnings: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def shown(self) -> tuple[Judged, ...]:
        """Of all that were judged, those that the report shows."""
        hidden = {id(each) for each in self.report.hidden.exposures}
        return tuple(each for each in self.judged if id(each.exposure) not in hidden)

    @property
    def level(self) -> Literal["ok", "warning", "critical", "unknown"]:
        """The worst: critical, then unknown (also where something could not be read), then warning."""
        levels = {each.level for each in self.judged}
        if "critical" in levels:
            return "critical"
        if "unknown" in levels or not self.report.complete:
            return "unknown"
        return "warning" if "warning" in levels or self.warnings else "ok"
