"""Many hosts as one status line for Nagios, Icinga and their kin, and the worst on further lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from fwaudit.model.fleet import Fleet
from fwaudit.render.fleet.words import headline, named, why
from fwaudit.render.nagios import STATUS, plain

_MAX_LINES = 40


def render(fleet: Fleet, top: int) -> Iterator[str]:
    """The status line, then a line for each of the worst hosts."""
    levels = fleet.levels
    yield (f"FWAUDIT {STATUS[fleet.level]} - {plain(headline(fleet))} | snapshots={fleet.total};;;0 "
           f"critical={levels.get('critical', 0)};;0;0 warning={levels.get('warning', 0)};0;;0 "
           f"failed={fleet.failed};;;0 exposed={fleet.breaches};;;0 undecided={fleet.undecided};;;0 "
           f"time={fleet.seconds:.2f}s;;;0\n")
    wrong = fleet.total - levels.get("ok", 0)
    shown = min(top, _MAX_LINES)
    for host in islice((host for host in fleet.hosts() if host.level != "ok"), shown):
        yield plain(f"{host.level}: {named(host)}: {why(host)}") + "\n"
    if wrong > shown:
        yield f"... and {wrong - shown} more\n"
