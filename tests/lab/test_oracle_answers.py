"""Random rulesets, and connections through them: a packet is delivered where its answer gets back to the client."""

from __future__ import annotations

from collections import Counter

import grammar_case
import pytest
from campaign import Plan, Result
from oracle_answers import faults
from prove_answers import answers_unit, connections
from requirements import requires

pytestmark = pytest.mark.lab
CASES, PACKETS = 12, 200


def compared(profile: str, seed: int, units: int = 1) -> Counter[str]:
    """What became of the connections of some cases; fails where the engine says otherwise."""
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    result = Result()
    for unit in range(units):
        result.add(answers_unit(Plan("answers", seed, profile, PACKETS), unit))
    assert not result.findings, (len(result.findings), result.findings[0])
    return Counter({key[1]: count for key, count in result.counts.items()})


@pytest.mark.parametrize("profile", grammar_case.PROFILES)
def test_answers_get_back_where_the_engine_says(profile: str) -> None:
    counts = compared(profile, 0, CASES)
    assert counts["packets"] > 250 and counts["answered"] > 100, counts
    assert counts["undecided"] < counts["packets"] * 0.4, counts  # mostly on zones (-j CT --zone)


@pytest.mark.parametrize(("seed", "profile"), [
    ("a201", "native"),  # the answer meets the ingress chain of the interface that it comes in by
    ("a83", "routing"),  # and rp_filter
    ("a3", "native"), ("a44", "filter"),  # IPv6 forwards nothing from a link's own address or from nobody
    ("a105", "native"), ("a151", "legacy"),  # but on the link itself
    ("a1186", "mixed"), ("a1599", "native"),  # SNAT on input: the answer is routed again once it is turned back
    ("a1435", "legacy"), ("a1482", "iptables"),  # rules give the answer another zone than its connection's
])
def test_what_was_found(seed: str, profile: str) -> None:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    found = connections(seed, profile, PACKETS, Result())
    assert found
    for packet, connection, said in found:
        assert not [each for each in said if faults(connection, each)], (packet, connection, said)
