"""The engine's path of a packet is the kernel's: the same rules, in the same order."""

from __future__ import annotations

from collections import Counter

import pytest
from campaign import Plan, Result
from prove_trace import PROFILES, trace_unit
from requirements import requires

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("profile", PROFILES)
def test_packets_meet_the_rules_that_the_engine_names(profile: str) -> None:
    requires("iptables-nft-restore", "nft", "ipset", "ip", root=True)
    result = Result()
    for unit in range(12):
        result.add(trace_unit(Plan("trace", 0, profile, 50), unit))
    found = Counter({key[1]: count for key, count in result.counts.items()})
    assert not result.findings, (len(result.findings), result.findings[0])
    assert found["same"] > 300 and found["rules"] > 200, found  # rules were met, or the test says nothing
    assert found["doubtful"] + found["undecided"] < found["packets"] / 5, found


@pytest.mark.parametrize(("seed", "profile", "same"), [
    # chains of one priority: the last one goes first
    (125, "mixed", 41), (316, "native", 41), (94, "native", 41), (382, "native", 41),
    (66, "iptables", 41),  # what a rule behind a template asks of the connection, no snapshot tells
    (26600044, "native", 50),  # a rule of ingress that sets nftrace itself
    (9, "mixed", 45),  # a source that no wire may bring, which meets ingress before it is thrown away
    (27200096, "mixed", 24),  # a rule that marks every second packet and then does not match
])
def test_what_a_campaign_has_found(seed: int, profile: str, same: int) -> None:
    requires("iptables-nft-restore", "nft", "ipset", "ip", root=True)
    found = trace_unit(Plan("trace", seed, profile, 50), 0)
    assert not found.findings, found.findings[0]
    assert found.counts[profile, "same"] >= same
