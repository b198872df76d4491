"""``!=`` on neighbouring fields of a header, which nft may have joined into one comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.netfilter import nft_json
from fwaudit.netfilter.nft_merged import merged_run
from fwaudit.packet.fields import TCP
from fwaudit.packet.intervals import ALL
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine


def differs(header: str, field: str, value: Any, op: str = "!=") -> Any:
    return {"match": {"op": op, "left": {"payload": {"protocol": header, "field": field}}, "right": value}}


SPORT, DPORT = differs("tcp", "sport", 22), differs("tcp", "dport", 80)


@pytest.mark.parametrize(("statements", "count"), [
    ([SPORT, DPORT], 2),
    ([differs("ip", "saddr", "192.0.2.1"), differs("ip", "daddr", "192.0.2.2")], 2),
    ([differs("icmp", "type", "echo-request"), differs("icmp", "code", 1), SPORT], 2),
    ([differs("ip6", "hoplimit", 1), differs("ip6", "saddr", "::1"), differs("ip6", "daddr", "::2")], 3),
    ([{"match": {"op": "!=", "left": {"payload": {"base": "th", "offset": 0, "len": 16}}, "right": 22}},
      {"match": {"op": "!=", "left": {"payload": {"base": "th", "offset": 16, "len": 16}}, "right": 80}}], 2),
    ([SPORT], 0), ([DPORT, SPORT], 0),  # the listing has them in the order of the header
    ([SPORT, {"counter": None}, DPORT], 0),
    ([SPORT, differs("udp", "dport", 80)], 0), ([SPORT, differs("tcp", "dport", 80, "==")], 0),
    ([SPORT, differs("tcp", "dport", {"set": [80]})], 0), ([SPORT, differs("tcp", "dport", {"range": [1, 9]})], 0),
    ([SPORT, differs("tcp", "dport", "@ports")], 0), ([{"match": "?"}, None], 0),
])
def test_a_run(statements: list[Any], count: int) -> None:
    assert merged_run(statements, 0) == count


@pytest.mark.parametrize(("sport", "dport", "said"), [
    (23, 81, {"dropped"}),              # both differ: dropped either way
    (22, 80, {"accepted"}),             # neither does: not dropped in either way
    (22, 81, {"accepted", "dropped"}),  # one of the two does: whether nft has joined them is not told
    (23, 80, {"accepted", "dropped"}),
])
def test_what_it_comes_to(sport: int, dport: int, said: set[str]) -> None:
    where = {"family": "inet", "table": "t"}
    document = {"nftables": [
        {"table": {"family": "inet", "name": "t"}},
        {"chain": {**where, "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        {"rule": {**where, "chain": "c", "expr": [SPORT, DPORT, {"drop": None}]}}]}
    tables = nft_json.parse(document, source="x").tables
    engine = Engine(replace(parse_host(Snapshot({})), ruleset=Ruleset(tables)))
    reach = engine.reach(Query(4, "eth0", 0x0A000001, TCP, dport, ALL, sport, "input"))
    assert {outcome.disposition for outcome in reach.outcomes} == said
    assert (len(said) == 1) == any(outcome.certainly for outcome in reach.outcomes)
