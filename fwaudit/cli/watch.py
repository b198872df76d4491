"""``fwaudit watch``: what opens and what closes, seconds after it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor

if TYPE_CHECKING:
    from fwaudit.host.watch.events import Source
    from fwaudit.host.watch.polls import Sockets

_HELP = """Follow this host, and say what opens and what closes, seconds after it does.

It follows the events of Docker, every change of the rules, of addresses and routes, of ufw's files and of what listens,
and audits again; now and then also without an event. It goes on until it is stopped.

Exit codes: 0 ended by SIGTERM; 130 with Ctrl-C; 3 it could not begin. SIGHUP: read the policy file again.

Examples:

  fwaudit watch

  fwaudit watch --format json

  fwaudit watch --policy policy.toml --notify-mail ops@example.org
"""
_SHORTEST, _SECONDS = 1.0, 60


def watch(
    policy: Annotated[Path | None, typer.Option(
        "--policy", metavar="FILE", help="The policy file; /etc/fwaudit/policy.toml where there is one.")] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    interval: Annotated[float, typer.Option(
        "--interval", metavar="SECONDS", help="At most one audit in so many seconds.", min=_SHORTEST, max=3600)] = 3.0,
    every: Annotated[float, typer.Option(
        "--every", metavar="MINUTES", help="An audit after so many minutes also without an event.", min=0.1,
        max=1440)] = 5.0,
    history: Annotated[Path | None, typer.Option(
        "--history", metavar="FILE", help="Where what changed is written down; /var/lib/fwaudit/history.db.")] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Write nothing down.")] = False,
    notify_command: Annotated[list[str] | None, typer.Option(
        "--notify-command", metavar="COMMAND", help="Run this when something has changed; may be repeated.")] = None,
    notify_mail: Annotated[list[str] | None, typer.Option(
        "--notify-mail", metavar="ADDRESS", help="Mail this when something has changed; may be repeated.")] = None,
    timeout: Annotated[float, typer.Option(
        "--timeout", "-t", metavar="SECONDS", help="How long to wait for the host's answers.", min=1.0)] = 30.0,
    no_color: NoColor = False,
) -> int:
    import signal
    import sys

    from fwaudit.cli import INTERRUPTED, OK, say
    from fwaudit.cli.check import read_policy
    from fwaudit.cli.output import screen
    from fwaudit.cli.policy import DEFAULT
    from fwaudit.cli.watch_audit import Asked
    from fwaudit.cli.watching import Following
    from fwaudit.errors import CollectError, UsageError
    from fwaudit.host.collect import is_root
    from fwaudit.host.history import PATH
    from fwaudit.host.notify import read_hooks
    from fwaudit.host.watch import systemd
    from fwaudit.host.watch.debounce import Debounce
    from fwaudit.host.watch.loop import follow
    from fwaudit.host.watch.polls import Sockets

    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format}", "There are: table, json.")
    hooks = read_hooks(notify_command or (), notify_mail or ())
    read_policy(policy)  # a mistake in it is said before anything else
    if not is_root():
        raise CollectError("watching needs root: without it, not everything can be seen", "Run: sudo fwaudit watch")
    style = screen(no_color) if sys.stdout.isatty() else None
    if sys.stderr.isatty():
        say("fwaudit: watching this host; Ctrl-C ends it. Why something is open, and what to do: fwaudit report")
    sockets = Sockets()
    asked = Asked(policy, None if no_history else history or PATH, hooks, timeout, format == "json", style)
    ended = follow(_sources(sockets, str(policy or DEFAULT)), Debounce(interval, every * 60), Following(asked, sockets),
                   timeout + _SECONDS)
    systemd.notify("STOPPING=1")
    return INTERRUPTED if ended == signal.SIGINT else OK


watch.__doc__ = _HELP


def _sources(sockets: Sockets, policy: str) -> list[Source]:
    from fwaudit.host.collectors import ufw
    from fwaudit.host.watch import netlink, polls
    from fwaudit.host.watch.docker import DockerEvents
    from fwaudit.host.watch.files import Files

    return [DockerEvents(), netlink.nftables(), netlink.routes(), Files("policy", (policy,)),
            Files("files", (*ufw.FILES.values(), *ufw.HOOKS, "/etc/docker/daemon.json"), (ufw.PROFILES,)),
            polls.Poll("legacy tables", polls.legacy), polls.Poll("ipsets", polls.sets),
            polls.Poll("kernel settings", polls.settings), polls.Poll("listening sockets", sockets.look)]
