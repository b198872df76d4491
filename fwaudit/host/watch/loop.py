"""The loop: wait for events, and have an audit made when it is time."""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from fwaudit.host.watch.child import Child
from fwaudit.host.watch.debounce import Debounce
from fwaudit.host.watch.events import Event, Source

TICK = 1.0
TELLING = 600.0
"""Seconds that telling may take: each hook has half a minute."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def clock() -> float:
    """Seconds since the boot, with those that the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Follower(Protocol):
    """Who audits and says what came of it. ``audit`` and ``tell`` run in a child, the others here. ``blind``: the last
    audit could not see everything that one before it saw."""

    blind: bool

    def audit(self) -> bytes:
        """One audit; what ``audited`` is to know of it."""

    def audited(self, given: bytes | None, why: str) -> bool:
        """What the audit gave, or None and why it gave nothing. True where somebody is to be told."""

    def tell(self) -> bytes:
        """Tell whoever wants to be told."""

    def told(self, given: bytes | None, why: str) -> bool:
        """What telling gave. True where there is more to be told by now."""

    def heard(self, event: Event) -> None:
        """An event, before the audit that it leads to."""

    def alive(self) -> bool:
        """Once a second. True where somebody is to be told."""


def follow(sources: Sequence[Source], debounce: Debounce, follower: Follower, seconds: float) -> int:
    """Go on until SIGTERM or SIGINT; its number. ``seconds``: how long an audit, or telling, may take."""
    with _signals() as woken:
        loop = _Loop(sources, debounce, follower, seconds)
        try:
            while True:
                for number in loop.turn(woken):
                    if number != signal.SIGHUP:
                        return number
                    loop.hear([Event("change", "policy", "SIGHUP")])
        finally:
            loop.close()


class _Loop:
    def __init__(self, sources: Sequence[Source], debounce: Debounce, follower: Follower, seconds: float) -> None:
        self._sources = sources
        self._debounce = debounce
        self._follower = follower
        self._seconds = seconds
        self._audit: Child | None = None
        self._telling: Child | None = None
        self._tick = -math.inf

    def turn(self, woken: int) -> bytes:
        """One wait, and what follows of it. The numbers of signals that have come."""
        now = clock()
        if now >= self._tick + TICK:
            self._tick = now
            if self._follower.alive():
                self._tell(now)
            for source in self._sources:
                self.hear(source.tick(now))
            now = clock()
        if self._audit is None and self._debounce.wait(now) <= 0:
            self._debounce.started(now)
            self._audit = Child(self._follower.audit, now + self._seconds)
        ready = self._wait(woken, min(self._debounce.wait(now), self._tick + TICK - now))
        for source in self._sources:
            if source.fileno() in ready:
                self.hear(source.ready())
        self._children(ready)
        return os.read(woken, 64) if woken in ready else b""

    def hear(self, events: Iterable[Event]) -> None:
        for event in events:
            self._debounce.event(clock())
            self._follower.heard(event)

    def close(self) -> None:
        for child in (self._audit, self._telling):
            if child is not None:
                child.end()
        for source in self._sources:
            source.close()

    def _wait(self, woken: int, seconds: float) -> set[int]:
        poll = select.poll()
        every = [*(each.fileno() for each in (*self._sources, self._audit, self._telling) if each is not None), woken]
        for number in every:
            if number >= 0:
                poll.register(number, select.POLLIN)
        return {number for number, _ in poll.poll(max(0.0, seconds) * 1000 + 1)}

    def _children(self, ready: set[int]) -> None:
        now, more = clock(), False
        audit = self._audit
        if audit is not None and (done := _done(audit, ready, now, self._seconds)) is not None:
            self._audit = None
            more = self._follower.audited(*done)
            self._debounce.ended(now, audit.cost, self._follower.blind)
        if (done := _done(self._telling, ready, now, TELLING)) is not None:
            self._telling = None
            more = self._follower.told(*done) or more
        if more:
            self._tell(now)

    def _tell(self, now: float) -> None:
        """One at a time; while one is told, the next ones wait, and audits do not."""
        if self._telling is None:
            self._telling = Child(self._follower.tell, now + TELLING)


def _done(child: Child | None, ready: set[int], now: float, seconds: float) -> tuple[bytes | None, str] | None:
    if child is None:
        return None
    if child.fileno() in ready and child.over():
        return child.end()
    if now > child.deadline:
        given, why = child.end()
        return given, f"it did not end within {seconds:g} s" if given is None else why
    return None


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the numbers of signals are read, in the place of what they would do."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)
