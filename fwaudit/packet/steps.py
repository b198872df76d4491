"""StepFunction: peer address → value, constant between the places where it changes. Hash-consed.

Two functions that are alike are one object, so that results of composing them can be remembered by identity; that
memory is what makes 1,000 containers behind one block list of 30,000 networks as cheap as one (docs/performance.md).
Values are small integers whose meaning the user of the algebra keeps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, zip_longest
from operator import eq

from fwaudit.packet.intervals import EMPTY, IntervalSet, the_one


class StepFunction:
    """``values[i]`` holds from ``starts[i]`` up to the next start. ``starts[0]`` is 0; the last value has no end."""

    __slots__ = ("_by_value", "_top", "starts", "values")

    def __init__(self, starts: tuple[int, ...], values: tuple[int, ...]) -> None:
        self.starts = starts
        self.values = values
        self._by_value: dict[int, IntervalSet] | None = None
        self._top: int | None = None

    def at(self, address: int) -> int:
        """The value at one address."""
        return self.values[bisect_right(self.starts, address) - 1]

    def cells(self) -> Iterator[tuple[int, int | None, int]]:
        """``(start, end or None, value)`` in order; ``end`` is the first address that is not in the cell."""
        starts = self.starts
        for i, value in enumerate(self.values):
            yield starts[i], (starts[i + 1] if i + 1 < len(starts) else None), value

    def by_value(self, top: int | None = None) -> dict[int, IntervalSet]:
        """The addresses below ``top`` of each value; None: all. Computed once, since a function stands for many
        questions; cutting each area at the end of a family's addresses would take half as long again."""
        if self._by_value is None or self._top != top:
            self._by_value, self._top = self._areas(top), top
        return self._by_value

    def _areas(self, top: int | None) -> dict[int, IntervalSet]:
        places, values = self.starts, self.values
        if top is not None:
            count = bisect_left(places, top)
            places, values = (*places[:count], top), values[:count]
        first, *others = dict.fromkeys(values)
        if not others:
            return {first: IntervalSet(places)}
        if len(others) == 1:  # neighbours differ, so the two take turns
            rest = places[1:]
            if top is not None:  # every cell has an end, so of both an even number of borders
                places, rest = places[: len(places) & ~1], rest[: len(rest) & ~1]
            return {first: the_one(IntervalSet(places)), others[0]: the_one(IntervalSet(rest))}
        bounds: dict[int, list[int]] = {value: [] for value in (first, *others)}
        for start, end, value in zip_longest(places[: len(values)], places[1:], values):
            out = bounds[value]
            if out and out[-1] == start:
                out.pop()
            else:
                out.append(start)
            if end is not None:
                out.append(end)
        return {value: the_one(IntervalSet(tuple(out))) for value, out in bounds.items()}


