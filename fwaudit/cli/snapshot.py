"""``fwaudit snapshot``: this host's raw facts in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import Timeout

if TYPE_CHECKING:
    from fwaudit.model.snapshot import Snapshot

_SHORTEST_KEY = 16

_HELP = """Write down what this host says of its firewall, its containers and its network, in one file.

Run it as root; it changes nothing. The file has no passwords, no environment of containers and no arguments of
processes. Read it elsewhere with --snapshot. With --redact, names and addresses are replaced, alike everywhere, and the
verdicts are shown to be the same; ports, the form of rules and versions stay. Exit code 3 where something could not be
read; the file says what.

Examples:

  fwaudit snapshot -o host.tar.gz

  fwaudit snapshot --redact -o shared.tar.gz

  fwaudit snapshot --snapshot host.tar.gz --redact -o shared.tar.gz

  ssh db01 sudo fwaudit snapshot -o - > db01.tar.gz
"""


def snapshot(
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is stdout.")],
    snapshot: Annotated[Path | None, typer.Option(
        "--snapshot", metavar="PATH", help="Take a recorded host, not this one.")] = None,
    redact: Annotated[bool, typer.Option(
        "--redact", help="Replace names and addresses, so that the file can be shown to others.")] = False,
    redact_key: Annotated[Path | None, typer.Option(
        "--redact-key", metavar="FILE", help="Replace as any other time with this file; without it, no two are alike.",
    )] = None,
    timeout: Timeout = 30.0,
) -> int:
    import sys

    from fwaudit.cli import OK, UNKNOWN, say
    from fwaudit.cli.source import load, without_collector
    from fwaudit.errors import UsageError
    from fwaudit.parse.host import parse_host

    if output == "-" and sys.stdout.isatty():
        raise UsageError("a snapshot is not for a terminal", "Give a file: fwaudit snapshot -o host.tar.gz")
    key = _key(redact_key) if redact or redact_key is not None else b""
    taken = load(snapshot, timeout)
    if key:
        with without_collector():
            taken = _redacted(taken, key)
    _write(taken, output)
    unread = parse_host(taken).unread
    for source, why in unread:
        say(f"fwaudit: could not look at {source}: {why}")
    return UNKNOWN if unread else OK


def _key(path: Path | None) -> bytes:
    """32 random bytes, or what stands in a file. Raises UsageError for a file that would be easy to guess."""
    from fwaudit.errors import UsageError

    if path is None:
        import secrets

        return secrets.token_bytes(32)
    hint = "Make one, and keep it to yourself: head -c 32 /dev/urandom > redact.key"
    try:
        with path.open("rb") as file:
            key = file.read(1 << 16)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint) from error
    if len(key) < _SHORTEST_KEY:
        raise UsageError(f"{path} is too short for a key: {len(key)} bytes of {_SHORTEST_KEY}", hint)
    return key


def _redacted(taken: Snapshot, key: bytes) -> Snapshot:
    """The snapshot with replaced names and addresses, once it is shown that its verdicts are those of the original.
    Raises SnapshotError where they are not: then there is nothing to share."""
    from fwaudit.audit import audit
    from fwaudit.cli import say
    from fwaudit.cli.source import working
    from fwaudit.disguise import disguise
    from fwaudit.disguise.alike import differences
    from fwaudit.errors import SnapshotError

    with working("replacing names and addresses, and holding the verdicts against each other"):
        found = disguise(taken, key)
        before, after = audit(taken), audit(found.snapshot)
        changed = differences(before, after, found.words)
    for name in found.left_out:
        say(f"fwaudit: left out {name}: it does not read, so nobody can tell what is in it")
    if changed:
        raise SnapshotError(
            f"nothing is written: with other names, {', '.join(changed[:3])} would be judged otherwise"
            f"{f', and {len(changed) - 3} more' if len(changed) > 3 else ''}",
            "The original can be shared as it is, where that may be; please report which rules the host has.")
    addresses = sum(one != other for (_, one), other in found.words.addresses.seen.items())
    say(f"fwaudit: replaced: names {len(found.words.given)}, addresses {addresses}; "
        f"verdicts compared: {len(before.exposures)}, all as they were")
    return found.snapshot


def _write(taken: Snapshot, output: str) -> None:
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
