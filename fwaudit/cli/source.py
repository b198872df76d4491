"""Where a command's facts come from: a recorded snapshot, or this host, asked now."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.model.snapshot import Snapshot

_PATIENCE = 1.0
"""Seconds after which a person is told what is being waited for."""


def load(path: Path | None, timeout: float = 30.0) -> Snapshot:
    """The snapshot at ``path``; without a path, one of this host, with progress on stderr where that takes long."""
    if path is not None:
        from fwaudit.host.snapshot_file import read_snapshot

        return read_snapshot(path)
    from fwaudit.host.collect import collect

    with progress() as tell:
        return collect(progress=tell, timeout=timeout)


class _Progress:
    """Prints what is being done, once it has taken longer than a second, and only to a terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = False

    def __call__(self, what: str) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._start > _PATIENCE:
            from fwaudit.render.text import clean

            print(f"\r\x1b[K{clean(what)[:70]} …", end="", file=sys.stderr, flush=True)
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[_Progress]:
    """A progress line that is gone when the work is done."""
    told = _Progress()
    try:
        yield told
    finally:
        told.clear()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says on a terminal what takes so long, once it has taken longer than a second; gone when the work is done."""
    import threading

    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def tell() -> None:
        start, shown = time.monotonic(), False
        while not done.wait(_PATIENCE):
            print(f"\r\x1b[K{what} … {time.monotonic() - start:.0f} s", end="", file=sys.stderr, flush=True)
            shown = True
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


@contextmanager
def without_collector() -> Iterator[None]:
    """Python's garbage collector off: parsing and walking make many objects and no cycles worth a search, and the
    search costs up to four times the work (docs/performance.md)."""
    import gc

    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
