"""Many hosts as a file for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.fleet import Fleet, Group
from fwaudit.model.report import Severity
from fwaudit.render.prometheus import metric, seconds


def render(fleet: Fleet, _top: int) -> Iterator[str]:
    """Every metric; of hosts only those that have something open or could not be looked at, since each is a series."""
    changes = fleet.changes
    yield "\n".join((
        *metric("fwaudit_fleet_snapshots", "Snapshots by what they come to.",
                [((("level", level),), number) for level, number in fleet.levels.items()]),
        *metric("fwaudit_fleet_failed", "Snapshots that could not be read.", [((), fleet.failed)]),
        *metric("fwaudit_fleet_breaches", "Exposures that nobody answers for.", [((), fleet.breaches)]),
        *metric("fwaudit_fleet_undecided", "Ports of which it could not be told who reaches them.",
                [((), fleet.undecided)]),
        *_groups("finding", fleet.by_finding), *_groups("service", fleet.by_service), *_groups("image", fleet.by_image),
        *(metric("fwaudit_fleet_changes", "Ports that changed since the last run.", [
            ((("kind", kind),), number) for kind, number in (
                ("new", changes.new), ("gone", changes.gone), ("changed", changes.changed))]) if changes else ()),
        *metric("fwaudit_fleet_last_run_timestamp_seconds", "When it was looked at, in seconds since the epoch.", [
            ((), seconds(fleet.taken_at))]),
        *metric("fwaudit_fleet_host_breaches", "Exposures of one host that nobody answers for.", ()), ""))
    seen: set[str] = set()
    for host in fleet.hosts():
        name = host.name if host.name not in seen else f"{host.name} ({host.source})"
        seen.add(host.name)
        if host.level != "ok":
            labels = (("host", name), ("level", host.level))
            yield metric("fwaudit_fleet_host_breaches", "", [(labels, host.breaches)])[-1] + "\n"


def _groups(noun: str, found: tuple[Group, ...]) -> list[str]:
    return metric(f"fwaudit_fleet_{noun}_hosts", f"Hosts by {noun}.", [
        (((noun, each.name), ("severity", Severity(each.severity).name.lower())), each.hosts) for each in found])
