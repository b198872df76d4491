"""Base chains of one priority: all orders, where they make a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwaudit.model.condition import In, Masked
from fwaudit.model.ruleset import Accept, Chain, Dnat, Drop, Rule, Ruleset, SetMark, Table, Target
from fwaudit.model.snapshot import Snapshot
from fwaudit.netfilter.facts import facts_of
from fwaudit.packet.fields import STATE_NEW
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.state import PacketState
from fwaudit.path.tables import Tables
from fwaudit.path.walk import Walk, World

MARKED = Masked("mark", 1, 1)
TURNED = In("dst", IntervalSet.of(2))


def chain(target: Target, condition: In | Masked | None = None, priority: int = 0, kind: str = "filter") -> Chain:
    conditions = () if condition is None else (condition,)
    return Chain("c", (Rule(conditions, target, "x", 1),), "prerouting", priority, kind)  # type: ignore[arg-type]


def nat(to: int, priority: int = -100) -> Chain:
    return chain(Dnat((to, to), None, 4), None, priority, "nat")


@pytest.mark.parametrize(("first", "second", "ways"), [
    (chain(Drop()), chain(Accept()), {"dropped"}),
    (chain(SetMark("mark", 1)), chain(Drop(), MARKED), {"dropped", "1"}),
    (chain(SetMark("mark", 1)), chain(Drop(), MARKED, 1), {"dropped"}),
    (chain(Drop(), MARKED), chain(SetMark("mark", 1), None, 1), {"1"}),
    (nat(2), nat(3), {"2", "3"}),
    (nat(2), nat(3, -99), {"2"}),
    (nat(2), chain(Drop(), TURNED, -100), {"dropped", "2"}),
    (nat(2), chain(Drop(), TURNED, -99), {"dropped"}),
    (chain(Drop(), TURNED, -101), nat(2), {"2"}),
])
def test_orders(first: Chain, second: Chain, ways: set[str]) -> None:
    tables = tuple(Table("native", "ip", name, {"c": each}) for name, each in (("a", first), ("b", second)))
    for some in (tables, tables[::-1]):
        host = replace(parse_host(Snapshot({})), ruleset=Ruleset(some))
        walk = Walk(Tables(host, facts_of(host)), host, 4)
        worlds = walk.hook([World(PacketState(4, 6, dst=1, dport=80, iif="eth0"), ALL)], "prerouting", "eth0")
        assert {str(w.state.dst) for w in worlds} | {end.disposition for end in walk.ends} == ways


def ways(*chains: Chain, answer: bool = False) -> set[str]:
    host = replace(parse_host(Snapshot({})), ruleset=Ruleset(tuple(
        Table("native", "ip", f"t{number}", {"c": each}) for number, each in enumerate(chains))))
    walk = Walk(Tables(host, facts_of(host)), host, 4)
    state = PacketState(4, 6, dst=1, dport=80, iif="eth0")
    if answer:  # to a connection whose source, 7, was translated to 1
        state = state._replace(ct_direction=1, ct_snat=1, orig_src=7, orig_sport=80, answers=(1, 0))
    worlds = walk.hook([World(state, ALL)], "prerouting", "eth0")
    return {str(world.state.mark) for world in worlds} | {
        end.disposition + (": " + end.reason if end.reason else "") for end in walk.ends}


def mark(value: int, condition: In | Masked | None = None, priority: int = 0) -> Chain:
    return chain(SetMark("mark", value), condition, priority)


def test_three_chains_run_in_any_order() -> None:
    """Of three that write a mark, any may be the last one; as listed and reversed would miss the middle one."""
    assert ways(mark(1), mark(2), mark(3)) == {"1", "2", "3"}
    assert ways(mark(1), mark(2), chain(Drop(), MARKED), chain(Accept())) == {"1", "2", "dropped"}
    assert ways(mark(1), mark(2, priority=1), chain(Drop(), MARKED)) == {"2", "dropped"}


def test_more_orders_than_are_walked_leave_it_undecided() -> None:
    many = [mark(1 << number) for number in range(5)]
    assert ways(*many[:4]) == {"1", "2", "4", "8"}
    assert ways(*many) == {"undecided: the order of the chains of one priority on prerouting"}
    assert ways(*[chain(Drop(), MARKED)] * 300) == {"0"}  # which have nothing to do with one another


@pytest.mark.parametrize(("priority", "expected"), [(-201, {"0"}), (-200, {"0", "1"}), (-199, {"1"})])
def test_connection_tracking_stands_in_line_with_chains_of_its_priority(priority: int, expected: set[str]) -> None:
    assert ways(mark(1, In("ct_state", IntervalSet.of(STATE_NEW)), priority)) == expected
    assert ways(mark(1, In("proto", IntervalSet.of(6)), priority)) == {"1"}


@pytest.mark.parametrize(("priority", "expected"), [(-101, {"0"}), (-100, {"0", "1"}), (-99, {"1"})])
def test_an_answer_is_turned_back_among_chains_of_the_priority_of_nat(priority: int, expected: set[str]) -> None:
    assert ways(mark(1, In("dst", IntervalSet.of(7)), priority), answer=True) == expected
