"""What a host is held to: exposures and findings that somebody answers for; and what a check makes of a report."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Literal

from fwaudit.model.report import Exposure, Finding, Report, Severity, Way
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

SCHEMA_VERSION = 1

Undecided = Literal["ok", "warn", "unknown", "critical"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One exposure that is meant to be, or one kind of finding. Empty fields hold for everything; names are globs.

    ``ports`` of the host, or of the container where it is reached at its own address. ``compose`` is
    ``PROJECT/SERVICE``. ``sources`` by family, None: anywhere. ``line``: where it stands in the file. ``finding``: the
    id of the kind that is accepted, and ``subject`` of which ones; such an entry has no ports.
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
    finding: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """``strict``: a port that is reached and not listed is a breach, whatever the firewall policy allows. ``fail_on``:
    a breach from this severity on is critical, a lesser one a warning. ``undecided``: what an undecided port counts
    as. ``findings``: findings count as well, not ports alone."""

    accepted: tuple[Accepted, ...] = ()
    strict: bool = False
    fail_on: Severity = Severity.HIGH
    undecided: Undecided = "unknown"
    path: str = ""
    findings: bool = True


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
class JudgedFinding:
    """One finding held against the policy: of those that say more than that a port is reached, which its exposure's
    standing says already. ``by``: the entries that answer for it."""

    finding: Finding
    standing: Literal["accepted", "breach", "fine"]
    level: Literal["ok", "warning", "critical"]
    by: tuple[Accepted, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """One recommendation of a benchmark, judged by what is known of the host. ``why``: what shows it, in words;
    ``findings``: (id, subject) of the findings that do."""

    id: str
    title: str
    state: Literal["pass", "fail", "not-applicable", "undetermined"]
    why: tuple[str, ...] = ()
    findings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, judged. ``judged``: every exposure, hidden ones as well. ``warnings``: entries that have expired, or
    that nothing uses, in words. ``seconds``: how long it took, None where nobody measured. ``since``: identity
    (render/places.py) of a breach → when a check first found it, None where nobody writes it down. ``controls``: of
    the benchmark that was asked for, by its name."""

    report: Report
    policy: Policy
    judged: tuple[Judged, ...]
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    findings: tuple[JudgedFinding, ...] = ()
    since: Mapping[str, str] | None = None
    benchmark: str = ""
    controls: tuple[Control, ...] = ()

    @property
    def shown(self) -> tuple[Judged, ...]:
        """Of all that were judged, those that the report shows."""
        hidden = {id(each) for each in self.report.hidden.exposures}
        return tuple(each for each in self.judged if id(each.exposure) not in hidden)

    @property
    def shown_findings(self) -> tuple[JudgedFinding, ...]:
        """Of the findings that were judged, those that the report shows."""
        hidden = {id(each) for each in self.report.hidden.findings}
        return tuple(each for each in self.findings if id(each.finding) not in hidden)

    @property
    def level(self) -> Literal["ok", "warning", "critical", "unknown"]:
        """The worst: critical, then unknown (also where something could not be read), then warning."""
        levels = {each.level for each in self.judged} | {each.level for each in self.findings}
        if "critical" in levels:
            return "critical"
        if "unknown" in levels or not self.report.complete:
            return "unknown"
        return "warning" if "warning" in levels or self.warnings else "ok"
