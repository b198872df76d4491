"""``fwaudit snapshot``: this host's raw facts in one file."""

from __future__ import annotations

from typing import Annotated

import typer

_HELP = """Write down what this host says of its firewall, its containers and its network, in one file.

Run it as root; it changes nothing. The file has no passwords, no environment of containers and no arguments of
processes. Read it elsewhere with --snapshot. Exit code 3 where something could not be read; the file says what.

Examples:

  fwaudit snapshot -o host.tar.gz

  ssh db01 sudo fwaudit snapshot -o - > db01.tar.gz
"""


def snapshot(
    output: Annotated[str, typer.Option("--output", "-o", help="The file to write; - is stdout.")],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the host's answers.")] = 30.0,
) -> int:
    import sys

    from fwaudit.cli import OK, UNKNOWN, say
    from fwaudit.cli.source import load
    from fwaudit.errors import UsageError
    from fwaudit.host.snapshot_file import write_snapshot
    from fwaudit.parse.host import parse_host

    if output == "-" and sys.stdout.isatty():
        raise UsageError("a snapshot is not for a terminal", "Give a file: fwaudit snapshot -o host.tar.gz")
    taken = load(None, timeout)
    write_snapshot(taken, output)
    unread = parse_host(taken).unread
    for source, why in unread:
        say(f"fwaudit: could not look at {source}: {why}")
    return UNKNOWN if unread else OK


snapshot.__doc__ = _HELP
