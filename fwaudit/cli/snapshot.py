"""``fwaudit snapshot``: this host's raw facts in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import Timeout

if TYPE_CHECKING:
    from fwaudit.model.snapshot import Snapshot

_HELP = """Write down what this host says of its firewall, its containers and its network, in one file.

Run it as root; it changes nothing. The file has no passwords, no environment of containers and no arguments of
processes. Read it elsewhere with --snapshot. Exit code 3 where something could not be read; the file says what.

Examples:

  fwaudit snapshot -o host.tar.gz

  ssh db01 sudo fwaudit snapshot -o - > db01.tar.gz
"""


def snapshot(
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is stdout.")],
    timeout: Timeout = 30.0,
) -> int:
    import sys

    from fwaudit.cli import OK, UNKNOWN, say
    from fwaudit.cli.source import load
    from fwaudit.errors import UsageError
    from fwaudit.parse.host import parse_host

    if output == "-" and sys.stdout.isatty():
        raise UsageError("a snapshot is not for a terminal", "Give a file: fwaudit snapshot -o host.tar.gz")
    taken = load(None, timeout)
    _write(taken, output)
    unread = parse_host(taken).unread
    for source, why in unread:
        say(f"fwaudit: could not look at {source}: {why}")
    return UNKNOWN if unread else OK


def _write(taken: Snapshot, output: str) -> None:
    from pathlib import Path

    from fwaudit.cli.output import is_special
    from fwaudit.errors import UsageError
    from fwaudit.host.snapshot_file import pack, write_snapshot

    if output == "-" or not is_special(output):
        write_snapshot(taken, output)
        return
    try:
        Path(output).write_bytes(pack(taken))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}", "Give a file in a folder that exists.") from error


snapshot.__doc__ = _HELP
