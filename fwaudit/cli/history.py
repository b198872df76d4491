"""``fwaudit history``: the checks that were written down, and since when what is open has been open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor

if TYPE_CHECKING:
    from fwaudit.host.history import Run

_HELP = """Show the checks that were written down, the latest first, and since when every open port has been open.

Compare any two with: fwaudit diff run:12 run:15

Examples:

  fwaudit history

  fwaudit history --limit 10 --format json
"""


def history(
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="How many runs.", min=1, max=10_000)] = 20,
    file: Annotated[Path | None, typer.Option("--history", metavar="FILE", help="Where runs are written down.")] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    no_color: NoColor = False,
) -> int:
    from fwaudit.cli import OK
    from fwaudit.errors import UsageError
    from fwaudit.host.history import PATH, History

    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    kept = History(file or PATH)
    runs, ports = kept.runs(limit), kept.open_ports()
    sys.stdout.write(_json(runs, ports) if format == "json" else _screen(runs, ports, no_color))
    return OK


history.__doc__ = _HELP


def _screen(runs: list[Run], ports: list[tuple[str, str]], no_color: bool) -> str:
    from fwaudit.cli.output import screen
    from fwaudit.render.text import clean

    style = screen(no_color)
    how = {"ok": "good", "warning": "warn", "critical": "bad", "unknown": "warn"}
    lines = ["  Run  When                  Level     Open"]
    for run in runs:
        more = "" if run.complete else "  not everything could be read"
        level = style.paint(f"{run.level:<8}", how.get(run.level, "dim"))
        lines.append(f"{run.id:>5}  {clean(run.taken_at):<20}  {level}  {run.breaches:>4}{more}")
    if ports:
        lines += ["", "Open since:", *(f"  {clean(since):<20}  {clean(name)}" for name, since in ports)]
    lines += ["", "Compare two: fwaudit diff run:-1 run:0"]
    return "\n".join([*lines, ""])


def _json(runs: list[Run], ports: list[tuple[str, str]]) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"schema_version": 1, "runs": [asdict(run) for run in runs],
                       "open": [{"name": name, "since": since} for name, since in ports]}, indent=2) + "\n"
