"""Bounds: a set that is known only between two sets, and the three-valued connectives on such sets."""

from __future__ import annotations

from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.records import NamedTuple


class Bounds(NamedTuple):
    """What is certainly in and what is possibly in. Invariant: ``certainly`` is a subset of ``possibly``."""

    certainly: IntervalSet
    possibly: IntervalSet

    def both(self, other: Bounds) -> Bounds:
        """Three-valued *and*."""
        return Bounds(self.certainly & other.certainly, self.possibly & other.possibly)

    def either(self, other: Bounds) -> Bounds:
        """Three-valued *or*."""
        return Bounds(self.certainly | other.certainly, self.possibly | other.possibly)

    def neither(self) -> Bounds:
        """Three-valued *not*."""
        return Bounds(~self.possibly, ~self.certainly)


YES = Bounds(ALL, ALL)
NO = Bounds(EMPTY, EMPTY)
MAYBE = Bounds(EMPTY, ALL)


def exactly(values: IntervalSet) -> Bounds:
    """The bounds of a set that is known."""
    return Bounds(values, values)
