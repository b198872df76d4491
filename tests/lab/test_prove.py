"""scripts/prove, killed in the middle and started again, counts what it would have counted in one go."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import prove_mutation
import pytest
from campaign import ROOT, Campaign, CampaignError, Plan, Result
from mutation import mutants, rule_places
from oracle_predict import Prediction, Predictor
from oracle_world import Verdict
from prove_mutation import mutation_unit
from prove_oracle import oracle_unit
from requirements import requires

pytestmark = pytest.mark.lab
PROVE = (sys.executable, str(ROOT / "scripts" / "prove"))
PACKETS = 8000


def command(*more: str) -> list[str]:
    return [*PROVE, "--packets", str(PACKETS), "--profile", "iptables", "--jobs", "2", *more]


def totals(state: Path) -> dict[str, Any]:
    """What does not depend on what the kernel draws by chance: units, packets, and what the engine said of them."""
    known = json.loads(state.read_text())
    counts: Counter[str] = Counter()
    for *key, count in known["counts"]:
        counts[f"engine: {key[3]}" if key[1] == "matrix" else " ".join(key)] += count
    return {"done": known["done"], **counts}


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    requires("iptables-nft-restore", "ip6tables-nft-restore", "nft", "ipset", "ip", root=True)
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    done = subprocess.run(command("--state", str(whole)), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr

    first = subprocess.Popen(command("--state", str(broken)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not broken.exists():
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = totals(broken)
    assert 0 < before["iptables packets"] < PACKETS

    second = subprocess.run(command("--state", str(broken)), capture_output=True, text=True, check=False)
    assert second.returncode == done.returncode, second.stderr
    assert "goes on behind" in second.stderr
    assert totals(broken) == totals(whole)
    assert totals(broken)["iptables packets"] == PACKETS


def test_a_state_of_another_plan_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    campaign = Campaign(Plan("oracle", 0, "", 200), state)
    campaign.done = {0, 1, 2, 7}
    campaign.result = Result(Counter({("iptables", "packets"): 800}))
    campaign.write()
    again = Campaign(Plan("oracle", 0, "", 200), state)
    assert again.done == {0, 1, 2, 7} and again.result == campaign.result
    with pytest.raises(CampaignError, match="begun with other seed"):
        Campaign(Plan("oracle", 1, "", 200), state)
    state.write_text("{}")
    with pytest.raises(CampaignError, match="no state"):
        Campaign(Plan("oracle", 0, "", 200), state)


def test_an_engine_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    nothing = Prediction(frozenset({Verdict("dropped")}))
    monkeypatch.setattr(Predictor, "reach", lambda *_: nothing)
    result = Result()
    for unit in range(3):
        result.add(oracle_unit(Plan("oracle", 0, "filter", 200), unit))
    arrived = sum(count for key, count in result.counts.items() if key[1] == "matrix" and key[2] in ("input", "out"))
    assert arrived and result.counts["filter", "wrong", "said lost, arrived"] == arrived
    finding = result.findings[0]
    assert finding["by"] == ["reach"] and finding["repeats"] and finding["engine"] == ["dropped"]
    assert finding["again"].startswith(f"scripts/prove --show {finding['seed']} --profile filter --packet ")


def test_an_engine_that_does_not_notice_a_change_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    requires("iptables-nft-restore", "iptables-legacy-restore", "nft", "ipset", "ip", root=True)
    first: list[Predictor] = []

    def stale(files: Mapping[str, bytes]) -> Predictor:
        first.append(Predictor(files))
        return first[0]

    monkeypatch.setattr(prove_mutation, "Predictor", stale)
    noticed = 0
    for unit in range(1, 5):
        first.clear()
        result = mutation_unit(Plan("mutation", 0, "", 5), unit)
        seen = result.sum("noticed", at=1)
        noticed += seen
        assert result.sum("wrong", "noticed", at=1) == seen and not result.sum("same", at=1), result.counts
    assert noticed


def test_mutants_differ_in_one_place() -> None:
    text = ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.1/32 -j DROP\n"
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n")
    native = ("table ip t {\n  chain c {\n    type filter hook input priority 0; policy accept;\n"
              "    ip saddr 10.0.0.1 drop\n    tcp dport != 22 accept\n  }\n}\n")
    assert rule_places("nft.v4", text) == [2, 3, 4]
    assert rule_places("native", native) == [3, 4]
    seen = set()
    for number, mutant in zip(range(300), mutants({"nft.v4": text, "native": native}, random.Random(7)), strict=False):
        changed = [name for name, old in (("nft.v4", text), ("native", native)) if mutant.rules[name] != old]
        assert len(changed) == 1, (number, mutant)
        seen.add((changed[0], mutant.how))
        old, new = (Counter(rules.splitlines()) for rules in ((text, native)[changed == ["native"]],
                                                              mutant.rules[changed[0]]))
        assert sum((old - new).values()) == (0 if mutant.how == "swap" else 1)
    assert len(seen) == 6
