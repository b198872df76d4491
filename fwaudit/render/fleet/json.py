"""Many hosts as JSON: the summary first, then every host, the worst first. docs/fleet.md names the fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fwaudit.model.fleet import SCHEMA_VERSION, Change, Fleet, Group, HostRow
from fwaudit.model.report import Severity


def render(fleet: Fleet, _top: int) -> Iterator[str]:
    """One object, a line for each host in it."""
    changes = fleet.changes
    head: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION, "taken_at": fleet.taken_at, "level": fleet.level, "snapshots": fleet.total,
        "levels": fleet.levels, "failed": fleet.failed, "incomplete": fleet.incomplete, "redacted": fleet.redacted,
        "breaches": fleet.breaches, "undecided": fleet.undecided, "by_finding": list(map(_group, fleet.by_finding)),
        "by_service": list(map(_group, fleet.by_service)), "by_image": list(map(_group, fleet.by_image)),
    }
    if changes is not None:
        head["changes"] = {"since": changes.since, "new": changes.new, "gone": changes.gone, "changed": changes.changed,
                           "hosts_new": changes.hosts_new, "hosts_gone": changes.hosts_gone,
                           "not_compared": changes.not_compared, "ports": list(map(_change, changes.listed()))}
    yield json.dumps(head, indent=1)[:-2] + ',\n "hosts": ['
    before = "\n  "
    for host in fleet.hosts():
        yield before + json.dumps(_host(host))
        before = ",\n  "
    yield "\n ]\n}\n"


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """With the severity as a word, and without what is empty."""
    return {name: Severity(value).name.lower() if name == "severity" else value
            for name, value in fields.items() if value not in ("", ()) and name != "key"}


def _group(group: Group) -> dict[str, Any]:
    return _named(asdict(group))


def _change(change: Change) -> dict[str, Any]:
    return _named(asdict(change))


def _host(host: HostRow) -> dict[str, Any]:
    fields = _named(asdict(host))
    fields.pop("rendered", None)
    return {**fields, "ports": [_named(asdict(each)) for each in host.ports],
            "findings": [_named(asdict(each)) for each in host.findings]}
