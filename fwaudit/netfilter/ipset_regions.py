"""What the elements of a set cover together, with what its ``nomatch`` elements take away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.records import NamedTuple

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
    by_length: dict[int, dict[tuple[Value, ...] | None, list[IntervalSet]]] = {}
    for regions, matches in ((matching, True), (excluded, False)):
        for region in regions:
            alike = by_length.setdefault(region.lengths[0], {})
            alike.setdefault(region.values[1:] if matches else None, []).append(_sets(region)[0])
    for length in sorted(by_length, reverse=True):
        areas = {interface: IntervalSet.union(networks) for interface, networks in by_length[length].items()}
        for interface, area in areas.items():
            rest = area - covered
            if interface is not None and rest:
                left.append((rest, *interface))
        covered = covered | IntervalSet.union(list(areas.values()))
    return left


def without(region: Region, excluded: Iterable[Region]) -> list[tuple[IntervalSet, ...]]:
    """What is left of an element without an interface: a nomatch element whose networks are more specific takes its
    part away. Where there are two networks, the kernel tries all lengths of the second for each of the first."""
    left = [_sets(region)]
    for other in excluded:
        if other.lengths > region.lengths:
            left = [piece for values in left for piece in _minus(values, _sets(other))]
        elif other.lengths == region.lengths and all(
                a & b for a, b in zip(_sets(region), _sets(other), strict=True)):
            raise Unread("an element and a nomatch element of the same size overlap")
    return left


def _sets(region: Region) -> tuple[IntervalSet, ...]:
    return tuple([value for value in region.values if isinstance(value, IntervalSet)])


def _minus(values: tuple[IntervalSet, ...], other: tuple[IntervalSet, ...]) -> Iterable[tuple[IntervalSet, ...]]:
    """The parts of a product of sets outside of another one."""
    common = [a & b for a, b in zip(values, other, strict=True)]
    if not all(common):
        yield values
        return
    for at, mine in enumerate(values):
        if rest := mine - common[at]:
            yield (*common[:at], rest, *values[at + 1:])


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
