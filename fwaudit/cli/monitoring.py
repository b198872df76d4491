"""Formats that monitoring reads: where fwaudit could not look, they have to say so themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LARGEST = 8 << 20


@contextmanager
def failures_told(outputs: Iterable[tuple[str, str]]) -> Iterator[None]:
    """On an error inside, write what stands for it to each of the ``outputs`` (format, file) whose format has words for
    it: nagios and prometheus. The error goes on."""
    try:
        yield
    except Exception as error:
        for format, path in outputs:
            with suppress(Exception):  # that error is what the user has to see, not what comes of it
                _write(format, path, str(error) or type(error).__name__)
        raise


def _write(format: str, path: str, why: str) -> None:
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
