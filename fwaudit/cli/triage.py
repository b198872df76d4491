"""``fwaudit triage``: has it already happened?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor, Timeout

if TYPE_CHECKING:
    from fwaudit.model.host import Container
    from fwaudit.model.snapshot import Snapshot

_HELP = """Look for signs that somebody else is at work in a container: miners, programs that are not from its image,
cron entries, connections to mining pools. It reads, and changes nothing.

Without an option it looks at the containers that are reached from outside; with --all at every one.

Exit codes: 0 no sign; 1 signs that may be innocent; 2 strong signs; 3 it could not look.

Examples:

  fwaudit triage

  fwaudit triage --all --seconds 10
"""


def triage(
    all: Annotated[bool, typer.Option(
        "--all", help="Every running container, not only those that are reached.")] = False,
    container: Annotated[list[str] | None, typer.Option(
        "--container", metavar="GLOB", help="Only these containers; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(
        "--seconds", metavar="SECONDS", help="How long to watch their processors.", min=0.1, max=3600)] = 5.0,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    timeout: Timeout = 30.0,
    no_color: NoColor = False,
) -> int:
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING, say
    from fwaudit.cli.output import screen
    from fwaudit.cli.source import load, progress
    from fwaudit.errors import CollectError, UsageError
    from fwaudit.host.collect import is_root
    from fwaudit.host.containers import facts
    from fwaudit.render.triage import render, render_json
    from fwaudit.triage import look

    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    if not is_root():
        raise CollectError("only root may look into containers", "Run: sudo fwaudit triage")
    snapshot = load(None, timeout)
    chosen, unread = _chosen(snapshot, all, container or [])
    with progress() as tell:
        found = [look(each) for each in facts(chosen, seconds, tell)]
    sys.stdout.write(render_json(snapshot.host, found, seconds) if format == "json" else
                     render(snapshot.host, found, seconds, screen(no_color)))
    if unread:
        say(f"fwaudit: {unread}")
        say("  Which containers there are is not known.")
    levels = {each.level for each in found}
    if "strong" in levels:
        return CRITICAL
    if unread:
        return UNKNOWN
    return WARNING if "weak" in levels else OK


triage.__doc__ = _HELP


def _chosen(snapshot: Snapshot, everything: bool, names: list[str]) -> tuple[list[Container], str]:
    """The containers to look at, and why there may be others."""
    from fnmatch import fnmatchcase

    from fwaudit.exposure.auditor import exposures
    from fwaudit.parse.host import parse_host
    from fwaudit.path.engine import Engine

    host = parse_host(snapshot)
    engine = host.engine
    running = [each for each in engine.containers if each.running]
    if names:
        running = [each for each in running if any(fnmatchcase(each.name, name) for name in names)]
    elif not everything:
        reached = {exposure.service.container for exposure in exposures(host, Engine(host))
                   if any(way.possibly for way in exposure.ways)}
        running = [each for each in running if each.name in reached]
    return running, f"{engine.name} could not be asked: {engine.unread}" if engine.unread else ""
