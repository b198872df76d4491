"""The fix on a rebuilt host: load the plan, fire every recorded probe again, take it back.

What the proof says has to be what the kernel does: what policy denies answers no more, everything else as before; and
with the plan taken back, the rules are what they were.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import captures
from replay import Replay

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

EXCEPT = {
    "macvlan": ("from", "lan", "the container's own link to the lan, past the machine, is not rebuilt"),
    "ufw_limit": ("dport", 9100, "it counts the connections of a source, and these are counted anew"),
}
"""Scenario → the probes that may end otherwise: those with this value in this field. And why."""

LIMITED = {"ufw_limit": (5432, 9100)}
"""Scenario → ports that ufw limits: published ones are limited now as well, and more probes are fired than that."""


@dataclass(slots=True)
class Tried:
    """What came of the fix on one host. ``closed``/``unchanged``: probes that did what they had to; ``wrong``: those
    that did not. ``refused``: why there is no plan. ``moved``: what the proof says that must not move."""

    closed: int = 0
    unchanged: int = 0
    wrong: list[object] = field(default_factory=list)
    reverted: bool = True
    refused: tuple[str, ...] = ()
    moved: int = 0


def attempt(name: str) -> Tried:
    """The fix on one recorded host."""
    case = captures.case(name)
    with tempfile.TemporaryDirectory() as folder:
        host = parse_host(read_snapshot(case.write(Path(folder) / "snapshot.tar")))
    made = plan(host, Wish())
    if made.refused:
        return Tried(refused=made.refused)
    tried = Tried(moved=len(prove(host, made, Wish()).moved))
    expected = list(_expected(host, made, _comparable(name, case.truth)))
    with Replay(case) as replay:
        before = _rules(replay)
        for each in made.transactions:
            replay.host.run(list(each.argv), each.text)
        wrong = _differing(replay, expected)
        if wrong:  # once more, on a machine that may have been too busy to answer
            wrong = _differing(replay, [(probe, by, closes) for probe, by, closes, _ in wrong])
        for each in reversed(made.transactions):
            replay.host.run(list(each.argv), each.undo)
        tried.reverted = _rules(replay) == before
    tried.wrong = list(wrong)
    tried.closed = sum(closes for _, _, closes in expected) - sum(closes for _, _, closes, _ in wrong)
    tried.unchanged = len(expected) - tried.closed - len(wrong)
    return tried


def _comparable(name: str, truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    scenario = name.partition("/")[2]
    key, value, _ = EXCEPT.get(scenario, ("", None, ""))
    limited = LIMITED.get(scenario, ())
    return [probe for probe in truth if (not key or probe[key] != value) and probe["dport"] not in limited]


def _expected(host: Host, made: Plan, probes: list[dict[str, Any]]) -> Iterator[tuple[
        dict[str, Any], str | None, bool]]:
    """Each probe, who must answer it now, and whether it closes: where the engine says so, it is refused now, and the
    host's own packets are nobody's business."""
    before = Engine(host)
    after = Engine(replace(host, ruleset=whatif.loaded(host.ruleset, made)))
    for probe in probes:
        query = _query(probe)
        was, now = before.trace(query), after.trace(query)
        closes = (was.disposition, was.to) != (now.disposition, now.to)
        if closes:
            assert now.disposition in ("dropped", "rejected"), (probe, now)
            assert query.iif, probe
        yield probe, None if closes else probe.get("by"), closes


def _query(probe: dict[str, Any]) -> Query:
    family, dst = parse_address(probe["dst"])
    source = probe.get("src")
    sources = IntervalSet.of(parse_address(source)[1]) if source else IntervalSet((0,))
    return Query(family, probe.get("in") or "", dst, PROTOCOLS[probe["proto"]], probe["dport"], sources)


def _differing(replay: Replay, expected: list[tuple[dict[str, Any], str | None, bool]]) -> list[tuple[
        dict[str, Any], str | None, bool, object]]:
    outcomes = replay.fire([probe for probe, _, _ in expected])
    return [(probe, by, closes, outcome) for (probe, by, closes), outcome in zip(expected, outcomes, strict=True)
            if outcome.by != by]


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
