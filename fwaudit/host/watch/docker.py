"""The engine's own events: a container started or ended, a network was made, left or joined, the daemon's settings were
read again.

The stream of ``GET /events`` (Engine API 1.41 and later; Podman has the same), asked for with HTTP/1.0, so that what
comes is plain lines of JSON and not chunks. Read here and not with the docker SDK, whose stream can only be waited for
in a thread of its own.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from fwaudit.host import engine
from fwaudit.host.engine import Endpoint
from fwaudit.host.run import NOT_INSTALLED, Machine
from fwaudit.host.watch.events import Event, backoff

SOURCE = "docker"
ACTIONS = ("start", "die", "died", "destroy", "rename", "update", "create", "remove", "connect", "disconnect", "reload")
"""Of a container, a network or the daemon; Podman says died. Health checks and commands run inside make many
events and open nothing."""
_TYPES = ("container", "network", "daemon")
_PATIENCE = 5.0
_CHUNK, _CHUNKS = 1 << 16, 64
_LONGEST = 1 << 20
_HEAD = 1 << 14
_PORTS = {"tcp": 2375, "http": 80, "https": 443}
_FILTERS = quote(json.dumps({"event": ACTIONS}))
_AGAIN = 2
"""Seconds before the connection from which events are told as well, so that none falls between it and an audit."""


class DockerEvents:
    """The stream, connected to again and again. No engine on this host at all is no trouble, until there was one."""

    def __init__(self, find: Callable[[Machine], Endpoint] = engine.find) -> None:
        self._find = find
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._open = False  # the engine has said 200
        self._lost: str | None = None
        self._ever = False
        self._failures = 0
        self._next = 0.0

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def tick(self, now: float) -> Iterator[Event]:
        if self._socket is None and now >= self._next:
            self._next = now + backoff(self._failures)
            self._failures += 1
            endpoint = self._find(Machine(_PATIENCE))
            if endpoint.missing:
                yield from self._away(endpoint.missing)
                return
            try:
                self._socket = _connect(endpoint)
            except (OSError, ValueError) as error:
                yield from self._away(f"no stream of events: {error}")

    def ready(self) -> Iterator[Event]:
        for _ in range(_CHUNKS):
            if self._socket is None:
                return
            try:
                chunk = self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError as error:
                yield from self._ended(error.strerror or str(error))
                return
            if not chunk:
                yield from self._ended("it ended the stream of events")
                return
            self._buffer += chunk
            if not self._open:
                yield from self._opened()
            if self._open:
                yield from self._lines()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer, self._open = None, b"", False

    def _opened(self) -> Iterator[Event]:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > _HEAD:
                yield from self._ended("it does not answer as an engine does")
            return
        status = head.split(b"\r\n", 1)[0].split(None, 2)
        if status[1:2] != [b"200"]:
            yield from self._ended(f"no stream of events: {b' '.join(status).decode('ascii', 'replace')[:100]}")
            return
        self._buffer, self._open, self._failures = rest, True, 0
        if self._lost is not None:
            yield Event("back", SOURCE)
        elif self._ever:  # it came and went, and nobody has been told
            yield Event("change", SOURCE, "connected again")
        self._lost, self._ever = None, True

    def _lines(self) -> Iterator[Event]:
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            what = _what(line)
            if what:
                yield Event("change", SOURCE, what)
        if len(self._buffer) > _LONGEST:  # no engine writes this; better one audit too many
            self._buffer = b""
            yield Event("change", SOURCE, "an event that is too long")

    def _ended(self, why: str) -> Iterator[Event]:
        self.close()
        yield from self._away(why)

    def _away(self, why: str) -> Iterator[Event]:
        """Said once, until it is back."""
        if self._lost is None and (self._ever or not why.startswith(NOT_INSTALLED)):
            self._lost = why
            yield Event("lost", SOURCE, why)


def _connect(endpoint: Endpoint) -> socket.socket:
    """A connection that was asked for events, and on which reading does not wait. Raises OSError, ValueError."""
    if endpoint.socket_path:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        target: Any = endpoint.socket_path
    else:
        address = urlsplit(endpoint.url)
        port = address.port or (2376 if endpoint.certificates else _PORTS.get(address.scheme, 2375))
        target = (address.hostname or "", port)
        link = socket.create_connection(target, _PATIENCE)
    try:
        link.settimeout(_PATIENCE)
        if endpoint.socket_path:
            link.connect(target)
        elif endpoint.certificates:
            link = _context(endpoint).wrap_socket(link, server_hostname=target[0])
        link.sendall(f"GET /events?since={int(time.time()) - _AGAIN}&filters={_FILTERS} HTTP/1.0\r\n"
                     "Host: engine\r\nUser-Agent: fwaudit\r\n\r\n".encode())
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    names = [f"{endpoint.certificates}/{name}.pem" for name in ("ca", "cert", "key")]
    context = ssl.create_default_context(cafile=names[0])
    context.load_cert_chain(names[1], names[2])
    if not endpoint.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _what(line: bytes) -> str:
    """``container pg start``; empty for what opens nothing. What does not read counts as an event."""
    if not line.strip():
        return ""
    with contextlib.suppress(ValueError, RecursionError, AttributeError, TypeError):
        event = json.loads(line)
        kind, action = str(event.get("Type", "")), str(event.get("Action", ""))
        if kind and kind not in _TYPES:
            return ""
        attributes: Any = (event.get("Actor") or {}).get("Attributes") or {}
        name = str(attributes.get("name", ""))[:200]
        return " ".join(filter(None, (kind, name, action)))[:300] or "an event"
    return "an event that does not read"
