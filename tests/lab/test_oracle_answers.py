"""Random rulesets, and connections through them: a packet is delivered where its answer gets back to the client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import grammar_case
import pytest
from oracle_answers import AnswerPredictor, connect, faults
from oracle_namespace import LoadError
from oracle_world import World
from requirements import requires

pytestmark = pytest.mark.lab
CASES, PACKETS = 12, 200


@pytest.fixture
def world() -> Iterator[World]:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    made = World()
    yield made
    made.close()


def compare(world: World, seed: str, profile: str) -> Counter[str]:
    """One case: what becomes of the answers, and what the engine says of it."""
    counts: Counter[str] = Counter()
    case, pool = grammar_case.make_case(seed, profile)
    try:
        world.load(case)
        predictor = AnswerPredictor(world.snapshot(case))
    except LoadError:
        return counts
    asked = [each for each in grammar_case.make_packets(seed, pool, case, PACKETS) if predictor.is_plain(each)]
    for packet, connection in connect(world, asked).items():
        if not predictor.is_fair(packet, connection, bool(case.routing)):
            continue
        counts["arrived"] += 1
        counts["answered"] += connection.answered
        for said in predictor.dispositions(packet):
            assert not faults(connection, said), (seed, profile, packet, connection, said)
            counts["undecided"] += "undecided" in said
    return counts


@pytest.mark.parametrize("profile", grammar_case.PROFILES)
def test_answers_get_back_where_the_engine_says(world: World, profile: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(CASES):
        counts += compare(world, f"a{seed}", profile)
    assert counts["arrived"] > 250 and counts["answered"] > 150, counts
    assert counts["undecided"] < 2 * counts["arrived"] * 0.4, counts  # mostly on zones (-j CT --zone)


@pytest.mark.parametrize(("seed", "profile"), [
    ("a201", "native"),  # the answer meets the ingress chain of the interface that it comes in by
    ("a83", "routing"),  # and rp_filter
    ("a3", "native"), ("a44", "filter"),  # IPv6 forwards nothing from a link's own address or from nobody
    ("a105", "native"), ("a151", "legacy"),  # but on the link itself
    ("a1186", "mixed"), ("a1599", "native"),  # SNAT on input: the answer is routed again once it is turned back
    ("a1435", "legacy"), ("a1482", "iptables"),  # rules give the answer another zone than its connection's
])
def test_what_was_found(world: World, seed: str, profile: str) -> None:
    assert compare(world, seed, profile)["arrived"]
