"""IntervalSet and Bounds against Python's own sets, on a universe small enough to list."""

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from fwaudit.packet.bounds import MAYBE, NO, YES, Bounds, exactly
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

TOP = 40
UNIVERSE = frozenset(range(TOP + 1))
values = st.integers(0, TOP)
sets = st.lists(values, unique=True, max_size=14).map(lambda cuts: IntervalSet(tuple(sorted(cuts))))


def members(some: IntervalSet) -> frozenset[int]:
    """By asking for each number, which `__contains__` answers."""
    return frozenset(x for x in UNIVERSE if x in some)


@given(sets, sets)
def test_the_operators_are_those_of_sets(a: IntervalSet, b: IntervalSet) -> None:
    assert members(a & b) == members(a) & members(b)
    assert members(a | b) == members(a) | members(b)
    assert members(a - b) == members(a) - members(b)
    assert members(~a) == UNIVERSE - members(a)


@given(sets, sets, sets)
def test_laws_that_hold_beyond_the_universe(a: IntervalSet, b: IntervalSet, c: IntervalSet) -> None:
    assert ~~a == a
    assert a & b == b & a and a | b == b | a
    assert (a & b) & c == a & (b & c) and (a | b) | c == a | (b | c)
    assert a & (b | c) == (a & b) | (a & c) and a | (b & c) == (a | b) & (a | c)
    assert ~(a & b) == ~a | ~b and ~(a | b) == ~a & ~b
    assert a & ~a == EMPTY and a | ~a == ALL
    assert a & a == a | a == a | EMPTY == a & ALL == a - EMPTY == a
    assert a - a == a - ALL == EMPTY and ALL - a == ~a
    assert (a - b) | (a & b) == a


@given(sets, sets)
def test_every_set_has_one_form(a: IntervalSet, b: IntervalSet) -> None:
    for some in (a & b, a | b, a - b, ~a, IntervalSet.from_ranges(a.ranges(TOP))):
        assert all(low < high for low, high in pairwise(some.bounds))
    assert (a == b) == (not (a - b) and not (b - a))
    assert a != b or hash(a) == hash(b)


@given(sets, sets)
def test_subset(a: IntervalSet, b: IntervalSet) -> None:
    assert (a <= b) == (a & b == a) == (a | b == b)
    assert a & b <= a <= a | b


@given(sets, values)
def test_ranges_size_and_lowest(a: IntervalSet, top: int) -> None:
    inside = sorted(x for x in members(a) if x <= top)
    ranges = list(a.ranges(top))
    assert [x for low, high in ranges for x in range(low, high + 1)] == inside
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(ranges))
    assert a.size(top) == len(inside)
    assert bool(a) == (a != EMPTY)
    if inside:
        assert a.lowest() == inside[0]


@given(st.lists(st.tuples(values, values), max_size=8))
def test_from_ranges_is_the_union(pairs: list[tuple[int, int]]) -> None:
    wanted = {x for low, high in pairs for x in range(low, high + 1)}
    assert members(IntervalSet.from_ranges(pairs)) == wanted
    union = EMPTY
    for low, high in pairs:
        union = union | IntervalSet.range(low, high)
    assert union == IntervalSet.from_ranges(pairs)
    assert IntervalSet.union([IntervalSet.range(low, high) for low, high in pairs]) == union
    assert IntervalSet.union([~IntervalSet.range(low, high) for low, high in pairs] or [EMPTY]) == ~shared(pairs)


def shared(pairs: list[tuple[int, int]]) -> IntervalSet:
    out = ALL
    for low, high in pairs:
        out = out & IntervalSet.range(low, high)
    return out


@given(st.lists(values))
def test_of_single_values(some: list[int]) -> None:
    assert members(IntervalSet.of(*some)) == set(some)


# ---- what is known only between two sets ----------------------------------------------------------------------------

bounds = st.tuples(sets, sets).map(lambda pair: Bounds(pair[0] & pair[1], pair[0]))


def truth(some: Bounds, value: int) -> bool | None:
    return True if value in some.certainly else None if value in some.possibly else False


def kleene_and(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else None if a is None or b is None else True


def kleene_or(a: bool | None, b: bool | None) -> bool | None:
    return True if a is True or b is True else None if a is None or b is None else False


@given(bounds, bounds)
def test_connectives_are_kleenes_at_every_address(a: Bounds, b: Bounds) -> None:
    for x in UNIVERSE:
        assert truth(a.both(b), x) == kleene_and(truth(a, x), truth(b, x))
        assert truth(a.either(b), x) == kleene_or(truth(a, x), truth(b, x))
        negated = truth(a, x)
        assert truth(a.neither(), x) == (None if negated is None else not negated)


@given(bounds, bounds)
def test_what_is_certain_stays_possible(a: Bounds, b: Bounds) -> None:
    for some in (a.both(b), a.either(b), a.neither()):
        assert some.certainly <= some.possibly
    assert a.neither().neither() == a
    assert a.both(b).neither() == a.neither().either(b.neither())


def test_constants() -> None:
    for some, wanted in ((YES, True), (NO, False), (MAYBE, None)):
        assert truth(some, 7) is wanted and truth(some, 1 << 127) is wanted
    for a, b in product((YES, NO, MAYBE), repeat=2):
        assert truth(a.both(b), 3) == kleene_and(truth(a, 3), truth(b, 3))
        assert truth(a.either(b), 3) == kleene_or(truth(a, 3), truth(b, 3))


@given(sets)
def test_a_known_set_is_never_in_doubt(a: IntervalSet) -> None:
    assert all(truth(exactly(a), x) == (x in a) for x in UNIVERSE)
