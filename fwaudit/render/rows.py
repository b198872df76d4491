"""Rows of the report's table: exposures that read alike become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fwaudit.model.report import Exposure, Report, Severity, Way
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.text import clean, shorten
from fwaudit.render.words import sources_in_words

VERDICTS = {
    "bypass": "BYPASSES {policy}",
    "neighbours": "reachable by neighbours",
    "undecided": "undecided",
    "as-intended": "as intended",
    "blocked": "blocked",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ports`` is a range (low, high); ``exposures`` are what it stands for."""

    severity: Severity
    verdict: str
    bound: str
    ports: tuple[int, int]
    proto: int
    families: tuple[int, ...]
    who: str
    where: str
    policy: str
    exposures: tuple[Exposure, ...]

    @property
    def port(self) -> str:
        """``*:5432/tcp``, ``127.0.0.1:8000-8010/tcp``."""
        low, high = self.ports
        number = str(low) if low == high else f"{low}-{high}"
        bound = f"[{self.bound}]" if ":" in self.bound else self.bound
        prefix = "" if bound == "*" else f"{bound}:"
        return f"{prefix}{number}/{PROTOCOL_NAMES.get(self.proto, str(self.proto))}"

    @property
    def ip(self) -> str:
        """``4``, ``6`` or ``4 6``."""
        return " ".join(map(str, self.families))


def rows(report: Report, verdicts: Iterable[str]) -> list[Row]:
    """The rows of these verdicts, the worst first: both families of a port together, and runs of ports as ranges."""
    wanted = set(verdicts)
    merged: list[Row] = []
    for row in (_row(report, each) for each in report.exposures if each.verdict in wanted):
        for i, known in enumerate(merged):
            if row.families[0] not in known.families and _alike(known, row) and known.ports == row.ports:
                families = tuple(sorted({*known.families, *row.families}))
                merged[i] = replace(known, families=families, exposures=known.exposures + row.exposures)
                break
        else:
            merged.append(row)
    return _ranges(merged)


def _row(report: Report, exposure: Exposure) -> Row:
    service = exposure.service
    return Row(exposure.severity, exposure.verdict, service.bound, (service.port, service.port), service.proto,
               (exposure.family,), who(exposure), where(report, exposure), policy(exposure), (exposure,))


def _alike(a: Row, b: Row) -> bool:
    return (a.severity, a.verdict, a.bound, a.proto, a.who, a.where, a.policy) == (
        b.severity, b.verdict, b.bound, b.proto, b.who, b.where, b.policy)


def _ranges(found: list[Row]) -> list[Row]:
    out: list[Row] = []
    for row in found:
        last = out[-1] if out else None
        if last and _alike(last, row) and last.families == row.families and last.ports[1] + 1 == row.ports[0]:
            out[-1] = replace(last, ports=(last.ports[0], row.ports[1]), exposures=last.exposures + row.exposures)
        else:
            out.append(row)
    return out


def who(exposure: Exposure) -> str:
    """Who answers: container with its project and service, or process; and what it probably is."""
    service = exposure.service
    name = shorten(clean(service.container or service.process or "?"), 40)
    if service.project and service.compose_service:
        name += f" ({shorten(clean(f'{service.project}/{service.compose_service}'), 40)})"
    return f"{name} · {service.likely}" if service.likely else name


def policy(exposure: Exposure) -> str:
    """``[2] deny 5432``: what policy says, with the number that ufw status numbered shows."""
    said = exposure.policy
    text = shorten(clean(said.text), 60)
    return f"[{said.rule}] {text}" if said.rule else text


def where(report: Report, exposure: Exposure) -> str:
    """From where it is reached, over which interfaces."""
    if exposure.verdict == "blocked":
        return "nobody"
    by_words: dict[str, list[str]] = {}
    for way in exposure.ways:
        area = _area(exposure, way)
        if not area or (exposure.verdict == "bypass" and way.neighbours_only):
            continue
        words = sources_in_words(exposure.family, area, report.networks.get(way.iif, ()))
        if way.neighbours_only:
            words = "neighbours on the link" if words == "anywhere" else f"neighbours on the link as {words}"
        if way.iif not in by_words.setdefault(words, []):
            by_words[words].append(way.iif)
    return "; ".join(f"{words} ({', '.join(clean(name) for name in names)})" for words, names in by_words.items())


def _area(exposure: Exposure, way: Way) -> IntervalSet:
    if exposure.verdict in ("bypass", "neighbours"):
        return way.bypass
    return way.doubtful if exposure.verdict == "undecided" else way.possibly
