"""Ask the machine one thing: run a command or read a file. A failure is an answer with a reason, never an exception.

Every command is an argument list (no shell), with a fixed PATH, LC_ALL=C and no standard input. Sizes are bounded
while reading, so that a tool that never stops printing cannot fill the memory. Times are seconds, sizes bytes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fwaudit.model.snapshot import Source
from fwaudit.records import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# PYTHONDONTWRITEBYTECODE: ufw is a Python program, and an audit leaves no files behind.
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C", "LANG": "C", "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}

OUTPUT_LIMIT = 256 << 20
FILE_LIMIT = 16 << 20
STDERR_LIMIT = 4096
# Seconds that a waiter gives an asker beyond the deadline, so that its own words about being late are heard.
GRACE = 1.0
_CHUNK = 1 << 16
_TOO_LATE = "too late"

RUN_AS_ROOT = "permission denied; run as root"
# A reason that begins so says that there is nothing to read, which is an answer and not a gap (parse/values.py).
# A tool that is missing while the thing it reads may be there must not be spelled so.
NOT_INSTALLED = "not installed"
_REFUSALS = ("permission denied", "operation not permitted", "must be root", "need to be root")


@dataclass(frozen=True, slots=True)
class Collected:
    """One file of the snapshot: its name, its bytes (None where it is missing) and how it came to be."""

    name: str
    data: bytes | None
    source: Source


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command or file said. ``data`` None exactly where ``source.missing`` gives the reason."""

    data: bytes | None
    source: Source

    def named(self, name: str, version: str = "") -> Collected:
        """The answer as a file of the snapshot."""
        source = replace(self.source, version=version) if version else self.source
        return Collected(name, self.data, source)


def missing(reason: str, source: Source | None = None) -> Answer:
    """An answer that is not there, and why."""
    return Answer(None, replace(source or Source(), missing=reason))


def reason_of(error: OSError, what: str) -> str:
    """An operating system's error in plain words."""
    if isinstance(error, FileNotFoundError):
        return f"no such file: {what}"
    if isinstance(error, PermissionError):
        return f"{RUN_AS_ROOT}: {what}"
    return f"{error.strerror or error}: {what}"


class Machine:
    """The machine that is audited, asked within one deadline. ``root`` is where its file tree begins.

    Safe to share between threads: each call runs on its own, ``stop`` ends the commands that still run.
    """

    def __init__(self, timeout: float = 30.0, root: str | Path = "/") -> None:
        self.timeout = timeout
        self.root = Path(root)
        self._deadline = time.monotonic() + timeout
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def left(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self._deadline - time.monotonic())

    def late(self, source: Source | None = None) -> Answer:
        """The answer of what came too late to be waited for."""
        return missing(f"no time left of {self.timeout:g} s", source)

    def path(self, absolute: str) -> Path:
        """Where an absolute path of the machine is found."""
        return self.root / absolute.lstrip("/")

    def which(self, name: str) -> str | None:
        """The full path of a command, None where it is not installed."""
        return shutil.which(name, path=PATH)

    def read(self, path: str, limit: int = FILE_LIMIT) -> Answer:
        """Read one regular file (``/proc`` counts as regular). Never waits on a fifo or a device."""
        try:
            return self._read(path, limit)
        except OSError as error:
            return missing(reason_of(error, path))

    def _read(self, path: str, limit: int) -> Answer:
        descriptor = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return missing(f"not a regular file: {path}")
            parts, size = [], 0
            while chunk := os.read(descriptor, _CHUNK):
                size += len(chunk)
                if size > limit:
                    return missing(f"larger than {limit} bytes: {path}")
                parts.append(chunk)
            return Answer(b"".join(parts), Source())
        finally:
            os.close(descriptor)

    def run(self, argv: Sequence[str], limit: int = OUTPUT_LIMIT, timeout: float | None = None,
            environment: Mapping[str, str] = ENVIRONMENT) -> Answer:
        """Run one command to its end. Exit status other than 0, a timeout and too much output are reasons."""
        source = Source(argv=tuple(argv))
        binary = self.which(argv[0])
        if binary is None:
            return missing(f"{argv[0]} is not installed", source)
        seconds = self.left() if timeout is None else min(timeout, self.left())
        if seconds <= 0:
            return self.late(source)
        try:
            return self._run(binary, source, limit, seconds, environment)
        except OSError as error:
            return missing(reason_of(error, binary), source)

    def _run(self, binary: str, source: Source, limit: int, seconds: float,
             environment: Mapping[str, str]) -> Answer:
        process = subprocess.Popen(
            [binary, *source.argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, cwd="/", start_new_session=True,
        )
        deadline = time.monotonic() + seconds
        with self._lock:
            self._running.add(process.pid)
            if self._stopped:
                _end(process.pid)
        try:
            out, err, broken = _drain(process, limit, deadline)
            if not broken and not _ends(process.pid, deadline):
                broken = _TOO_LATE
        finally:
            # Until it is waited for, the number cannot belong to anybody else: the group is ours to end.
            with self._lock:
                self._running.discard(process.pid)
                _end(process.pid)
            status = process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if broken == _TOO_LATE:
            broken = f"no answer within {seconds:.3g} s"
        source = replace(source, exit=status, stderr=err.decode("utf-8", "replace"))
        if broken:
            return missing(broken, replace(source, exit=None))
        if status != 0:
            return missing(_why_failed(source), source)
        return Answer(out, source)

    def version(self, *argv: str) -> str:
        """The first line that a version question prints, empty where there is none."""
        answer = self.run(argv, limit=_CHUNK, timeout=5.0)
        lines = (answer.data or b"").decode("utf-8", "replace").splitlines()
        return lines[0].strip() if lines else ""

    def stop(self) -> None:
        """End every command that still runs, and let no new one run on."""
        with self._lock:
            self._stopped = True
            for pid in self._running:
                _end(pid)


def _end(pid: int) -> None:
    """Kill the process group of one command that was started here and has not been waited for."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ends(pid: int, deadline: float) -> bool:
    """Wait until a command has ended, without taking its number back yet (WNOWAIT)."""
    # a kernel before 5.3 has no such descriptor, and a Python built on one no such function
    with contextlib.suppress(OSError, AttributeError), _watched(pid) as ended:
        ended.select(max(0.0, deadline - time.monotonic()))
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[selectors.BaseSelector]:
    """Ready when the process has ended (pidfd_open(2)): to look again and again costs a millisecond a command."""
    descriptor = os.pidfd_open(pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            yield selector
    finally:
        os.close(descriptor)


def _drain(process: subprocess.Popen[bytes], limit: int, deadline: float) -> tuple[bytes, bytes, str]:
    """Read both pipes to their ends: output, the beginning of stderr, and why reading was given up (or empty)."""
    assert process.stdout is not None
    assert process.stderr is not None
    output: list[bytes] = []
    size, errors = 0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return b"", errors, _TOO_LATE
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    errors = (errors + chunk)[:STDERR_LIMIT]
                else:
                    size += len(chunk)
                    if size > limit:
                        return b"", errors, f"more than {limit} bytes of output"
                    output.append(chunk)
    return b"".join(output), errors, ""


def _why_failed(source: Source) -> str:
    lower = source.stderr.lower()
    if any(refusal in lower for refusal in _REFUSALS):
        return RUN_AS_ROOT
    lines = [line.strip() for line in source.stderr.splitlines() if line.strip()]
    status = f"exit {source.exit}" if source.exit is None or source.exit >= 0 else f"ended by signal {-source.exit}"
    return f"{source.argv[0]}: {lines[0][:200]}" if lines else f"{source.argv[0]}: {status}"
