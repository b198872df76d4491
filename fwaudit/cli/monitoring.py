"""Formats that monitoring reads: where fwaudit could not look, they have to say so themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.cli.deeds import Deeds

_LARGEST = 8 << 20


@contextmanager
def failures_told(outputs: Iterable[tuple[str, str]], doing: Sequence[Deeds]) -> Iterator[None]:
    """On an error inside, write what stands for it to each of the ``outputs`` (format, file) whose format has words for
    it: nagios and prometheus. The error goes on. ``doing``: the last is who writes by then."""
    try:
        yield
    except Exception as error:
        for output in outputs:
            told(output, error, doing[-1])
        raise


def told(output: tuple[str, str], error: Exception, deeds: Deeds) -> None:
    """Write what stands for an error to one output, as well as it can be: that error is what the user has to see, not
    what comes of it."""
    format, path = output
    why = str(error) or type(error).__name__
    with suppress(Exception):
        if path in ("", "-"):
            write_failure(format, path, why)
        else:
            deeds.fail(format, path, why)


def write_failure(format: str, path: str, why: str) -> None:
    """What stands for an error in one format; of an old file, what is to stay stays."""
    from fwaudit.cli.output import READABLE, write
    from fwaudit.errors import UsageError
    from fwaudit.render import nagios, prometheus

    if format == "nagios":
        write(nagios.failed(why), path)
    elif format == "prometheus":
        old = _old(path)
        new = prometheus.failed(old)
        try:
            write(new, path, READABLE)
        except UsageError:
            if not _written_over(path, old, new):
                raise


def _written_over(path: str, old: str, new: str) -> bool:
    """Whether the one digit that says that a run failed could be written into the old file. Where a disk is full there
    is no room for a new one, and an old one that says all is well would be believed."""
    places = [place for place, (was, is_now) in enumerate(zip(old, new, strict=False)) if was != is_now]
    if not (old.isascii() and len(old) == len(new) and len(places) == 1):
        return False
    try:
        with Path(path).open("r+b") as file:
            file.seek(places[0])
            file.write(new[places[0]].encode("ascii"))
    except OSError:
        return False
    return True


def _old(path: str) -> str:
    from fwaudit.cli.output import is_special

    file = Path(path)
    if path in ("", "-") or not file.exists() or is_special(path):
        return ""
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_LARGEST)
