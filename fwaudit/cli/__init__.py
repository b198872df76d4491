"""The command line: options → calls → stdout and stderr → exit code. The only place that decides an exit code."""

from __future__ import annotations

import os
import sys

from fwaudit.errors import FwauditError

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
INTERRUPTED = 130


def run(argv: list[str]) -> int:
    """Run one command and return its exit code. Every error becomes one line, with what to do next below it."""
    try:
        return _dispatch(argv)
    except FwauditError as error:
        say(f"fwaudit: {error}")
        if error.hint:
            say(f"  {error.hint}")
        return UNKNOWN
    except KeyboardInterrupt:
        say("fwaudit: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet, too
        return OK
    except Exception as error:
        if os.environ.get("FWAUDIT_DEBUG"):
            raise
        say(f"fwaudit: internal error: {type(error).__name__}: {error}")
        say("  This is a bug. Please report it, with the output of the same command under FWAUDIT_DEBUG=1.")
        return UNKNOWN


def _dispatch(argv: list[str]) -> int:
    import click

    from fwaudit.cli.app import build

    try:
        result = build().main(args=argv, prog_name="fwaudit", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.Abort:
        say("fwaudit: interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        say(f"fwaudit: {error.format_message()}")
        context = getattr(error, "ctx", None)
        say(f"  See: {context.command_path if context else 'fwaudit'} --help")
        return UNKNOWN
    return result if isinstance(result, int) else OK


def say(line: str) -> None:
    """One line of talk, on stderr; control characters from hostile data are made visible."""
    from fwaudit.render.text import clean

    print(clean(line), file=sys.stderr)
