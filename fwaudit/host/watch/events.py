"""What a source of events tells, and what the loop asks of a source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """``change``: something may be reached otherwise now. ``lost``: the source tells nothing more, and why; ``back``:
    it does again. Each of them is a reason for an audit. ``what`` may hold names from outside, as they are."""

    kind: Literal["change", "lost", "back"]
    source: str
    what: str = ""


class Source(Protocol):
    """Something that tells of events. Raises nothing: trouble is an event."""

    def fileno(self) -> int:
        """What to wait for, -1 where there is nothing."""

    def ready(self) -> Iterable[Event]:
        """There is something to read."""

    def tick(self, now: float) -> Iterable[Event]:
        """Once a second: connect, or look. ``now`` in seconds of a clock that never goes back."""

    def close(self) -> None:
        """Let go of what is open."""


def backoff(failures: int) -> float:
    """Seconds until the next try: ½, 1, 2, … and 10 at most, since an engine that is back has to be noticed soon."""
    return float(min(0.5 * 2 ** min(failures, 10), 10.0))
