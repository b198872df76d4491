"""Rows of the report's table: exposures that read alike become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwaudit.exposure.words import where_from
from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.records import dataclass, replace
from fwaudit.render.text import clean, shorten

VERDICTS = {
    "bypass": "BYPASSES {policy}",
    "neighbours": "reachable by neighbours",
    "undecided": "undecided",
    "as-intended": "as intended",
    "blocked": "blocked",
}
REDACTED = "names and addresses are replacements; ports, rules and verdicts are the host's own"
"""What is said of a host whose snapshot was taken with ``--redact``."""
_LONG = 20
"""So many rows may stand in a table although some are alike."""
_SHOWN_FINE, _SHOWN_MANY, _SHOWN_BAD, _SHOWN_NAMES = 4, 10, 24, 5
"""So many ports of a line that is as intended, of many containers, or of one, are shown; and so many containers."""


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
    says: str
    numbers: tuple[int, ...]
    exposures: tuple[Exposure, ...]

    @property
    def port(self) -> str:
        """``5432/tcp``, ``127.0.0.1 port 8000-8010/tcp``."""
        return self.with_number(self.number)

    @property
    def number(self) -> str:
        """``5432`` or ``8000-8010``."""
        low, high = self.ports
        return str(low) if low == high else f"{low}-{high}"

    def with_number(self, number: str) -> str:
        """``port``, with other numbers in the place of its own."""
        bound = f"[{self.bound}]" if ":" in self.bound else self.bound
        prefix = "" if bound == "*" else f"{bound} port "
        return f"{prefix}{number}/{PROTOCOL_NAMES.get(self.proto, str(self.proto))}"

    @property
    def ip(self) -> str:
        """``v4``, ``v6`` or ``v4+6``."""
        return "v" + "+".join(map(str, sorted(self.families)))

    @property
    def policy(self) -> str:
        """``[2] deny 5432``: what policy says, with the numbers that ufw status numbered shows."""
        return "".join(f"[{number}] " for number in self.numbers if number) + self.says


def rows(report: Report, verdicts: Iterable[str]) -> list[Row]:
    """The rows of these verdicts, the worst first: both families of a port together, and runs of ports as ranges."""
    wanted = set(verdicts)
    merged: dict[tuple[object, ...], Row] = {}
    for row in (_row(report, each) for each in report.exposures if each.verdict in wanted):
        key = (row.severity, row.verdict, row.bound, row.proto, row.who, row.where, row.says, row.ports)
        known = merged.get(key)
        if known is None:
            merged[key] = row
        else:
            merged[key] = replace(known, families=known.families + row.families,
                                  numbers=known.numbers + tuple(n for n in row.numbers if n not in known.numbers),
                                  exposures=known.exposures + row.exposures)
    return _ranges(list(merged.values()))


def _row(report: Report, exposure: Exposure) -> Row:
    service = exposure.service
    return Row(exposure.severity, exposure.verdict, service.bound, (service.port, service.port), service.proto,
               (exposure.family,), who(exposure), where(report, exposure), shorten(clean(exposure.policy.text), 60),
               (exposure.policy.rule,), (exposure,))


def _alike(a: Row, b: Row) -> bool:
    return (a.severity, a.verdict, a.bound, a.proto, a.families, a.who, a.where, a.policy) == (
        b.severity, b.verdict, b.bound, b.proto, b.families, b.who, b.where, b.policy)


def _ranges(found: list[Row]) -> list[Row]:
    out: list[Row] = []
    for row in found:
        last = out[-1] if out else None
        if last and _alike(last, row) and last.ports[1] + 1 == row.ports[0]:
            out[-1] = replace(last, ports=(last.ports[0], row.ports[1]), exposures=last.exposures + row.exposures)
        else:
            out.append(row)
    return out


def collapsed(found: list[Row]) -> list[tuple[Row, str]]:
    """Each row, and what it says of ports. In a long table, those that differ in their port alone are one line; in one
    that is long even so, those that differ in their container alone."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for place, row in enumerate(found):
        key = (row.severity, row.verdict, row.bound, row.proto, row.families, row.who, row.where, row.policy)
        alike.setdefault(key if len(found) > _LONG else (place,), []).append(row)
    lines = [(rows[0], rows[0].with_number(_numbers(rows))) for rows in alike.values()]
    return lines if len(lines) <= _LONG else list(_of_many(found))


def _of_many(found: list[Row]) -> Iterator[tuple[Row, str]]:
    """One line for all containers that are exposed alike; their own addresses, which differ, are left out."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in found:
        own = row.exposures[0].service.kind == "container-port"
        key = (row.severity, row.verdict, "" if own else row.bound, row.proto, row.families, row.where, row.policy)
        alike.setdefault(key, []).append(row)
    for rows in alike.values():
        first = rows[0] if len({row.bound for row in rows}) == 1 else replace(rows[0], bound="*")
        names = list(dict.fromkeys(row.who for row in rows))
        if len(names) > 1:
            first = replace(first, who=_listed([name.split(" · ")[0].split(" (")[0] for name in names], _SHOWN_NAMES))
        numbers = dict.fromkeys(row.number for row in sorted(rows, key=lambda row: row.ports))
        shown = _SHOWN_FINE if first.verdict == "as-intended" else _SHOWN_MANY if len(names) > 1 else _SHOWN_BAD
        yield first, first.with_number(_listed(list(numbers), shown))


def _listed(names: list[str], limit: int) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def _numbers(found: list[Row]) -> str:
    limit = _SHOWN_FINE if found[0].verdict == "as-intended" else _SHOWN_BAD
    return _listed([row.number for row in found], limit)


def who(exposure: Exposure) -> str:
    """Who answers: container with its project and service, or process; and what it probably is."""
    service = exposure.service
    name = shorten(clean(name_of(exposure)), 40)
    if service.project and service.compose_service:
        name += f" ({shorten(clean(f'{service.project}/{service.compose_service}'), 40)})"
    return f"{name} · {service.likely}" if service.likely else name


def name_of(exposure: Exposure) -> str:
    """The container's or the process' name; for a service that has none, the address that gets the packet, and its port
    where that is another one than the packet was sent to."""
    service = exposure.service
    to = next((way.to for way in exposure.ways if way.to), None)
    if service.container or service.process or to is None or service.kind in ("container-port", "host-socket"):
        return service.who
    address = format_address(to.family, to.address)
    return address if to.port == service.port else f"{address} port {to.port}"


def where(report: Report, exposure: Exposure) -> str:
    """From where it is reached, over which interfaces."""
    return clean(where_from(exposure, report.networks, report.inside))
