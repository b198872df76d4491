"""Rules, one a line: statements as nft prints them, and what they come to."""

from __future__ import annotations

from typing import Any

import _nft_compact as compact
import pytest

from fwaudit.model.ruleset import Rule
from fwaudit.netfilter import nft_json

MAPS = [
    {"map": {"name": "verdicts", "type": "inet_service", "map": "verdict",
             "elem": [[80, {"accept": None}], [81, {"jump": {"target": "d"}}]]}},
    {"map": {"name": "changing", "type": "inet_service", "map": "verdict", "flags": ["dynamic"],
             "elem": [[80, {"accept": None}]]}},
    {"map": {"name": "empty", "type": "inet_service", "map": "verdict"}},
]


def rules(*statements: Any, family: str = "inet", more: Any = ()) -> tuple[Rule, ...]:
    """What one rule of these statements becomes."""
    where = {"family": family, "table": "t"}
    document = {"nftables": [
        {"table": {"family": family, "name": "t"}},
        *({kind: {**where, **body} for kind, body in each.items()} for each in MAPS),
        {"chain": {**where, "name": "c"}}, {"chain": {**where, "name": "d"}},
        {"rule": {**where, "chain": "c", "expr": list(statements)}},
        *({"rule": {**where, "chain": "d", "expr": list(each)}} for each in more)]}
    return nft_json.parse(document, source="x").tables[0].chains["c"].rules


def meaning(*statements: Any, family: str = "inet", more: Any = ()) -> str:
    return " // ".join(compact.rule(rule) for rule in rules(*statements, family=family, more=more))


def match(left: Any, right: Any, op: str = "==") -> Any:
    return {"match": {"op": op, "left": left, "right": right}}


