"""A nat chain counts where connection tracking is on: where some rule needs it. Each case seen in a kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.netfilter.tracking import tracked_families
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

BOTH = {4, 6}


def table(family: str, *rules: list[Any], kind: str = "filter", hook: str = "input") -> list[Any]:
    place = {"family": family, "table": "t", "chain": "c"}
    return [{"table": {"family": family, "name": "t"}},
            {"chain": {"family": family, "table": "t", "name": "c", "type": kind, "hook": hook, "prio": 0}},
            *({"rule": {**place, "expr": rule}} for rule in rules)]


def engine(native: list[Any], save: str = "") -> Engine:
    return Engine(parse_host(Snapshot({
        "nft/ruleset.json": json.dumps({"nftables": native}).encode(), "iptables/nft.v4": save.encode()})))


STATE = [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "invalid"}}, {"drop": None}]
HELPER = [{"match": {"op": "==", "left": {"ct": {"key": "helper"}}, "right": "ftp"}}, {"drop": None}]
MARK = [{"mangle": {"key": {"ct": {"key": "mark"}}, "value": 1}}]
COUNT = [{"ct count": {"val": 5}}, {"accept": None}]
DNAT = [{"dnat": {"family": "ip", "addr": "192.0.2.1"}}]


@pytest.mark.parametrize(("native", "families"), [
    ([], set()), (table("inet", [{"drop": None}]), set()), (table("inet", [{"notrack": None}]), set()),
    (table("inet", STATE), BOTH), (table("ip6", STATE), {6}), (table("inet", HELPER), BOTH),
    (table("inet", MARK), BOTH), (table("ip", COUNT), {4}), (table("inet", DNAT, kind="nat", hook="prerouting"), {4}),
    (table("inet", [{"masquerade": None}], kind="nat", hook="postrouting"), BOTH),
    (table("inet", [{"redirect": {"port": 80}}], kind="nat", hook="prerouting"), BOTH),
    (table("inet", [{"flow": {"op": "add", "flowtable": "@f"}}], hook="forward"), BOTH),
    (table("inet", [{"teleport": None}]), set()),
    (table("netdev", [{"drop": None}], hook="ingress"), set()),
])
def test_families_that_need_connections(native: list[Any], families: set[int]) -> None:
    assert tracked_families(engine(native).host.ruleset) == families


@pytest.mark.parametrize(("rule", "families"), [
    ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n", {4}),
    ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m connlimit --connlimit-above 3 -j DROP\nCOMMIT\n", {4}),
    ("*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n", set()),
    ("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.0.2.1/32 -j MASQUERADE\nCOMMIT\n", {4}),
    ("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --notrack\nCOMMIT\n", set()),
    ("*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --zone 5\nCOMMIT\n", {4}),
    ("*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j MARK --set-xmark 0x1/0xff\nCOMMIT\n", set()),
    ("*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j CONNMARK --set-xmark 0x1/0xff\nCOMMIT\n", {4}),
    ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m limit --limit 3/min -j ACCEPT\nCOMMIT\n", set()),
])
def test_iptables(rule: str, families: set[int]) -> None:
    assert tracked_families(engine([], rule).host.ruleset) == families


def test_rules_that_were_not_read_may_need_them() -> None:
    ruleset = parse_host(Snapshot({"iptables/nft.v4": b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"})).ruleset
    assert ruleset.unread and tracked_families(ruleset) == BOTH


@pytest.mark.parametrize(("more", "outcome"), [([], "accepted"), (table("ip", STATE), "dropped")])
def test_a_policy_of_a_nat_chain_drops_where_there_is_tracking(more: list[Any], outcome: str) -> None:
    nat = table("inet", kind="nat", hook="input")
    nat[1]["chain"] |= {"policy": "drop", "table": "n"}
    nat[0]["table"]["name"] = "n"
    asked = Query(4, "eth0", 1, 6, 80, IntervalSet.of(5), 40000, "input", "")
    assert engine([*nat, *more]).trace(asked).disposition == outcome
