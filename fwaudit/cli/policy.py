"""``fwaudit policy``: write a policy file from the present state, and check one for mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.model.compliance import Policy

DEFAULT = Path("/etc/fwaudit/policy.toml")

_HELP = """A policy file says what is meant to be reachable, why, and who answers for it.

fwaudit check holds the host to it. init writes one from the present state; check finds mistakes, with line and column.

Examples:

  fwaudit policy init

  fwaudit policy init -o policy.toml

  fwaudit policy check /etc/fwaudit/policy.toml
"""


def policy(
    what: Annotated[str, typer.Argument(metavar="init|check", help="What to do.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy to check.")] = DEFAULT,
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Where init writes; - is stdout. For root, on the host itself, "
        "/etc/fwaudit/policy.toml, where check looks for it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    snapshot: Recorded = None,
    timeout: Timeout = 30.0,
) -> int:
    from fwaudit.errors import UsageError

    if what == "init":
        return _init(output, force, snapshot, timeout)
    if what == "check":
        return _check(file)
    raise UsageError(f"policy {what}: there is init and check", "See: fwaudit policy --help")


policy.__doc__ = _HELP


def _init(output: str | None, force: bool, snapshot: Path | None, timeout: float) -> int:
    from fwaudit.audit import audit
    from fwaudit.cli import OK, UNKNOWN, say
    from fwaudit.cli.output import write
    from fwaudit.cli.source import load, without_collector
    from fwaudit.errors import UsageError
    from fwaudit.render.policy_file import policy_file

    output = output or _usual(snapshot)
    if output not in ("", "-") and Path(output).exists() and not force and not _says_nothing(Path(output)):
        raise UsageError(f"{output} is there already", "Write over it with --force.")
    with without_collector():
        report = audit(load(snapshot, timeout))
    if output not in ("", "-"):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
    write(policy_file(report), output)
    if output not in ("", "-"):
        say(f"fwaudit: written: {output}. Give each entry its reason and owner, and delete what should not be open")
    if not report.complete:
        say("fwaudit: not everything could be read, so the policy may lack entries")
        return UNKNOWN
    return OK


def _usual(snapshot: Path | None) -> str:
    """Where a policy goes when nothing is said."""
    if snapshot is not None:
        return "-"
    from fwaudit.host.collect import is_root

    return str(DEFAULT) if is_root() else "-"


def _says_nothing(file: Path) -> bool:
    """True for a policy without a word in force, such as a package brings: written over, it loses nothing."""
    from dataclasses import replace

    from fwaudit.errors import FwauditError
    from fwaudit.model.compliance import Policy

    try:
        return replace(read(file), path="") == Policy()
    except FwauditError:
        return False


def _check(file: Path) -> int:
    from fwaudit.cli import OK

    found = read(file)
    count = len(found.accepted)
    print(f"{file}: {count} {'entry' if count == 1 else 'entries'}, no mistake.")
    return OK


def _kinds() -> set[str]:
    from fwaudit.findings import pages

    return {page.id for page in pages()}


def read(file: Path) -> Policy:
    """The policy in a file. Raises UsageError where it cannot be read, ParseError for a mistake in it."""
    from fwaudit.errors import UsageError
    from fwaudit.intent.accepted import parse_policy

    try:
        with file.open("rb") as stream:
            data = stream.read((1 << 20) + 1)
        return parse_policy(data.decode("utf-8"), str(file), _kinds)
    except OSError as error:
        hint = "Run it as root." if isinstance(error, PermissionError) else "Write one: fwaudit policy init -o FILE"
        raise UsageError(f"cannot read {file}: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error.reason}") from error