def set_mark(value: Any, kind: str = "meta") -> Any:
    return {"mangle": {"key": {kind: {"key": "mark"}}, "value": value}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
MARK = {"meta": {"key": "mark"}}
CT_MARK = {"ct": {"key": "mark"}}
ETH0 = match({"meta": {"key": "iifname"}}, "eth0")
PORT = match(DPORT, 80)
ACCEPT, DROP, RETURN = {"accept": None}, {"drop": None}, {"return": None}
COUNTER = {"counter": {"packets": 3, "bytes": 180}}


TTL = {"payload": {"protocol": "ip", "field": "ttl"}}
IN_FLOWTABLE = "ct_state=1-2 & ?(flow add @ft: whether the connection is in the flowtable already)"


@pytest.mark.parametrize(("statements", "family", "expected"), [
    # verdicts
    ([ACCEPT], "inet", "-> accept"),
    ([ETH0, COUNTER, DROP], "inet", "iif=eth0 -> drop"),
    ([RETURN], "inet", "-> return"),
    ([{"continue": None}], "inet", "-> continue(continue)"),
    ([{"jump": {"target": "d"}}], "inet", "-> jump d"),
    ([{"goto": {"target": "d"}}], "inet", "-> goto d"),
    ([{"queue": {"num": 1}}], "inet", "-> undecidable(queue to 1: a program decides)"),
    ([{"queue": None}], "inet", "-> undecidable(queue: a program decides)"),
    ([{"reject": None}], "ip", "-> reject(icmp port-unreachable)"),
    ([{"reject": None}], "ip6", "-> reject(icmpv6 port-unreachable)"),
    ([{"reject": None}], "inet", "-> reject(icmpx port-unreachable)"),
    ([{"reject": {"type": "tcp reset"}}], "ip", "proto=6 -> reject(tcp reset)"),
    ([{"reject": {"type": "tcp reset"}}], "inet",
     "proto=6 & ?(meta nfproto: nft does not list it in front of a TCP reset) -> reject(tcp reset)"),
    ([{"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4"}},
      {"reject": {"type": "tcp reset"}}], "inet", "family=4 & proto=6 -> reject(tcp reset)"),
    ([{"reject": {"type": "icmp", "expr": "host-prohibited"}}], "inet", "family=4 -> reject(icmp host-prohibited)"),
    ([{"reject": {"type": "icmpv6", "expr": "no-route"}}], "inet", "family=6 -> reject(icmpv6 no-route)"),
    ([{"reject": {"type": "icmp", "expr": "host-prohibited"}}], "ip", "-> reject(icmp host-prohibited)"),
    # no effect
    ([], "inet", "-> continue(continue)"),
    ([COUNTER], "inet", "-> continue(counter)"),
    ([ETH0, {"log": {"prefix": "x"}}], "inet", "iif=eth0 -> continue(log)"),
    ([{"log": None}, COUNTER, DROP], "inet", "-> drop"),
    ([{"last": None}, DROP], "inet", "-> drop"),
    ([{"dup": {"addr": "192.0.2.1"}}, DROP], "ip", "-> drop"),
    ([{"flow": {"op": "add", "flowtable": "@ft"}}], "inet",
     f"{IN_FLOWTABLE} -> continue(flow add)"),
    ([{"flow": {"op": "add", "flowtable": "@ft"}}, ACCEPT], "inet", f"{IN_FLOWTABLE} -> accept"),
    ([{"mangle": {"key": TTL, "value": 64}}, ACCEPT], "ip", "-> accept"),
    ([{"mangle": {"key": TTL, "value": 1}}, ACCEPT], "ip",
     "-> undecidable(ip ttl set 1: the packet may have no hop left)"),
    ([{"reset": {"tcp option": {"name": "sack-perm"}}}, ACCEPT], "inet", "proto=6 -> accept"),
    ([{"dnat": {"family": "ip", "addr": {"prefix": {"addr": "10.0.0.0", "len": 24}}, "type_flags": ["prefix"]}}], "ip",
     "-> netmap(10.0.0.0/24)"),
    ([{"snat": {"addr": "192.0.2.1", "flags": ["random", "persistent"]}}], "ip", "-> snat4(192.0.2.1:)"),
    ([{"ct helper": "ftp"}, ACCEPT], "inet", "-> accept"),
    ([{"ct timeout": "x"}, {"ct expectation": "y"}], "inet", "-> continue(ct expectation set)"),
    ([{"counter": {"map": {"key": DPORT, "data": "@m"}}}, DROP], "inet",
     "?(counter name tcp dport map @m: whether the map has an element for the packet) -> drop"),
    ([{"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@s"}}, DROP], "inet",
     "family=4 -> drop"),
    ([{"set": {"op": "add", "elem": {"elem": {"val": DPORT, "limit": 1}}, "set": "@s"}}, DROP], "ip",
     'proto=6 & ?(add @s { tcp dport }: rate limit for each element) -> drop'),
    (["add @s { ip saddr : tcp dport }", DROP], "inet", "-> drop"),
    (["add @s { ip saddr limit rate 5/second }", DROP], "inet",
     "-> undecidable(add @s { ip saddr limit rate 5/second }: a statement that is not understood)"),
    # chance and rates
    ([{"limit": {"rate": 3, "per": "minute", "burst": 5}}, ACCEPT], "inet",
     "?(limit rate 3/minute: rate limit) -> accept"),
    ([{"limit": {"rate": 3, "per": "minute", "inv": True, "rate_unit": "kbytes"}}, DROP], "inet",
     "?(limit rate over 3 kbytes/minute: rate limit) -> drop"),
    ([{"quota": "q"}, {"ct count": {"val": 3, "inv": True}}, DROP], "inet",
     '?(quota name "q": quota) & ?(ct count over 3: number of connections) -> drop'),
    # marks
    ([set_mark(1)], "inet", "-> mark=0x1/0xffffffff"),
    ([set_mark({"|": [MARK, 0x10]})], "inet", "-> mark=0x10/0x10"),
    ([set_mark({"&": [MARK, 0xFF]})], "inet", "-> mark=0x0/0xffffff00"),
    ([set_mark({"^": [MARK, 0x10]})], "inet", "-> mark=0x10/0x0"),
    ([set_mark({"|": [{"&": [MARK, 0xFF]}, 0x10]})], "inet", "-> mark=0x10/0xffffff10"),
    ([set_mark(CT_MARK)], "inet", "ct_state=1-3 -> mark/0xffffffff=other/0xffffffff"),
    ([set_mark(MARK, "ct")], "inet", "-> ct_mark/0xffffffff=other/0xffffffff"),
    ([set_mark({"&": [CT_MARK, 0xFF]})], "inet", "ct_state=1-3 -> mark/0xffffffff=other/0xff"),
    ([set_mark({"<<": [MARK, 1]})], "inet", "-> undecidable-goes-on(meta mark set meta mark << 0x00000001: meta mark "
     "becomes a value that is not known)"),
    ([set_mark({"|": [MARK, CT_MARK]}), ACCEPT], "inet",
     "-> {-> undecidable-goes-on(meta mark set meta mark | ct mark: meta mark becomes a value that is not known); "
     "-> accept}"),
    ([set_mark({"map": {"key": MARK, "data": {"set": [[1, 2], [2, 3]]}}})], "inet",
     "-> {mark=1 -> mark=0x2/0xffffffff; mark=2 -> mark=0x3/0xffffffff}"),
    ([set_mark({"map": {"key": {"numgen": {"mode": "inc", "mod": 2}}, "data": {"set": [[0, 1], [1, 2]]}}})], "inet",
     "-> undecidable-goes-on(meta mark set numgen inc mod 2 map { 0 : 0x00000001, 1 : 0x00000002 }: chance or a "
     "counter)"),
    # other changes
    ([{"notrack": None}, ACCEPT], "inet", "-> {-> notrack; -> accept}"),
    ([{"mangle": {"key": {"payload": {"protocol": "ip", "field": "dscp"}}, "value": "cs1"}}, DROP], "inet",
     "family=4 -> drop"),
    ([{"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}}],
     "inet", "proto=6 -> continue(tcp option maxseg size)"),
    ([{"mangle": {"key": {"meta": {"key": "nftrace"}}, "value": 1}}, DROP], "inet", "-> drop"),
    ([{"mangle": {"key": DPORT, "value": 81}}, ACCEPT], "inet",
     "proto=6 -> undecidable(tcp dport set 81: it rewrites the packet)"),
    ([{"mangle": {"key": {"meta": {"key": "strange"}}, "value": 1}}, ACCEPT], "inet",
     "-> undecidable(meta strange set 1: it rewrites the packet)"),
    # nat
    ([{"dnat": {"addr": "10.0.0.1", "port": 80}}], "ip", "-> dnat4(10.0.0.1:80)"),
    ([{"dnat": {"addr": "10.0.0.1", "family": "ip"}}], "inet", "family=4 -> dnat4(10.0.0.1:)"),
    ([{"dnat": {"addr": {"range": ["10.0.0.1", "10.0.0.9"]}, "port": {"range": [1, 9]}, "flags": ["random"]}}], "ip",
     "-> dnat4(10.0.0.1-10.0.0.9:1-9 random)"),
    ([{"dnat": {"addr": {"prefix": {"addr": "10.0.0.0", "len": 30}}}}], "ip", "-> dnat4(10.0.0.0-10.0.0.3:)"),
    ([{"dnat": {"addr": {"prefix": {"addr": "10.0.0.0", "len": 30}}, "type_flags": "prefix"}}], "ip",
     "-> netmap(10.0.0.0/30)"),
    ([{"dnat": {"addr": "fd00::1", "family": "ip6"}}], "inet", "family=6 -> dnat6(fd00::1:)"),
    ([{"dnat": {"port": 81}}], "inet", "-> dnat(:81)"),
    ([{"dnat": {"addr": "10.0.0.1"}}], "inet", "-> undecidable(dnat to 10.0.0.1: not understood: no family)"),
    ([{"dnat": {"addr": "10.0.0.1", "new": 1}}], "ip",
     "-> undecidable(dnat to 10.0.0.1: an address translation that is not understood)"),
    ([{"dnat": {"addr": "host.example"}}], "ip",
     '-> undecidable(dnat to host.example: not understood: "host.example")'),
    ([{"dnat": {"addr": {"map": {"key": DPORT, "data": {"set": [[80, "10.0.0.1"], [81, "10.0.0.2"]]}}}}}], "ip",
     "-> {proto=6 & dport=80 -> dnat4(10.0.0.1:); proto=6 & dport=81 -> dnat4(10.0.0.2:)}"),
    ([{"dnat": {"addr": {"map": {"key": DPORT, "data": {"set": [[80, {"concat": ["10.0.0.1", 8080]}]]}}}}}], "ip",
     "proto=6 & dport=80 -> dnat4(10.0.0.1:8080)"),
    ([PORT, {"dnat": {"addr": {"map": {"key": DPORT, "data": "@gone"}}}}], "ip",
     "proto=6 & dport=80 -> undecidable(dnat to tcp dport map @gone: the map is not in the snapshot)"),
    ([{"masquerade": None}], "inet", "-> snat(:)"),
    ([{"masquerade": {"port": {"range": [1024, 2000]}, "flags": "random"}}], "inet", "-> snat(:1024-2000)"),
    ([{"snat": {"addr": "192.0.2.1"}}], "ip", "-> snat4(192.0.2.1:)"),
    ([{"snat": {}}], "ip", "-> undecidable(snat: not understood: no address)"),
    ([{"redirect": None}], "inet", "-> redirect()"),
    ([PORT, {"redirect": {"port": {"map": {"key": DPORT, "data": {"set": [[80, 8080]]}}}}}], "inet",
     "proto=6 & dport=80 -> redirect(8080)"),
    ([{"tproxy": {"port": 8080}}, ACCEPT], "inet",
     "-> undecidable(tproxy to :8080: it depends on the sockets of the moment)"),
    # verdict maps
    ([{"vmap": {"key": DPORT, "data": "@verdicts"}}], "inet",
     "proto=6 -> {dport=80 -> accept; dport=81 -> jump d}"),
    ([{"vmap": {"key": DPORT, "data": "@empty"}}], "inet", "proto=6 -> {}"),
    ([{"vmap": {"key": DPORT, "data": "@changing"}}], "inet",
     "-> undecidable(tcp dport vmap @changing: packets add to the map)"),
    ([{"vmap": {"key": DPORT, "data": "@gone"}}], "inet",
     "-> undecidable(tcp dport vmap @gone: the map is not in the snapshot)"),
    ([{"vmap": {"key": DPORT, "data": {"set": [[80, {"strange": None}]]}}}], "inet",
     'proto=6 -> undecidable(tcp dport vmap { 80 : {"strange": null} }: a verdict that is not understood)'),
    ([{"vmap": {"key": DPORT, "data": {"set": [[80, ACCEPT], ["*", {"jump": {"target": "d"}}]]}}}], "inet",
     "proto=6 -> {dport=80 -> accept; dport=not 80 -> jump d}"),
    ([{"vmap": {"key": DPORT, "data": {"set": [[80, {"continue": None}], [81, DROP]]}}}, ETH0, ACCEPT], "inet",
     "proto=6 -> {dport=80 & iif=eth0 -> accept; dport=81 -> drop}"),
    ([{"vmap": {"key": {"numgen": {"mode": "random", "mod": 2, "offset": 0}},
                "data": {"set": [[0, ACCEPT], [1, DROP]]}}}], "inet",
     "-> {?(numgen random mod 2 0: chance or a counter) -> accept; -> drop}"),
    ([{"vmap": {"key": {"numgen": {"mode": "random", "mod": 3, "offset": 0}},
                "data": {"set": [[0, ACCEPT], [1, DROP]]}}}], "inet",
     "-> {?(numgen random mod 3 0: chance or a counter) -> accept; ?(numgen random mod 3 1: chance or a counter) -> "
     "drop}"),
    # order
    ([ETH0, set_mark(1), PORT, ACCEPT], "inet",
     "iif=eth0 -> {-> mark=0x1/0xffffffff; proto=6 & dport=80 -> accept}"),
    ([ETH0, set_mark(1), COUNTER], "inet", "iif=eth0 -> mark=0x1/0xffffffff"),
    ([ETH0, PORT, set_mark(1), PORT, ACCEPT], "inet",
     "iif=eth0 & proto=6 & dport=80 -> {-> mark=0x1/0xffffffff; -> accept}"),
    # return and goto have to stand in the chain itself
    ([ETH0, set_mark(1), PORT, RETURN], "inet",
     "iif=eth0 -> mark=0x1/0xffffffff // iif=eth0 & proto=6 & dport=80 -> return"),
    ([match(MARK, 0), set_mark(1), {"goto": {"target": "d"}}], "inet",
     "mark=0 -> undecidable(meta mark 0x00000000 meta mark set 0x00000001 goto d: a return or goto behind an effect on "
     "what the rule matches)"),
    ([ETH0, {"vmap": {"key": DPORT, "data": {"set": [[80, ACCEPT], [81, RETURN]]}}}], "inet",
     "iif=eth0 & proto=6 & dport=80 -> accept // iif=eth0 & proto=6 & dport=81 -> return"),
    # iptables' own, and the unknown
    ([{"xt": {"type": "match", "name": "conntrack"}}, ACCEPT], "ip",
     '?(xt match "conntrack": an iptables match that nft does not show) -> accept'),
    ([{"xt": {"type": "target", "name": "LOG"}}], "ip", "-> continue(LOG)"),
    ([{"xt": {"type": "target", "name": "DNAT"}}], "ip",
     '-> undecidable(xt target "DNAT": an iptables extension that nft does not show)'),
    ([{"xt": None}, ACCEPT], "ip", "-> undecidable(xt: an iptables extension that nft does not show)"),
    ([ETH0, {"teleport": {"to": "mars"}}, ACCEPT], "inet",
     'iif=eth0 -> undecidable({"teleport": {"to": "mars"}}: a statement that is not understood)'),
    ([7], "inet", "-> undecidable(7: a statement that is not understood)"),
])
def test_rule(statements: list[Any], family: str, expected: str) -> None:
    assert meaning(*statements, family=family) == expected


def test_a_map_whose_chains_change_its_key_is_undecidable() -> None:
    """Behind a jump that returns, the next element could match the key as it is then."""
    vmap = {"vmap": {"key": MARK, "data": {"set": [[1, {"jump": {"target": "d"}}], [2, ACCEPT]]}}}
    assert meaning(vmap) == "-> {mark=1 -> jump d; mark=2 -> accept}"
    assert "its chains may change what the map looks at" in meaning(vmap, more=([set_mark(2)],))


def test_a_map_of_maps_does_not_explode() -> None:
    big = {"set": [[port, port] for port in range(1000)]}
    statement = set_mark({"map": {"key": DPORT, "data": big}})
    assert "it branches into too many ways" in meaning(statement, statement, statement, ACCEPT)


def test_a_rule_of_too_many_statements_is_undecidable() -> None:
    assert "a rule of more statements than the kernel takes" in meaning(*([COUNTER] * 300), ACCEPT)


def test_a_rule_keeps_text_number_counters_and_comment() -> None:
    document = {"nftables": [
        {"table": {"family": "ip", "name": "t"}}, {"chain": {"family": "ip", "table": "t", "name": "c"}},
        {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [ACCEPT]}},
        {"rule": {"family": "ip", "table": "t", "chain": "c", "comment": "web", "expr": [PORT, COUNTER, ACCEPT]}}]}
    rule = nft_json.parse(document, source="x").tables[0].chains["c"].rules[1]
    assert (rule.text, rule.number, rule.counters, rule.comment) == (
        'tcp dport 80 counter accept comment "web"', 2, (3, 180), "web")
