"""Base chains of one priority: both orders, where they make a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwaudit.model.condition import In, Masked
from fwaudit.model.ruleset import Accept, Chain, Dnat, Drop, Rule, Ruleset, SetMark, Table, Target
from fwaudit.model.snapshot import Snapshot
from fwaudit.netfilter.facts import facts_of
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
