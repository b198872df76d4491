"""When to audit: soon after an event, never too often, and now and then without one."""

from __future__ import annotations

import math

SETTLE = 0.3
"""Seconds without a further event after which a burst is taken to be over; ``docker run`` makes a dozen events."""
RETRY = 15.0
"""Seconds after an audit that could not see everything when it is tried again, event or none."""
REST = 4.0
"""So many times the processor time of the last audit nothing is audited: they never take more than a fifth of one."""


class Debounce:
    """Times are seconds of one clock that never goes back.

    At most one audit in ``interval`` seconds; a burst is one audit; an event that comes while one is running leads to
    another, since nobody knows whether that one saw it. ``every`` seconds after the last one there is one anyway.
    """

    def __init__(self, interval: float, every: float) -> None:
        self._interval = interval
        self._every = every
        self._first: float | None = 0.0  # the first audit is due at once
        self._last = -math.inf
        self._started = self._ended = -math.inf
        self._running = self._blind = False
        self._cost = 0.0

    def event(self, now: float) -> None:
        """Something happened."""
        if self._first is None:
            self._first = now
        self._last = now

    def started(self, now: float) -> None:
        """An audit has started: it will see all that has happened so far."""
        self._running, self._started, self._first = True, now, None

    def ended(self, now: float, cost: float = 0.0, blind: bool = False) -> None:
        """It is over, and took ``cost`` seconds of a processor. ``blind``: it could not see everything that one before
        it saw."""
        self._running, self._ended, self._cost, self._blind = False, now, cost, blind

    def wait(self, now: float) -> float:
        """Seconds until the next one has to start, 0 for now; infinite while one is running."""
        if self._running:
            return math.inf
        if self._first is None:
            every = min(self._every, max(RETRY, self._interval)) if self._blind else self._every
            return max(0.0, self._ended + every - now)
        if self._ended == -math.inf:
            return 0.0
        over = min(self._last + SETTLE, self._first + max(self._interval, SETTLE))  # a burst without end is no excuse
        soonest = max(self._started + self._interval, self._ended + REST * self._cost)
        return max(0.0, over - now, soonest - now)
