"""``fwaudit diff``: what opened and what closed between two snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor

if TYPE_CHECKING:
    from fwaudit.model.snapshot import Snapshot

_HELP = """Say what opened and what closed between two snapshots, or two runs of fwaudit check.

It is said in terms of who reaches what; rules may differ as they like.

Exit codes: 0 nothing changed; 1 nothing opened that policy does not allow, but something closed, opened as policy
allows or changed otherwise; 2 a port opened that policy does not allow; 3 it could not be told, since a snapshot could
not be read, or not all of it, or since a port may have opened.

Examples:

  fwaudit diff before.tar.gz after.tar.gz

  fwaudit diff before.tar.gz after.tar.gz --format json

  fwaudit diff run:-1 run:0
"""


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The earlier snapshot, or run:N of the history.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The later one.")],
    history: Annotated[Path | None, typer.Option(
        "--history", metavar="FILE", help="Where runs are written down.")] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    no_color: NoColor = False,
) -> int:
    from dataclasses import replace

    from fwaudit.audit import audit
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING
    from fwaudit.cli.output import screen, write
    from fwaudit.cli.source import without_collector, working
    from fwaudit.errors import UsageError
    from fwaudit.exposure.diff import compare
    from fwaudit.render.diff import render, render_json

    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    with without_collector():
        snapshots = _taken(old, history), _taken(new, history)
        with working("working out who can reach what"):
            before, after = map(audit, snapshots)
            found = compare(before, after)
        style = replace(screen(no_color), snapshot=new)
        write(render_json(before, after, found) if format == "json" else render(before, after, found, style), "-")
    effects = {each.effect for each in found}
    if "against" in effects:
        return CRITICAL
    if "perhaps" in effects or not (before.complete and after.complete):
        return UNKNOWN
    return WARNING if found else OK


diff.__doc__ = _HELP


def _taken(name: str, history: Path | None) -> Snapshot:
    """A snapshot by its path, or ``run:N`` of the history: by its number, 0 the latest, -1 the one before it."""
    from fwaudit.cli.source import load

    if not name.startswith("run:"):
        return load(Path(name))
    from fwaudit.errors import UsageError
    from fwaudit.host.history import PATH, History

    try:
        return History(history or PATH).snapshot(int(name.removeprefix("run:")))
    except ValueError:
        raise UsageError(f"not a run: {name}", "Write run:12; run:0 is the latest. See: fwaudit history") from None
