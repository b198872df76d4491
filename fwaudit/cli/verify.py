"""``fwaudit verify``: the look from outside, held against the verdicts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor, Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.model.host import Host
    from fwaudit.parse.nmap import Scan
    from fwaudit.path.engine import Engine

_HELP = """Hold a scan from another machine against the verdicts, and explain every difference.

--plan prints the nmap command lines to run elsewhere (only ports that matter); --nmap reads what nmap -oX wrote;
--ssh runs the scan of TCP over ssh on a machine that has nmap.

Exit codes: 0 all as the verdicts say; 1 a port that is open here was not reached; 2 a port that should be closed was
reached; 3 it could not look.

Examples:

  fwaudit verify --plan

  fwaudit verify --nmap scan-ipv4-tcp.xml --from 198.51.100.7

  fwaudit verify --ssh admin@elsewhere.example
"""


def verify(
    plan: Annotated[bool, typer.Option("--plan", help="Print the scans to run on another machine.")] = False,
    nmap: Annotated[list[Path] | None, typer.Option(
        "--nmap", metavar="FILE", help="What nmap -oX wrote; may be repeated.")] = None,
    ssh: Annotated[str, typer.Option("--ssh", metavar="[USER@]HOST", help="Run the TCP scan there, over ssh.")] = "",
    source: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The machine that scanned.")] = "",
    snapshot: Recorded = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    timeout: Timeout = 30.0,
    no_color: NoColor = False,
) -> int:
    from fwaudit.cli import OK
    from fwaudit.cli.source import load, without_collector
    from fwaudit.errors import UsageError
    from fwaudit.exposure.auditor import exposures
    from fwaudit.exposure.verify import commands
    from fwaudit.parse.host import parse_host
    from fwaudit.path.engine import Engine
    from fwaudit.render.verify import plan as plan_lines

    if source.startswith("ssh://") and not ssh:
        ssh, source = source.removeprefix("ssh://").rstrip("/"), ""
    if sum((plan, bool(nmap), bool(ssh))) != 1:
        raise UsageError("verify needs one of --plan, --nmap and --ssh", "See: fwaudit verify --help")
    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    with without_collector():
        host = parse_host(load(snapshot, timeout))
        engine = Engine(host)
        if nmap:
            return _tell([_read(path) for path in nmap], host, engine, source, format, no_color)
        wanted = commands(host, exposures(host, engine))
        if plan:
            sys.stdout.write("\n".join([*plan_lines(wanted, host.name), ""]))
            return OK
        return _tell(_over_ssh(ssh, wanted), host, engine, source, format, no_color)


verify.__doc__ = _HELP


def _read(path: Path) -> Scan:
    from fwaudit.errors import UsageError
    from fwaudit.parse.nmap import MAX_SIZE, parse_nmap

    try:
        with path.open("rb") as file:
            return parse_nmap(file.read(MAX_SIZE + 1), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Give the file of nmap -oX.") from error


def _over_ssh(target: str, wanted: list[tuple[str, ...]]) -> list[Scan]:
    """The TCP scans, run there; nothing is written there."""
    from fwaudit.errors import UsageError
    from fwaudit.host.remote import ask
    from fwaudit.parse.nmap import parse_nmap

    if target.startswith("-"):
        raise UsageError(f"not a host: {target}")
    scans = []
    for argv in wanted:
        if "-sT" in argv:
            place = argv.index("-oX") + 1
            scans.append(parse_nmap(ask(target, [*argv[:place], "-", *argv[place + 1:]]), f"nmap on {target}"))
    return scans


def _tell(scans: list[Scan], host: Host, engine: Engine, source: str, format: str, no_color: bool) -> int:
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING, say
    from fwaudit.cli.output import screen
    from fwaudit.errors import UsageError
    from fwaudit.exposure.verify import hold
    from fwaudit.packet.address import parse_address
    from fwaudit.render.verify import render, render_json

    try:
        origin = parse_address(source) if source else None
    except ValueError as error:
        raise UsageError(str(error), "Give the scanner's address: --from 198.51.100.7") from error
    found = [each for scan in scans for each in hold(host, engine, scan, origin)]
    sys.stdout.write(render_json(found) if format == "json" else render(found, screen(no_color)))
    kinds = {each.agreement for each in found}
    if "hidden" in kinds:
        return CRITICAL
    if not found or not all(scan.finished for scan in scans):
        say("fwaudit: the scan did not end, or names no port")
        return UNKNOWN
    return WARNING if "in-front" in kinds else OK
