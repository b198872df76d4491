"""Days of watching in seconds: the whole loop, with audits of two recorded hosts in turn, and an engine that tells of
thousands of events and goes away now and then.

usage: python tests/unit/_soak.py AUDITS      (prints what the process holds, at half time and at the end, as JSON)
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import captures  # noqa: E402

import fwaudit.host.collect  # noqa: E402
from fwaudit.cli.watch_audit import Asked  # noqa: E402
from fwaudit.cli.watching import Following  # noqa: E402
from fwaudit.host.engine import Endpoint  # noqa: E402
from fwaudit.host.notify import Hooks  # noqa: E402
from fwaudit.host.watch import debounce, docker, events, loop  # noqa: E402
from fwaudit.host.watch.files import Files  # noqa: E402
from fwaudit.host.watch.polls import Poll, Sockets  # noqa: E402
from fwaudit.model.snapshot import Snapshot, Source  # noqa: E402

EVENTS = 50
_LINE = json.dumps({"Type": "container", "Action": "start", "Actor": {"Attributes": {"name": "pg"}}}).encode() + b"\n"
_HEAD = b"HTTP/1.0 200 OK\r\n\r\n"


class Engine:
    """An engine that tells fifty events each time that it is looked at, and ends the stream at every tenth."""

    def __init__(self, path: str) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen()
        self._server.setblocking(False)
        self._link: socket.socket | None = None
        self.looks = self.told = 0

    def fileno(self) -> int:
        return -1

    def ready(self) -> Iterator[events.Event]:
        yield from ()

    def tick(self, now: float) -> Iterator[events.Event]:
        self.looks += 1
        if self._link is None:
            with contextlib.suppress(BlockingIOError):
                self._link = self._server.accept()[0]
                self._link.sendall(_HEAD)
        elif self.looks % 10 == 0:
            self.close()
        if self._link is not None:
            with contextlib.suppress(BlockingIOError):
                self._link.setblocking(False)
                self._link.send(_LINE * EVENTS)
                self.told += EVENTS
        yield from ()

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None


class Soaked(Following):
    """The real follower, whose host is a recorded one, another at each turn; every 20th audit dies, every 15th cannot
    ask the engine."""

    def __init__(self, asked: Asked, sockets: Sockets, hosts: list[Snapshot], audits: int) -> None:
        super().__init__(asked, sockets)
        self._hosts, self._audits, self.count = hosts, audits, 0
        self.held: list[dict[str, int]] = []

    def audit(self) -> bytes:
        if self.count % 20 == 19:
            os._exit(7)
        taken = self._hosts[self.count % len(self._hosts)]
        if self.count % 15 == 14:
            files = {name: data for name, data in taken.files.items() if not name.startswith("docker/")}
            taken = Snapshot(files, {"docker": Source(missing="installed but not running")}, taken.host, "", "")
        fwaudit.host.collect.collect = lambda **_: taken  # type: ignore[assignment]
        return super().audit()

    def audited(self, given: bytes | None, why: str) -> bool:
        more = super().audited(given, why)
        self.count += 1
        if self.count in (self._audits // 2, self._audits):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.held.append({"kib": pages * os.sysconf("SC_PAGESIZE") // 1024, "blocks": sys.getallocatedblocks(),
                              "open": len(os.listdir("/proc/self/fd"))})
        if self.count == self._audits:
            os.kill(os.getpid(), signal.SIGTERM)
        return more


def soak(audits: int) -> dict[str, Any]:
    """Watch for so many audits."""
    loop.TICK, debounce.SETTLE, debounce.REST = 0.001, 0.0, 0.0  # type: ignore[misc]
    hosts = []
    for name in ("d28/ufw_off", "d28/ufw_limit"):
        files = captures.case(name).files
        hosts.append(Snapshot(files, {}, "host", "2026-01-01T00:00:00Z", ""))
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(f"{folder}/engine.sock")
        docker.backoff = lambda failures: 0.0
        sockets = Sockets()
        asked = Asked(None, Path(folder) / "history.db", Hooks(commands=(("/bin/true",),)), 30.0, True, None)
        follower = Soaked(asked, sockets, hosts, audits)
        sources = [engine, docker.DockerEvents(lambda machine: Endpoint(f"unix://{folder}/engine.sock")),
                   Files("files", (f"{folder}/history.db",)), Poll("listening sockets", sockets.look)]
        ended = loop.follow(sources, debounce.Debounce(0.0, 60.0), follower, 60.0)
    return {"ended": ended, "audits": follower.count, "events": engine.told, "half": follower.held[0],
            "end": follower.held[-1]}


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, SimpleNamespace(write=lambda text: None, flush=lambda: None)  # type: ignore[assignment]
    result = soak(int(sys.argv[1]))
    out.write(json.dumps(result) + "\n")
