"""Rulesets that nft itself printed, against what is read from them.

tests/data/nft/NAME.nft is the text, NAME.json what ``nft -j list ruleset`` printed after loading it (handles left out),
NAME.golden what is read. ``UPDATE_GOLDENS=1 pytest`` writes the goldens anew: read the difference before committing it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import _nft_compact as compact
import pytest
from _needs import needs

from fwaudit.netfilter import nft_json

DATA = Path(__file__).parent.parent / "data" / "nft"
NAMES = sorted(path.stem for path in DATA.glob("*.nft"))


def read(name: str) -> nft_json.NftRuleset:
    return nft_json.parse(json.loads((DATA / f"{name}.json").read_text()), source="nft/ruleset.json")


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    golden = DATA / f"{name}.golden"
    found = compact.ruleset(read(name))
    if os.environ.get("UPDATE_GOLDENS") == "1":
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_this_hosts_nft_prints_what_is_stored(name: str) -> None:
    """Load the text into a namespace of its own and read what this version of nft prints."""
    needs("root", "nft", "unshare")
    shell = f"ip link set lo up && nft -f {DATA / name}.nft && nft -j list ruleset"
    done = subprocess.run(["unshare", "-n", "bash", "-c", shell], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    found = nft_json.parse(json.loads(done.stdout), source="nft/ruleset.json")
    assert compact.ruleset(found) == compact.ruleset(read(name))


@pytest.mark.parametrize("name", ["docker", "netavark", "bans"])
def test_what_these_programs_write_is_understood_whole(name: str) -> None:
    text = compact.ruleset(read(name))
    assert "?(" not in text
    assert "undecidable" not in text


@pytest.mark.parametrize("name", [name for name in NAMES if name != "order"])
def test_rules_print_as_nft_prints_them(name: str) -> None:
    """Every line of nft's own text is the text of a rule, but for the numbers of counters."""
    needs("root", "nft", "unshare")
    shell = f"ip link set lo up && nft -f {DATA / name}.nft && nft -s list ruleset"
    done = subprocess.run(["unshare", "-n", "bash", "-c", shell], capture_output=True, text=True, timeout=60,
                          check=False)
    wanted = {line.strip() for line in done.stdout.splitlines() if line.startswith("\t\t")}
    ours = {rule.text for table in read(name).tables for chain in table.chains.values() for rule in _first(chain.rules)}
    assert sorted(ours - wanted - NOT_AS_PRINTED) == []


NOT_AS_PRINTED = {"ct expiration 10 accept", "update @dyn { ip saddr timeout 60s limit rate 5/second } accept",
                  "reject with icmp port-unreachable"}
"""Durations: the JSON has seconds, and nft prints them in words. What ``reject`` is short for depends on the family."""


def _first(rules: Any) -> Any:
    """The rules of a chain that stand for one nft rule each."""
    numbers = [rule.number for rule in rules]
    return [rule for rule in rules if rule.number and numbers.count(rule.number) == 1]
