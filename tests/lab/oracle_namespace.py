"""Network namespaces that only a file descriptor holds: no process, no name, gone when it is closed."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextmanager
def one_cpu() -> Iterator[None]:
    """The calling thread stays on the processor that it is on."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_LIBC.sched_getcpu()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class LoadError(Exception):
    """A tool refused what it was given; the text is the tool's own."""


class Namespace:
    """A network namespace. ``inside`` puts the calling thread into it for a while."""

    def __init__(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            _check(_LIBC.setns(home, _CLONE_NEWNET), "setns")
            os.close(home)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread, its children and the sockets it makes are in the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _check(_LIBC.setns(self.fd, _CLONE_NEWNET), "setns")
            yield
        finally:
            _check(_LIBC.setns(home, _CLONE_NEWNET), "setns")
            os.close(home)

    def run(self, argv: Sequence[str], text: str = "", *, check: bool = True) -> bytes:
        """Run a command in the namespace; its stdout. Raises LoadError where it fails."""
        with self.inside():
            done = subprocess.run(argv, input=text.encode("utf-8", "surrogateescape"), capture_output=True,
                                  check=False, env={**os.environ, "LC_ALL": "C"})
        if check and done.returncode:
            raise LoadError(f"{' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def write(self, key: str, value: str) -> None:
        """Set a sysctl, by its path below /proc/sys."""
        with self.inside(), open(f"/proc/sys/{key}", "w", encoding="ascii") as file:
            file.write(value)

    def close(self) -> None:
        """Let go of it; the kernel takes it down with all that is in it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
