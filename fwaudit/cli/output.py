"""Where output goes: the screen and its colours, and files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from fwaudit.errors import UsageError
from fwaudit.render.style import Style

_NARROWEST, _WIDEST = 60, 160
SECRET, READABLE = 0o600, 0o644
"""Modes of files: what a report says is not for everybody, but a collector of metrics has to read its file."""
_HINTS = {
    errno.ENOSPC: "Make room there, or give a file on another disk.",
    errno.EDQUOT: "Make room there, or give a file on another disk.",
    errno.EROFS: "Give a file in a folder that can be written to.",
    errno.EACCES: "Run it as root, or give a file in a folder of your own.",
}


def screen(no_color: bool = False) -> Style:
    """The screen that stdout is: 80 columns and no colours in a pipe; NO_COLOR and --no-color are obeyed."""
    if not sys.stdout.isatty():
        return Style(80, False)
    width = shutil.get_terminal_size((80, 24)).columns
    term = os.environ.get("TERM", "")
    plain = no_color or bool(os.environ.get("NO_COLOR")) or term == "dumb"
    deep = "256color" in term or bool(os.environ.get("COLORTERM"))
    return Style(min(max(width, _NARROWEST), _WIDEST), not plain, deep=deep)


def write(text: str | Iterable[str], path: str, mode: int = SECRET) -> None:
    """A text, or its pieces as they come, to a file of that mode, through a temporary one beside it; ``-`` or empty: to
    stdout.

    What a link points to is replaced, not the link. Raises UsageError.
    """
    pieces = (text,) if isinstance(text, str) else text
    if path in ("", "-"):
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
        return
    try:
        if is_special(path):
            with Path(path).open("w", encoding="utf-8", errors="backslashreplace") as device:
                device.writelines(pieces)
            return
        _replace(pieces, Path(path).resolve(), mode)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", _HINTS.get(
            error.errno or 0, "Give a file in a folder that exists.")) from error


def is_special(path: str) -> bool:
    """True for a device, a pipe or a socket: written to, never replaced. Root could replace ``/dev/null``."""
    target = Path(path)
    return target.exists() and not target.is_file() and not target.is_dir()


def _replace(pieces: Iterable[str], target: Path, mode: int) -> None:
    import tempfile  # with random below it: what goes to stdout needs neither

    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
