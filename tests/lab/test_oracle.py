"""Random rulesets in a kernel, random packets into it: where they arrive is where the engine says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from oracle import Tally, compare, table
from oracle_world import Verdict, World
from requirements import requires

pytestmark = pytest.mark.lab


@pytest.fixture
def world() -> Iterator[World]:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    made = World()
    yield made
    made.close()


def arrival(verdict: Verdict) -> tuple[str, str, int, int] | None:
    """Where a packet arrives; None where it does not, however it is lost."""
    if verdict.kind not in ("input", "out"):
        return None
    return verdict.kind, verdict.oif, verdict.dst, verdict.dport


def test_packets_arrive_where_the_engine_says(world: World) -> None:
    """10,000 packets. How a lost one is lost, and what source masquerading gives it, stays out of it."""
    tally = Tally()
    for seed in range(50):
        compare(world, str(seed), 200, tally)
    wrong = [each for each in tally.disagreements
             if arrival(each.kernel) not in {arrival(way) for way in each.engine.ways}]
    assert not wrong, (len(wrong), wrong[0])
    assert tally.packets == 10_000
    arrived = sum(count for (kernel, _), count in tally.matrix.items() if kernel in ("input", "out"))
    assert 2_000 < arrived < 8_000, "\n".join(table(tally))  # packets on both sides, or the test says nothing
