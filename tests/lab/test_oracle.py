"""Random rulesets in a kernel, random packets into it: where they arrive is where the engine says."""

from __future__ import annotations

import pytest
from campaign import Plan, Result
from grammar_case import PROFILES
from prove_oracle import oracle_unit
from prove_report import report
from requirements import requires

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("profile", PROFILES)
def test_packets_arrive_where_the_engine_says(profile: str) -> None:
    """2,000 packets. How a lost one is lost, and what source masquerading gives it, stays out of it."""
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    result = Result()
    for unit in range(10):
        result.add(oracle_unit(Plan("oracle", 0, profile, 200), unit))
    assert not result.findings, (len(result.findings), result.findings[0])
    assert result.counts[profile, "packets"] == 2_000
    arrived = sum(count for key, count in result.counts.items() if key[1] == "matrix" and key[2] in ("input", "out"))
    assert 400 < arrived < 1_600, report("oracle", result)  # packets on both sides, or the test says nothing
