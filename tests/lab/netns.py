"""Network namespaces that only a file descriptor holds: no process, no name, gone when it is closed."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_CLONE_NEWNET = 0x40000000
_HERE = "/proc/thread-self/ns/net"
_LIBC = ctypes.CDLL(None, use_errno=True)


class LoadError(Exception):
    """A tool refused what it was given; the text is the tool's own."""


class Namespace:
    """A network namespace. Whatever ``fd`` is given to must be closed, too, before the kernel takes it down."""

    def __init__(self) -> None:
        with _back_home():
            _call(_LIBC.unshare, _CLONE_NEWNET)
            self.fd = os.open(_HERE, os.O_RDONLY)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the namespace, with the sockets and children that it makes."""
        with _back_home():
            _call(_LIBC.setns, self.fd, _CLONE_NEWNET)
            yield

    def run(self, argv: Sequence[str], stdin: str = "") -> str:
        """Run a command in the namespace; its stdout. Raises LoadError where it fails."""
        with self.inside():
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LoadError(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def write(self, key: str, value: str) -> None:
        """Set a sysctl, by its path below /proc/sys."""
        with self.inside(), open(f"/proc/sys/{key}", "w", encoding="ascii") as stream:
            stream.write(value)


@contextmanager
def _back_home() -> Iterator[None]:
    home = os.open(_HERE, os.O_RDONLY)
    try:
        yield
    finally:
        _call(_LIBC.setns, home, _CLONE_NEWNET)
        os.close(home)


def _call(function: ctypes._NamedFuncPointer, *arguments: int) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")
