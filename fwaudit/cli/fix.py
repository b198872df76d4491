"""``fwaudit fix``: make published ports obey the firewall policy; shown, proven, and taken back unless confirmed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.fix.planner import Allowed, Wish
    from fwaudit.model.host import Host
    from fwaudit.model.plan import Plan, Proof
    from fwaudit.model.verdict import Query

_HELP = """Make published ports obey the firewall policy: ufw's rules, said again where Docker's packets pass.

Without an option it is a dry run: it shows the rules, proves what they change, and changes nothing. The rules stand in
a chain of their own, FWAUDIT, and one jump to it in DOCKER-USER; ufw's and Docker's chains are not touched.

Exit codes: 0 done, or nothing to do; 1 a dry run found something to do, or a fix is not confirmed or its rules
are gone; 2 it failed, or is refused while something is open, and the message says what the host is now; 3 it could not
look, or --status found a fix that was interrupted.

Examples:

  fwaudit fix --dry-run

  fwaudit fix --apply

  fwaudit fix --confirm

  fwaudit fix --revert

  fwaudit fix --dry-run --port 5432/tcp --allow 5432/tcp=203.0.113.0/24
"""
_STATE = Path("/var/lib/fwaudit")


def fix(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done. The default.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; it is taken back unless confirmed.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Keep what was applied.")] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Take everything back.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say what stands on this host.")] = False,
    sync: Annotated[bool, typer.Option(
        "--sync", help="Derive the confirmed rules anew where ufw or the networks have changed.")] = False,
    restore: Annotated[bool, typer.Option(
        "--restore", help="Load the confirmed rules again after a boot, before the engine starts.")] = False,
    port: Annotated[list[str] | None, typer.Option(
        "--port", metavar="PORT/PROTO", help="Only this published port; may be repeated.")] = None,
    container: Annotated[list[str] | None, typer.Option(
        "--container", metavar="NAME", help="Only what this container publishes; may be repeated.")] = None,
    allow: Annotated[list[str] | None, typer.Option(
        "--allow", metavar="PORT/PROTO=NETWORK", help="Let these sources in, and no others; may be repeated.")] = None,
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="INTERFACE", help="Restrict only what comes in there; external: by a default route.")] = None,
    confirm_within: Annotated[float, typer.Option(
        "--confirm-within", metavar="SECONDS", help="How long to wait for --confirm.", min=10, max=86400)] = 60.0,
    persist: Annotated[bool, typer.Option(
        "--persist", help="Keep it after reboots, and after ufw or Docker restart.")] = False,
    cut_sessions: Annotated[bool, typer.Option(
        "--cut-sessions", help="End connections that are open to ports that are closed now.")] = False,
    snapshot: Recorded = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="script or json.")] = "script",
    timeout: Timeout = 30.0,
    state: Annotated[Path, typer.Option(
        "--state", metavar="FOLDER", help="Where the undo is kept.")] = _STATE,
    unconfirmed: Annotated[str, typer.Option("--unconfirmed", hidden=True)] = "",
    after: Annotated[float, typer.Option("--after", hidden=True)] = 0.0,
) -> int:
    from fwaudit.cli import fix_apply
    from fwaudit.errors import UsageError

    chosen = [name for name, given in (("--dry-run", dry_run), ("--apply", apply), ("--confirm", confirm),
                                       ("--revert", revert), ("--status", status), ("--sync", sync),
                                       ("--restore", restore)) if given]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)}: one at a time", "See: fwaudit fix --help")
    if format not in ("script", "json"):
        raise UsageError(f"no such format: {format}", "There are: script, json.")
    what = chosen[0] if chosen else "--dry-run"
    if what == "--dry-run":
        return show(wish_of(port, container, allow, only), snapshot, format, timeout)
    if snapshot is not None:
        raise UsageError(f"{what} changes this host; --snapshot is of another", "Use it with --dry-run.")
    if what == "--apply":
        return fix_apply.apply(wish_of(port, container, allow, only), state, confirm_within, timeout, persist,
                               cut_sessions)
    return fix_apply.other(what, state, timeout, persist, unconfirmed, after)


fix.__doc__ = _HELP


def show(wish: Wish, snapshot: Path | None, format: str, timeout: float) -> int:
    """The dry run."""
    from fwaudit.cli import OK, WARNING
    from fwaudit.cli.source import load, progress, without_collector
    from fwaudit.fix.planner import plan
    from fwaudit.fix.prove import prove
    from fwaudit.parse.host import parse_host
    from fwaudit.render.plan import render_json, script

    with without_collector():
        taken = load(snapshot, timeout)
        host = parse_host(taken)
        made = plan(host, wish)
        proof: Proof | None = None
        if made.transactions:
            with progress() as tell:
                proof = prove(host, made, wish, session=session_of(host) if snapshot is None else None, progress=tell)
        if format == "json":
            sys.stdout.write(render_json(host, made, proof, taken.redacted))
        else:
            sys.stdout.write(script(host, made, proof, str(snapshot or ""), taken.redacted))
    if made.refused or (proof is not None and not proof.holds):
        return refused(host, made)
    return WARNING if proof is not None and proof.needed else OK


def refused(host: Host, made: Plan) -> int:
    """2 where something is open that policy denies, else 3."""
    from fwaudit.cli import CRITICAL, UNKNOWN
    from fwaudit.exposure.auditor import exposures
    from fwaudit.path.engine import Engine

    return CRITICAL if any(each.verdict == "bypass" for each in exposures(host, Engine(host))) else UNKNOWN


def wish_of(ports: list[str] | None, containers: list[str] | None, allows: list[str] | None,
            interfaces: list[str] | None) -> Wish:
    """What the options ask for. Raises UsageError."""
    from fwaudit.fix.planner import Wish

    return Wish(tuple(map(_port, ports or ())), tuple(containers or ()),
                tuple(sorted(map(_allow, allows or ()), key=lambda each: (each.family, each.proto, each.port))),
                tuple(interfaces or ()))


def _port(text: str) -> tuple[int, int]:
    from fwaudit.errors import UsageError
    from fwaudit.packet.fields import MAX_PORT, PROTOCOLS

    number, _, name = text.partition("/")
    if not (number.isascii() and number.isdigit() and len(number) < 6 and 0 < int(number) <= MAX_PORT) or (
            name or "tcp") not in ("tcp", "udp", "sctp"):
        raise UsageError(f"not a port: {text}", "Write it as 5432/tcp.")
    return PROTOCOLS[name or "tcp"], int(number)


def _allow(text: str) -> Allowed:
    from fwaudit.errors import UsageError
    from fwaudit.fix.planner import Allowed
    from fwaudit.packet.address import parse_network

    port, sign, network = text.partition("=")
    try:
        family, sources = parse_network(network)
    except ValueError:
        sign = ""
    if not sign:
        raise UsageError(f"not a port and a network: {text}", "Write it as 5432/tcp=203.0.113.0/24.")
    return Allowed(*_port(port), family, sources)


def session_of(host: Host) -> Query | None:
    """The packets of the admin's own SSH connection, None where there is none."""
    from fwaudit.host.session import ssh_connection
    from fwaudit.model.verdict import Query
    from fwaudit.packet.address import parse_address
    from fwaudit.packet.fields import TCP
    from fwaudit.packet.intervals import IntervalSet

    found = ssh_connection()
    if found is None:
        return None
    client, client_port, server, server_port = found
    try:
        (family, source), (_, target) = parse_address(client), parse_address(server)
    except ValueError:  # sshd says UNKNOWN where it does not listen on a network
        return None
    iif = next((name for name, each in host.interfaces.items()
                if any(address.value == target and address.family == family for address in each.addresses)), "")
    if not iif or iif == "lo":
        return None
    return Query(family, iif, target, TCP, server_port, IntervalSet.of(source), client_port)
