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
        for format, path in outputs:
            with suppress(Exception):  # that error is what the user has to see, not what comes of it
                why = str(error) or type(error).__name__
                if path in ("", "-"):
                    write_failure(format, path, why)
                else:
                    doing[-1].fail(format, path, why)
        raise


def write_failure(format: str, path: str, why: str) -> None:
    """What stands for an error in one format; of an old file, what is to stay stays."""
    from fwaudit.cli.output import READABLE, write
    from fwaudit.render import nagios, prometheus

    if format == "nagios":
        write(nagios.failed(why), path)
    elif format == "prometheus":
        write(prometheus.failed(_old(path)), path, READABLE)


def _old(path: str) -> str:
    from fwaudit.cli.output import is_special

    file = Path(path)
    if path in ("", "-") or not file.exists() or is_special(path):
        return ""
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(_LARGEST)
