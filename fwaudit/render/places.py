"""Names that stay the same from run to run, for programs that compare them: of things, and of places outside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from fwaudit.exposure.judge import Place
from fwaudit.exposure.outside import PRIVATE
from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Exposure, Finding, Report, Way
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass
from fwaudit.render.text import clean

PLACES: dict[Place, str] = {
    "internet": "the internet", "private": "private networks", "neighbour": "neighbours on the link"}


def protocol(exposure: Exposure) -> str:
    """``tcp``."""
    return PROTOCOL_NAMES.get(exposure.service.proto, str(exposure.service.proto))


def identity(report: Report, *parts: str) -> str:
    """A digest of the host and whatever names a thing; no rule number and no container id is among it."""
    return hashlib.sha256("\0".join([report.host, *parts]).encode("utf-8", "backslashreplace")).hexdigest()


def exposure_identity(report: Report, exposure: Exposure, kind: str = "exposure") -> str:
    """The same for the same port of the same container and family, from run to run."""
    service = exposure.service
    name = service.container or service.process
    bound = service.bound if service.kind != "container-port" else ""  # a container's address changes
    return identity(report, kind, service.kind, name, bound, str(service.port), protocol(exposure),
                    str(exposure.family))


def since(checked: Checked, judged: Judged) -> str:
    """When a check first found this breach, this one where none did before; empty for what is none, and where nobody
    writes checks down. The earlier of the two where the clock has gone back between them."""
    if checked.since is None or judged.standing != "breach":
        return ""
    now = checked.report.taken_at
    known = checked.since.get(exposure_identity(checked.report, judged.exposure), now)
    return min(known, now) if now else known


def since_in_words(checked: Checked, judged: Judged, before: str = "") -> str:
    """``since 2026-11-20 08:15 UTC``, with what is to stand before it; empty where it is not known."""
    found = since(checked, judged)
    if not found:
        return ""
    if found == checked.report.taken_at:
        return f"{before}first seen now"
    return f"{before}open since {clean(found[:16].replace('T', ' '))} UTC"


def finding_identity(report: Report, finding: Finding) -> str:
    """The same for the same finding about the same thing."""
    return identity(report, finding.id, finding.subject)


@dataclass(frozen=True, slots=True)
class Reached:
    """What becomes of packets from one place: the interfaces by which some certainly get in, and by which some may,
    whom neither the firewall policy nor the policy file lets in."""

    place: Place
    certainly: tuple[str, ...]
    perhaps: tuple[str, ...]


def reached_from(judged: Judged) -> list[Reached]:
    """For each place that was asked about, in the order of ``PLACES``."""
    asked: dict[Place, tuple[dict[str, None], dict[str, None]]] = {}
    for way, wrong, doubtful in judged.left:
        for place, certainly, perhaps in _parts(judged.exposure.family, way, wrong, doubtful):
            sure, maybe = asked.setdefault(place, ({}, {}))
            sure |= {way.iif: None} if certainly else {}
            maybe |= {way.iif: None} if perhaps else {}
    return [Reached(place, tuple(asked[place][0]), tuple(asked[place][1])) for place in PLACES if place in asked]


def _parts(family: int, way: Way, certainly: IntervalSet, perhaps: IntervalSet) -> Iterator[
        tuple[Place, IntervalSet, IntervalSet]]:
    if way.neighbours_only:
        yield "neighbour", certainly, perhaps
        return
    private = PRIVATE[family]
    yield "internet", certainly - private, perhaps - private
    yield "private", certainly & private, perhaps & private
