"""``fwaudit diff``: what opened and what closed between two snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fwaudit.cli.options import NoColor

_HELP = """Say what opened and what closed between two snapshots, in terms of who reaches what.

Exit codes: 0 nothing changed; 1 something changed; 2 a port opened to sources that policy denies; 3 a snapshot could
not be read, or not all of it.

Examples:

  fwaudit diff before.tar.gz after.tar.gz

  fwaudit diff before.tar.gz after.tar.gz --format json
"""


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier snapshot.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later one.")],
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    no_color: NoColor = False,
) -> int:
    from fwaudit.audit import audit
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING
    from fwaudit.cli.output import screen, write
    from fwaudit.cli.source import load, without_collector
    from fwaudit.errors import UsageError
    from fwaudit.exposure.diff import compare
    from fwaudit.render.diff import render, render_json

    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    with without_collector():
        before, after = audit(load(old)), audit(load(new))
        found = compare(before, after)
        write(render_json(before, after, found) if format == "json" else render(before, after, found, screen(no_color)),
              "-")
    if any(each.against_policy for each in found):
        return CRITICAL
    if not (before.complete and after.complete):
        return UNKNOWN
    return WARNING if found else OK


diff.__doc__ = _HELP