class StepPool:
    """Makes StepFunctions and keeps each one once."""

    def __init__(self) -> None:
        self._pool: dict[tuple[tuple[int, ...], tuple[int, ...]], StepFunction] = {}
        self._constants: dict[int, StepFunction] = {}
        self.borders = 0  # of all functions

    def __len__(self) -> int:
        return len(self._pool)

    def constant(self, value: int) -> StepFunction:
        """The function that is ``value`` everywhere."""
        found = self._constants.get(value)
        if found is None:
            found = self._constants[value] = self._intern((0,), (value,))
        return found

    def build(self, pairs: Iterable[tuple[int, int]]) -> StepFunction:
        """From ``(start, value)`` in order of start, the first start being 0; equal neighbours are joined."""
        starts: list[int] = []
        values: list[int] = []
        for start, value in pairs:
            if values and values[-1] == value:
                continue
            starts.append(start)
            values.append(value)
        return self._intern(tuple(starts), tuple(values))

    def _intern(self, starts: tuple[int, ...], values: tuple[int, ...]) -> StepFunction:
        key = (starts, values)
        found = self._pool.get(key)
        if found is None:
            found = self._pool[key] = StepFunction(starts, values)
            self.borders += len(starts)
        return found

    def paint(self, layers: list[tuple[IntervalSet, int]], ground: StepFunction) -> StepFunction:
        """Layers painted over ``ground``, the last layer first: the first layer that holds an address decides.

        Linear in all boundaries after one sort (the fastest of the measured ways, docs/performance.md).
        """
        cuts = set(ground.starts)
        for area, _ in layers:
            cuts.update(area.bounds)
        places = sorted(cuts)
        count = len(places)
        index = {place: i for i, place in enumerate(places)}
        values: list[int] = []
        starts = ground.starts
        for i, value in enumerate(ground.values):
            end = index[starts[i + 1]] if i + 1 < len(starts) else count
            values += [value] * (end - index[starts[i]])
        # First match wins, so a cell is painted once: skip[] leads over cells that are done to the next open one.
        skip = list(range(count + 1))

        def next_open(i: int) -> int:
            while skip[i] != i:
                skip[i] = skip[skip[i]]
                i = skip[i]
            return i

        for area, value in layers:
            bounds = area.bounds
            for k in range(0, len(bounds), 2):
                i = next_open(index[bounds[k]])
                end = index[bounds[k + 1]] if k + 1 < len(bounds) else count
                while i < end:
                    values[i] = value
                    skip[i] = i + 1
                    i = next_open(i + 1)
        return self.build(zip(places, values, strict=True))

    def map(self, f: StepFunction, change: Callable[[int], int]) -> StepFunction:
        """The function x → change(f(x)). ``change`` is asked once for each value."""
        values = {value: change(value) for value in set(f.values)}
        if len(set(values.values())) == len(values):  # neighbours differ as before
            return self._intern(f.starts, tuple([values[value] for value in f.values]))
        return self.build(zip(f.starts, [values[value] for value in f.values], strict=True))

    def combine(self, f: StepFunction, g: StepFunction, join: Callable[[int, int], int]) -> StepFunction:
        """The function x → join(f(x), g(x)). Costs most at the borders of the one that has fewer."""
        if len(g.starts) == 1:
            constant = g.values[0]
            return self.map(f, lambda value: join(value, constant))
        if len(f.starts) == 1:
            constant = f.values[0]
            return self.map(g, lambda value: join(constant, value))
        few, many, turned = (f, g, False) if len(f.starts) <= len(g.starts) else (g, f, True)
        ends, seen = many.starts, many.values
        starts: list[int] = []
        values: list[int] = []
        known: dict[int, dict[int, int]] = {}
        place = 1
        last = len(ends)
        for start, end, here in few.cells():
            place = bisect_right(ends, start, place - 1)
            stop = last if end is None else bisect_left(ends, end, place)
            joined = known.get(here)
            if joined is None:
                joined = known[here] = {}
            part = seen[place - 1 : stop]
            found = set()
            for value in set(part):
                if value not in joined:
                    joined[value] = join(value, here) if turned else join(here, value)
                found.add(joined[value])
            first = len(starts)
            if len(found) == 1:  # as where a packet is dropped before it gets there
                starts.append(start)
                values.append(found.pop())
            else:
                starts += (start, *ends[place:stop])
                values += [joined[value] for value in part]
            if first and values[first] == values[first - 1]:
                del starts[first], values[first]
            place = max(stop, 1)
        if any(map(eq, values, islice(values, 1, None))):
            return self.build(zip(starts, values, strict=True))
        return self._intern(tuple(starts), tuple(values))

    def choose(self, area: IntervalSet, inside: StepFunction, outside: StepFunction) -> StepFunction:
        """``inside`` on ``area``, ``outside`` elsewhere. Costs what lies at the smaller side's borders."""
        if inside is outside or not area.bounds:
            return outside
        if area.bounds == (0,):
            return inside
        bounds = area.bounds
        if len(inside.starts) == len(outside.starts) == 1:
            one, other = inside.values[0], outside.values[0]
            starts = bounds
            if bounds[0]:
                one, other, starts = other, one, (0, *bounds)
            return self._intern(starts, ((one, other) * (len(starts) // 2 + 1))[: len(starts)])
        out: list[tuple[int, int]] = []
        edge, k, current = 0, 0, outside
        if bounds[0] == 0:
            current, k = inside, 1
        while True:
            end = bounds[k] if k < len(bounds) else None
            _copy(current, edge, end, out)
            if end is None:
                return self.build(out)
            edge, k = end, k + 1
            current = outside if current is inside else inside


def _copy(f: StepFunction, start: int, end: int | None, out: list[tuple[int, int]]) -> None:
    """Append f's cells between ``start`` and ``end`` to ``out``."""
    starts = f.starts
    i = bisect_right(starts, start) - 1
    out.append((start, f.values[i]))
    stop = len(starts) if end is None else bisect_left(starts, end)
    out.extend(zip(starts[i + 1 : stop], f.values[i + 1 : stop], strict=True))


def support(f: StepFunction, wanted: Callable[[int], bool]) -> IntervalSet:
    """All addresses whose value is wanted."""
    out = EMPTY
    for value, area in f.by_value().items():
        if wanted(value):
            out = out | area
    return out
