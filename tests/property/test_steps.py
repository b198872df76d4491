"""StepFunction and its pool against evaluation one address at a time."""

from hypothesis import given
from hypothesis import strategies as st
from test_intervals import TOP, UNIVERSE, sets

from fwaudit.packet.intervals import IntervalSet
from fwaudit.packet.steps import StepFunction, StepPool, support

outcomes = st.integers(0, 3)
Table = list[tuple[int, int]]
tables = st.lists(st.tuples(st.integers(1, TOP), outcomes), max_size=8).map(
    lambda pairs: [(0, len(pairs) % 4), *sorted(dict(pairs).items())])
layers = st.lists(st.tuples(sets, outcomes), max_size=8)
ADDRESSES = (*sorted(UNIVERSE), 1 << 32, 1 << 128)


def at(pairs: Table, address: int) -> int:
    return [value for start, value in pairs if start <= address][-1]


@given(tables)
def test_build(pairs: Table) -> None:
    made = StepPool().build(pairs)
    assert [made.at(x) for x in ADDRESSES] == [at(pairs, x) for x in ADDRESSES]
    assert made.starts[0] == 0 and list(made.starts) == sorted(set(made.starts))
    assert all(a != b for a, b in zip(made.values, made.values[1:], strict=False)), "equal neighbours are one"


@given(tables)
def test_cells_and_areas_say_the_same(pairs: Table) -> None:
    made = StepPool().build(pairs)
    for start, end, value in made.cells():
        assert made.at(start) == value and (end is None or made.at(end - 1) == value)
    areas = made.by_value()
    for x in ADDRESSES:
        assert [value for value, area in areas.items() if x in area] == [made.at(x)]
    for top in (1, ADDRESSES[len(ADDRESSES) // 2], ADDRESSES[-1], ADDRESSES[-1] + 1):
        below = IntervalSet((0, top))
        cut = {value: area & below for value, area in areas.items() if area & below}
        assert dict(made.by_value(top)) == cut
    for wanted in range(4):
        assert support(made, lambda value, wanted=wanted: value == wanted) == areas.get(wanted, IntervalSet())


@given(layers, tables)
def test_paint_lets_the_first_layer_decide(painted: list[tuple[IntervalSet, int]], ground: Table) -> None:
    pool = StepPool()
    made = pool.paint(painted, pool.build(ground))
    for x in ADDRESSES:
        wanted = next((value for area, value in painted if x in area), at(ground, x))
        assert made.at(x) == wanted


@given(tables, tables)
def test_combine_joins_at_every_address(f: Table, g: Table) -> None:
    pool = StepPool()
    made = pool.combine(pool.build(f), pool.build(g), lambda a, b: 10 * a + b)
    assert [made.at(x) for x in ADDRESSES] == [10 * at(f, x) + at(g, x) for x in ADDRESSES]


@given(tables)
def test_map_changes_every_value(f: Table) -> None:
    pool = StepPool()
    made = pool.map(pool.build(f), lambda value: value // 2)
    assert [made.at(x) for x in ADDRESSES] == [at(f, x) // 2 for x in ADDRESSES]


@given(tables, outcomes)
def test_combine_with_a_constant(f: Table, value: int) -> None:
    pool = StepPool()
    some, constant = pool.build(f), pool.constant(value)
    left = pool.combine(constant, some, lambda a, b: 10 * a + b)
    right = pool.combine(some, constant, lambda a, b: 10 * a + b)
    assert [left.at(x) for x in ADDRESSES] == [10 * value + at(f, x) for x in ADDRESSES]
    assert [right.at(x) for x in ADDRESSES] == [10 * at(f, x) + value for x in ADDRESSES]


@given(sets, tables, tables)
def test_choose_takes_one_inside_and_the_other_outside(area: IntervalSet, inside: Table, outside: Table) -> None:
    pool = StepPool()
    made = pool.choose(area, pool.build(inside), pool.build(outside))
    assert [made.at(x) for x in ADDRESSES] == [at(inside if x in area else outside, x) for x in ADDRESSES]


@given(layers, tables, tables, sets)
def test_equal_functions_are_one_object(
    painted: list[tuple[IntervalSet, int]], f: Table, g: Table, area: IntervalSet
) -> None:
    pool = StepPool()
    a, b = pool.build(f), pool.build(g)
    made: list[StepFunction] = [
        a, b, pool.paint(painted, a), pool.combine(a, b, min), pool.choose(area, a, b), *map(pool.constant, range(4))]
    for some in made:
        for other in made:
            assert (some is other) == ([some.at(x) for x in ADDRESSES] == [other.at(x) for x in ADDRESSES])
