"""IntervalSet: a set of unsigned integers (addresses, ports, marks) as the sorted places where membership changes.

``(5, 8)`` is {5, 6, 7}; ``(0,)`` is every number; ``(10,)`` is 10 and above. Complement needs no upper end that way,
and one type serves IPv4, IPv6, ports and marks alike. Of the representations that were measured for first-match rules
over 100,000 prefixes (docs/performance.md), sorted boundaries in plain Python were the fastest that also hold IPv6.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache


class IntervalSet:
    """An immutable set of integers >= 0. Supports ``& | - ~``, ``in``, ``bool``, ``==`` and ``hash``."""

    __slots__ = ("_hash", "bounds")

    bounds: tuple[int, ...]

    def __init__(self, bounds: tuple[int, ...] = ()) -> None:
        self.bounds = bounds
        self._hash: int | None = None

    @staticmethod
    def of(*values: int) -> IntervalSet:
        """The set of these single values."""
        ordered = sorted(values)
        return IntervalSet.between(ordered, [value + 1 for value in ordered])

    @staticmethod
    def range(low: int, high: int) -> IntervalSet:
        """Every value from ``low`` to ``high``, both included; empty where ``high`` < ``low``."""
        return IntervalSet((low, high + 1)) if low <= high else EMPTY

    @staticmethod
    def between(starts: list[int], ends: list[int]) -> IntervalSet:
        """What lies behind more ``starts`` than ``ends``, in any order; a start more than ends goes on without an end.
        Sorts both lists.

        Where both are sorted apart, a gap is where as many have ended as have begun: twice as fast as to sort pairs.
        """
        starts.sort()
        ends.sort()
        bounds = starts[:1]
        for end, start in zip(ends, starts[1:], strict=False):
            if end < start:
                bounds += (end, start)
        if len(ends) == len(starts):
            bounds += ends[-1:]
        return IntervalSet(tuple(bounds))

    @staticmethod
    def from_ranges(ranges: Iterable[tuple[int, int]]) -> IntervalSet:
        """The union of ``(low, high)`` pairs, both ends included, in any order, overlapping or not."""
        spans = [span for span in ranges if span[0] <= span[1]]
        return IntervalSet.between([low for low, _ in spans], [high + 1 for _, high in spans])

    @staticmethod
    def union(sets: Sequence[IntervalSet]) -> IntervalSet:
        """The union of many sets, 40 times as fast as ``|`` one by one."""
        return IntervalSet.between([start for each in sets for start in each.bounds[::2]],
                                   [end for each in sets for end in each.bounds[1::2]])

    def ranges(self, top: int) -> Iterator[tuple[int, int]]:
        """``(low, high)`` pairs, both included, in order, of the part that is at most ``top``."""
        bounds = self.bounds
        for i in range(0, len(bounds), 2):
            low = bounds[i]
            high = bounds[i + 1] - 1 if i + 1 < len(bounds) else top
            if low > top:
                return
            yield low, min(high, top)

    def __contains__(self, value: int) -> bool:
        return bisect_right(self.bounds, value) & 1 == 1

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, IntervalSet) and self.bounds == other.bounds)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.bounds)
        return self._hash

    def __repr__(self) -> str:
        return f"IntervalSet({self.bounds})"

    def __and__(self, other: IntervalSet) -> IntervalSet:
        a, b = self.bounds, other.bounds
        if not a or not b:
            return EMPTY
        if a is b or b == _ALL:
            return self
        if a == _ALL:
            return other
        return _combined(self, other, "&")

    def __or__(self, other: IntervalSet) -> IntervalSet:
        a, b = self.bounds, other.bounds
        if not a or b == _ALL:
            return other
        if not b or a is b:
            return self
        return _combined(self, other, "|")

    def __sub__(self, other: IntervalSet) -> IntervalSet:
        a, b = self.bounds, other.bounds
        if not a or not b:
            return self
        if a is b or b == _ALL:
            return EMPTY
        return _combined(self, other, "-")

    def divide(self, other: IntervalSet) -> tuple[IntervalSet, IntervalSet]:
        """``(self & other, self - other)``."""
        if not other.bounds:
            return EMPTY, self
        return _divided(self, other)

    def __invert__(self) -> IntervalSet:
        bounds = self.bounds
        return IntervalSet(bounds[1:] if bounds and bounds[0] == 0 else (0, *bounds))

    def __le__(self, other: IntervalSet) -> bool:
        return not (self - other)

    def lowest(self) -> int:
        """The smallest member. Raises IndexError for the empty set."""
        return self.bounds[0]

    def size(self, top: int) -> int:
        """How many members are at most ``top``."""
        return sum(high - low + 1 for low, high in self.ranges(top))


def _combined(a: IntervalSet, b: IntervalSet, operator: str) -> IntervalSet:
    """With a memory, since verdicts ask the same questions over and over: 1,000 containers behind one list of 30,000
    blocked networks intersect the same sets 1,000 times. Without it they take 100 times as long."""
    return (_of_small if len(a.bounds) + len(b.bounds) < _LARGE else _of_large)(a, b, operator)


def _combine(a: IntervalSet, b: IntervalSet, operator: str) -> IntervalSet:
    if operator == "&":
        out = _intersect(a.bounds, b.bounds)
    elif operator == "-":
        out = _intersect(a.bounds, (~b).bounds)
    else:
        out = ~_intersect((~a).bounds, (~b).bounds)
    return the_one(out)


def _intersect(large: tuple[int, ...], small: tuple[int, ...]) -> IntervalSet:
    """For each interval of the smaller set what the larger one has inside."""
    if len(large) < len(small):
        large, small = small, large
    out: list[int] = []
    i, count = 0, len(small)
    for k in range(0, count, 2):
        low = small[k]
        i = bisect_right(large, low, i)
        if i & 1:
            out.append(low)
        if k + 1 == count:
            out += large[i:]
            break
        high = small[k + 1]
        j = bisect_left(large, high, i)
        out += large[i:j]
        if j & 1:
            out.append(high)
        i = j
    return IntervalSet(tuple(out))


def _divide(a: IntervalSet, b: IntervalSet) -> tuple[IntervalSet, IntervalSet]:
    return a & b, a - b


def united(sets: tuple[IntervalSet, ...]) -> IntervalSet:
    """The union of a few sets, with a memory."""
    return sets[0] if len(sets) == 1 else _united(sets)


@lru_cache(maxsize=1 << 12)
def _united(sets: tuple[IntervalSet, ...]) -> IntervalSet:
    return IntervalSet.union(sets)


@lru_cache(maxsize=1 << 12)
def overlap(sets: tuple[IntervalSet, ...]) -> IntervalSet:
    """What is in more than one of the sets, with a memory."""
    *seen, last = sets
    shared = EMPTY
    before = seen[0] if seen else EMPTY
    for each in seen[1:]:
        shared = shared | (before & each)
        before = before | each
    return shared | (before & last)


def the_one(values: IntervalSet) -> IntervalSet:
    """Of a large set the one that stands for all that are like it. To find a set in a memory is quick where it is the
    one that was put there, and takes 40 µs where it is only like it (30,000 networks)."""
    return values if len(values.bounds) < _LARGE else _remembered(values)


@lru_cache(maxsize=1 << 10)
def _remembered(large: IntervalSet) -> IntervalSet:
    return large


_ALL = (0,)
_LARGE = 64
_of_small = lru_cache(maxsize=1 << 15)(_combine)
_of_large = lru_cache(maxsize=1 << 10)(_combine)
_divided = lru_cache(maxsize=1 << 12)(_divide)
EMPTY = IntervalSet()
ALL = IntervalSet(_ALL)
