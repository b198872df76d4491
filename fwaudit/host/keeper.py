"""A process that keeps the privileges when this one gives its own up, and does for it the few things that need them.

It is forked before: what it can do, where it writes and whom it tells is fixed by then. It is asked by the name of a
method and arguments in JSON, a line each, and answers the same way. It parses nothing else, so that whoever has taken
over the asking process can write other words into the same files, and no more.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar, cast

from fwaudit import errors

T = TypeVar("T")
_LONGEST = 512 << 20


def keep(served: T, methods: frozenset[str]) -> T:
    """A stand-in for ``served``, whose methods are run by a process that is forked now and ends with this one."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            here.close()
            # Ctrl-C ends the one who asks; this one ends with it
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            with there.makefile("rwb") as stream:
                _serve(cast("BinaryIO", stream), served, methods)
            status = 0
        finally:
            os._exit(status)  # nothing of the parent's is flushed or ended twice
    there.close()
    return cast("T", _Asking(here, child, methods))


class _Asking:
    """Looks like what is served. An error of ours that a method raises is raised here."""

    def __init__(self, line: socket.socket, child: int, methods: frozenset[str]) -> None:
        self._stream = line.makefile("rwb")
        self._line = line
        self._child = child
        self._methods = methods

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._methods:
            raise AttributeError(name)
        return lambda *arguments: self._ask(name, arguments)

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        try:
            _send(cast("BinaryIO", self._stream), [name, arguments])
            answer = _receive(cast("BinaryIO", self._stream))
        except (OSError, ValueError, EOFError) as error:
            raise errors.UsageError(f"the process that keeps the privileges has ended: {error}",
                                    "Run it again.") from error
        kind, value, hint = answer
        if kind:
            known = getattr(errors, kind, errors.UsageError)
            raise (known if known in (errors.UsageError, errors.HistoryError) else errors.UsageError)(value, hint)
        return value


def _serve(stream: BinaryIO, served: object, methods: frozenset[str]) -> None:
    while True:
        try:
            name, arguments = _receive(stream)
        except EOFError:
            return
        if name not in methods:
            return
        try:
            answer = ["", getattr(served, name)(*arguments), ""]
        except errors.FwauditError as error:
            answer = [type(error).__name__, str(error), error.hint]
        except Exception as error:
            answer = ["UsageError", f"internal error: {type(error).__name__}: {error}", ""]
        _send(stream, answer)


def _send(stream: BinaryIO, what: object) -> None:
    stream.write(json.dumps(what).encode("ascii") + b"\n")
    stream.flush()


def _receive(stream: BinaryIO) -> Any:
    line = stream.readline(_LONGEST)
    if not line.endswith(b"\n"):
        raise EOFError("no answer")
    return json.loads(line)
