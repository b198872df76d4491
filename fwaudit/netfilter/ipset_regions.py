"""What the elements of a set cover together, with what its ``nomatch`` elements take away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

Value = IntervalSet | str
"""One field of an element; an interface is a name, or its beginning with ``*`` behind it."""


class Unread(Exception):
    """The set holds what the model has no word for."""


class Region(NamedTuple):
    """What one element covers: a value for each kind, and how specific it is: the prefix lengths of its networks."""

    values: tuple[Value, ...]
    lengths: tuple[int, ...]


def nested(matching: Sequence[tuple[int, int]], excluded: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The ranges that match, of networks that lie in each other or apart: the innermost one decides."""
    spans = [(low, high, False) for low, high in matching] + [(low, high, True) for low, high in excluded]
    stack: list[list[int]] = []  # next address to say something of, last address, whether it matches

    def say(high: int) -> Iterable[tuple[int, int]]:
        if stack and stack[-1][2] and stack[-1][0] <= high:
            yield stack[-1][0], high

    for low, high, nomatch in [*sorted(spans, key=lambda span: (span[0], -span[1])), (1 << 128, 1 << 128, True)]:
        while stack and stack[-1][1] < low:
            yield from say(stack[-1][1])
            last = stack.pop()[1]
            if stack:
                stack[-1][0] = last + 1
        if stack and stack[-1][1] < high:
            raise Unread("ranges that overlap, beside nomatch elements")
        yield from say(low - 1)
        stack.append([low, high, not nomatch])


def innermost(matching: Sequence[Region], excluded: Sequence[Region]) -> list[tuple[Value, ...]]:
    """What is left of networks with an interface, where the longest prefix that holds an address decides, whatever its
    interface is: none that is shorter is looked at any more (ip_set_hash_netiface.c hash_netiface4_data_equal counts
    it in ``multi``, and ip_set_hash_gen.h mtype_test_cidrs ends there)."""
    left: list[tuple[Value, ...]] = []
    covered = EMPTY
    by_length: dict[int, list[tuple[Region, bool]]] = {}
    for regions, matches in ((matching, True), (excluded, False)):
        for region in regions:
            by_length.setdefault(region.lengths[0], []).append((region, matches))
    for length in sorted(by_length, reverse=True):
        areas = [(region.values[0], region, matches) for region, matches in by_length[length]]
        for area, region, matches in areas:
            if matches and isinstance(area, IntervalSet) and (rest := area - covered):
                left.append((rest, *region.values[1:]))
        covered = covered | IntervalSet.union([area for area, _, _ in areas if isinstance(area, IntervalSet)])
    return left


def without(region: Region, excluded: Iterable[Region]) -> list[tuple[Value, ...]]:
    """What is left of an element: a nomatch element whose networks are more specific takes its part away. Where there
    are two networks, the kernel tries all lengths of the second for each of the first."""
    left = [region.values]
    for other in excluded:
        if other.lengths > region.lengths:
            left = [piece for values in left for piece in _minus(values, other.values)]
        elif other.lengths == region.lengths and all(
                _common(a, b) for a, b in zip(region.values, other.values, strict=True)):
            raise Unread("an element and a nomatch element of the same size overlap")
    return left


def _minus(values: tuple[Value, ...], other: tuple[Value, ...]) -> Iterable[tuple[Value, ...]]:
    """The parts of a product of sets outside of another one."""
    common = [_common(a, b) for a, b in zip(values, other, strict=True)]
    if not all(common):
        yield values
        return
    for at, (mine, shared) in enumerate(zip(values, common, strict=True)):
        if isinstance(mine, str) or not isinstance(shared, IntervalSet):
            if mine != shared:
                raise Unread("a nomatch element takes single interfaces out of a wildcard")
        elif mine - shared:
            yield (*(part for part in common[:at] if part is not None), mine - shared, *values[at + 1:])


def _common(a: Value, b: Value) -> Value | None:
    """What two values have in common, None for nothing."""
    if isinstance(a, str) or isinstance(b, str):
        first, second = str(a), str(b)
        if first == second or (second.endswith("*") and first.startswith(second[:-1])):
            return first
        return second if first.endswith("*") and second.startswith(first[:-1]) else None
    return a & b or None


def joined(regions: Iterable[tuple[Value, ...]], at: int) -> list[tuple[Value, ...]]:
    """The same with those joined that differ in their first (``at`` 0) or last (-1) field only, where that is a set."""
    out: list[tuple[Value, ...]] = []
    alike: dict[tuple[Value, ...], list[IntervalSet]] = {}
    for values in regions:
        value = values[at]
        if isinstance(value, IntervalSet) and value != ALL:
            alike.setdefault(values[1:] if at == 0 else values[:-1], []).append(value)
        else:
            out.append(values)
    top = (1 << 128) - 1
    for rest, sets in alike.items():
        together = IntervalSet.from_ranges([span for each in sets for span in each.ranges(top)])
        out.append((together, *rest) if at == 0 else (*rest, together))
    return out
