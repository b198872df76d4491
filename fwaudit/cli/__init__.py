"""The command line: options → calls → stdout and stderr → exit code. The only place that decides an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from fwaudit.errors import FwauditError

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
INTERRUPTED = 130

_alone = False


def is_alone() -> bool:
    """Whether this process has nothing to do but one command, so that it may give up its privileges."""
    return _alone


def run(argv: list[str], alone: bool = False) -> int:
    """Run one command and return its exit code. Every error becomes one line, with what to do next below it. ``alone``:
    the process does nothing else, before or after."""
    global _alone
    _alone = alone
    try:
        code = _dispatch(argv)
        sys.stdout.flush()  # here, where a closed pipe can still be handled
        return code
    except FwauditError as error:
        complain(error)
        return UNKNOWN
    except KeyboardInterrupt:
        say("fwaudit: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:
        if os.environ.get("FWAUDIT_DEBUG"):
            import traceback

            traceback.print_exc()
        say(f"fwaudit: internal error: {type(error).__name__}: {error}")
        say("  This is a bug. Please report it, with the output of the same command under FWAUDIT_DEBUG=1.")
        return UNKNOWN


def leave(code: int) -> int:
    """End the process at once. Python would first take apart every object of it, 20 ms after a small report and more
    after a large one, and gain nothing: files are closed, and threads still at work are not waited for."""
    if not os.environ.get("FWAUDIT_DEBUG"):  # whose profilers and the like have to write down what they saw
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def _dispatch(argv: list[str]) -> int:
    import typer

    from fwaudit.cli.app import build

    # typer 0.28 brings a click of its own, so click's classes are reached through typer's
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        # an option whose value may be left out, which click's own way to say so would take from the next word
        argv = [f"{each}=nobody" if each == "--drop-privileges" else each for each in argv]
        result = build(argv).main(args=argv, prog_name="fwaudit", standalone_mode=False)
    except typer.Exit as leave:
        return leave.exit_code
    except typer.Abort:
        say("fwaudit: interrupted")
        return INTERRUPTED
    except SystemExit as leave:  # 0: a completion script was printed; 1: typer's answer to a closed pipe
        return OK if leave.code in (0, None) else _reader_left()
    except usage_error as error:
        return _refuse(error)
    if result == INTERRUPTED:
        say("fwaudit: interrupted")
    return result if isinstance(result, int) else OK


def _refuse(error: Any) -> int:
    """A command line that cannot be meant: one line and where to look; the whole help where there was nothing."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        print(context.get_help(), file=sys.stderr)
        return UNKNOWN
    say(f"fwaudit: {error.format_message()}")
    say(f"  See: {context.command_path if context is not None else 'fwaudit'} --help")
    return UNKNOWN


def _reader_left() -> int:
    """Whoever read the output has enough: no complaint, also not from the flush when Python exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return OK


def complain(error: FwauditError) -> None:
    """An error as one line, and what to do next below it."""
    say(f"fwaudit: {error}")
    if error.hint:
        say(f"  {error.hint}")


def say(line: str) -> None:
    """One line of talk, on stderr; control characters from hostile data are made visible."""
    from fwaudit.render.text import clean

    print(clean(line), file=sys.stderr)
