"""Recorded hosts, rebuilt and probed again: the kernel has to do what it did when they were recorded.

By default each scenario is rebuilt once, as one of the engines left it, in turn; with FWAUDIT_REPLAY=all as every one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

import captures
import pytest
from fixes import EXCEPT
from replay import Replay
from requirements import SBIN, requires

pytestmark = pytest.mark.lab

UNREADABLE = frozenset({"d26/nft_table_forward_drop", "d28/nft_table_forward_drop", "d29nft/nft_table_forward_drop",
                        "d29nft/nftb_admin_drop"})
"""nft before 1.1 refuses `ct original proto-dst` without a protocol before it, and its successors list it so. Such an
nft is not asked to."""


def _nft_is_old() -> bool:
    if shutil.which("nft", path=SBIN) is None:
        return False
    said = subprocess.run(["nft", "--version"], capture_output=True, text=True, env={"PATH": SBIN}, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) < (1, 1)


def sample() -> list[str]:
    """Every scenario once; the engines take turns."""
    readable = [name for name in captures.names() if name not in UNREADABLE or not _nft_is_old()]
    if os.environ.get("FWAUDIT_REPLAY") == "all":
        return readable
    engines: dict[str, list[str]] = {}
    for name in readable:
        engines.setdefault(name.partition("/")[2], []).append(name)
    return sorted(names[number % len(names)] for number, names in enumerate(engines.values()))


def _rebuild(name: str) -> Replay:
    requires("ip", "nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore", root=True)
    return Replay(captures.case(name))


def _differing(replay: Replay, probes: list[dict[str, Any]]) -> list[tuple[dict[str, Any], object]]:
    return [(probe, outcome) for probe, outcome in zip(probes, replay.fire(probes), strict=True)
            if outcome.by != probe.get("by")]


@pytest.mark.parametrize("name", sample())
def test_the_kernel_does_again_what_it_did(name: str) -> None:
    key, value, _ = EXCEPT.get(name.partition("/")[2], ("", None, ""))
    probes = [probe for probe in captures.case(name).truth if not key or probe[key] != value]
    with _rebuild(name) as replay:
        differing = _differing(replay, probes)
        if differing:  # once more, on a machine that may have been too busy to answer
            differing = _differing(replay, [probe for probe, _ in differing])
        assert not differing


def test_a_rule_that_is_added_to_a_replay_counts() -> None:
    """So a change of rules can be tried on a recorded host before anybody makes it on a real one."""
    probe = {"from": "pub", "src": "198.51.100.7", "dst": "203.0.113.10", "dport": 8080, "proto": "tcp"}
    with _rebuild("d20/publish_v4_only") as replay:
        assert [outcome.by for outcome in replay.fire([probe])] == ["web"]
        replay.host.run(["iptables-nft", "-I", "DOCKER-USER", "-i", "eth0", "-p", "tcp", "-m", "conntrack",
                         "--ctorigdstport", "8080", "--ctdir", "ORIGINAL", "-j", "DROP"])
        assert [outcome.how for outcome in replay.fire([probe])] == ["timeout"]
