"""An audit in a process of its own: whatever it takes is given back when it ends, and if it hangs or dies, the watch
goes on.

A child is forked, not started: it has all modules and the last report at hand, and begins at once. This process has one
thread, so that a fork is safe. Memory that is not freed, or scattered by ten thousand audits, is the child's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from collections.abc import Callable

_LENGTH = struct.Struct("=Q")
_CHUNK = 1 << 20
LIMIT = 1 << 30
_RESET = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Child:
    """A function that runs in a process of its own and gives bytes. ``deadline``: when it is ended, on the clock of
    whoever asks. ``cost``: the processor time that it took, in seconds, with that of the programs it ran; known at its
    end."""

    def __init__(self, work: Callable[[], bytes], deadline: float) -> None:
        self.deadline = deadline
        self.cost = 0.0
        self._read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._data = bytearray()
        self._pid = os.fork()
        if not self._pid:
            _run(work, write)
        os.close(write)

    def fileno(self) -> int:
        return self._read

    def over(self) -> bool:
        """Read what there is; True at the end."""
        while True:
            try:
                chunk = os.read(self._read, _CHUNK)
            except BlockingIOError:
                return False
            if not chunk or len(self._data) > LIMIT:
                return True
            self._data += chunk

    def end(self) -> tuple[bytes | None, str]:
        """What it gave, or None and why it gave nothing. It has ended, or is ended now."""
        size = _LENGTH.unpack_from(self._data)[0] if len(self._data) >= _LENGTH.size else -1
        given = bytes(self._data[_LENGTH.size:]) if len(self._data) == _LENGTH.size + size else None
        if given is None:
            with contextlib.suppress(ProcessLookupError):  # not waited for yet: the number is nobody else's
                os.kill(self._pid, signal.SIGKILL)
        os.close(self._read)
        _, status, used = os.wait4(self._pid, 0)
        self.cost = used.ru_utime + used.ru_stime
        self._data.clear()
        if given is not None:
            return given, ""
        code = os.waitstatus_to_exitcode(status)
        return None, f"ended by signal {-code}" if code < 0 else f"exit {code}"


def _run(work: Callable[[], bytes], write: int) -> None:
    """The child's whole life. It never returns to what the parent would do next."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        _let_go(write)
        for each in _RESET:
            signal.signal(each, signal.SIG_DFL if each != signal.SIGHUP else signal.SIG_IGN)
        data = work()
        os.set_blocking(write, True)
        with open(write, "wb", closefd=False) as pipe:
            pipe.write(_LENGTH.pack(len(data)) + data)
        code = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            os.write(2, f"fwaudit: internal error: {type(error).__name__}: {ascii(str(error))[:300]}\n".encode())
    finally:
        os._exit(code)


def _let_go(write: int) -> None:
    """Close what belongs to the parent: a child that has given up its privileges must not hold its connection to the
    engine, which is as good as root's."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (numbers are wanted, not paths)
        if int(name) > 2 and int(name) != write:
            with contextlib.suppress(OSError):  # the listing's own is closed already
                os.close(int(name))
