"""Random rulesets in a kernel, random packets into it: what becomes of them is what the engine says."""

from __future__ import annotations

from collections.abc import Iterator

import grammar_case
import pytest
from oracle import Tally, compare, table
from oracle_world import World
from requirements import requires

pytestmark = pytest.mark.lab

CASES, PACKETS = 25, 200


@pytest.fixture
def world() -> Iterator[World]:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize("profile", grammar_case.PROFILES)
def test_the_engine_says_what_the_kernel_does(world: World, profile: str) -> None:
    """5,000 packets of each profile: each arrives where the engine says, is refused or lost as it says, or is
    one of the few of which the engine says that it does not know."""
    tally = Tally()
    for seed in range(CASES):
        compare(world, str(seed), PACKETS, tally, profile)
    assert not tally.disagreements, (len(tally.disagreements), tally.disagreements[0])
    assert tally.cases == CASES - tally.refused
    assert tally.refused <= 2  # a grammar that no tool takes would prove nothing
    undecided = sum(count for (_, said), count in tally.matrix.items() if said == "undecided")
    assert undecided < 0.08 * tally.packets, "\n".join(table(tally))
    arrived = sum(count for (kernel, _), count in tally.matrix.items() if kernel in ("input", "out"))
    assert 0.15 < arrived / tally.packets < 0.85, "\n".join(table(tally))  # packets on both sides


@pytest.mark.parametrize(("seed", "profile"), [
    ("2001948", "native"), ("2002188", "native"),  # SNAT on input: rules behind it see the new source
    ("2002286", "legacy"),  # hash:net,iface: the longest prefix decides, whatever its interface
    ("18", "routing"),  # accept_local without rp_filter takes every source, whatever the policy rules say
    ("68", "routing"), ("162", "routing"),  # who may send to everybody, is asked without that address
    ("149", "routing"),  # of IPv6 routes of one metric that one is taken back over which the packet came in
    ("164", "routing"), ("176", "routing"), ("198", "routing"),  # suppress_prefixlength leaves alone what refuses
    ("424248", "native"),  # nft joins `tcp dport != 65535 tcp sport != 22` into one comparison, and lists two
])
def test_what_a_campaign_has_found(world: World, seed: str, profile: str) -> None:
    tally = Tally()
    compare(world, seed, 200, tally, profile)
    assert not tally.disagreements, tally.disagreements[0]
    assert tally.packets == 200
