"""The fix on packets: recorded hosts rebuilt, the plan loaded, and every recorded probe fired again.

What the proof says has to be what the kernel does: what policy denies answers no more, everything else as before; and
with the plan taken back, the rules are what they were. By default each scenario once, as one of the engines left it, in
turn; with FWAUDIT_REPLAY=all as every one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import captures
import pytest
from replay import Replay
from requirements import requires
from test_replay import EXCEPT, sample

from fwaudit.fix import whatif
from fwaudit.fix.planner import Wish, plan
from fwaudit.fix.prove import prove
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.host import Host
from fwaudit.model.plan import Plan
from fwaudit.model.verdict import Query
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

pytestmark = pytest.mark.lab

REFUSED = {"ufw_limit": "nft has no word for ufw limit"}
"""Scenario → why its nft plan is refused."""


@pytest.mark.parametrize("name", sample())
def test_what_policy_denies_answers_no_more_and_all_else_as_before(name: str, tmp_path: Path) -> None:
    requires("ip", "nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore", root=True)
    case = captures.case(name)
    host = parse_host(read_snapshot(case.write(tmp_path / "snapshot.tar")))
    made = plan(host, Wish())
    if made.refused:
        assert name.startswith("d29nft/"), made.refused
        assert name.partition("/")[2] in REFUSED, made.refused
        return
    proof = prove(host, made, Wish())
    assert proof.holds, proof.moved[:3]
    expected = list(_expected(host, made, _comparable(name, case.truth)))
    with Replay(case) as replay:
        before = _rules(replay)
        for each in made.transactions:
            replay.host.run(list(each.argv), each.text)
        wrong = _differing(replay, expected)
        if wrong:  # once more, on a machine that may have been too busy to answer
            wrong = _differing(replay, [(probe, by) for probe, by, _ in wrong])
        assert not wrong
        for each in reversed(made.transactions):
            replay.host.run(list(each.argv), each.undo)
        assert _rules(replay) == before


def _comparable(name: str, truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    key, value, _ = EXCEPT.get(name.partition("/")[2], ("", None, ""))
    return [probe for probe in truth if not key or probe[key] != value]


def _expected(host: Host, made: Plan, probes: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each probe, with who must answer it now: nobody where policy denies it and the engine of the plan says so."""
    before = Engine(host)
    after = Engine(replace(host, ruleset=whatif.loaded(host.ruleset, made)))
    for probe in probes:
        query = _query(probe)
        was, now = before.trace(query), after.trace(query)
        closed = (was.disposition, was.to) != (now.disposition, now.to)
        yield probe, None if closed else probe.get("by")
        if closed:
            assert now.disposition in ("dropped", "rejected"), (probe, now)
            assert query.iif, "the host's own packets are nobody's business"


def _query(probe: dict[str, Any]) -> Query:
    family, dst = parse_address(probe["dst"])
    source = probe.get("src")
    sources = IntervalSet.of(parse_address(source)[1]) if source else IntervalSet((0,))
    return Query(family, probe.get("in") or "", dst, PROTOCOLS[probe["proto"]], probe["dport"], sources)


def _differing(replay: Replay, expected: list[tuple[dict[str, Any], str | None]]) -> list[tuple[
        dict[str, Any], str | None, object]]:
    outcomes = replay.fire([probe for probe, _ in expected])
    return [(probe, by, outcome) for (probe, by), outcome in zip(expected, outcomes, strict=True) if outcome.by != by]


def _rules(replay: Replay) -> list[str]:
    """Every rule of the host, counters left out, and tables that hold nothing."""
    found = []
    for command in ("iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"):
        text = replay.host.run([command])
        for table in re.findall(r"^\*.*?^COMMIT$", text, re.S | re.M):
            lines = [re.sub(r" \[\d+:\d+\]", "", line) for line in table.splitlines()]
            if any(line.startswith("-A") or (line.startswith(":") and not line.endswith("ACCEPT")) for line in lines):
                found += [command, *lines]
    native = replay.host.run(["nft", "-s", "list", "ruleset"])
    return [*found, *re.findall(r"^table inet .*?^}$", native, re.S | re.M)]
