"""Matches, one a line: JSON as nft prints it, what it implies and means."""

from __future__ import annotations

import json
from typing import Any

import _nft_compact as compact
import pytest

from fwaudit.netfilter import nft_json

SETS = [
    {"set": {"family": "inet", "table": "t", "name": "v4", "type": "ipv4_addr", "elem": ["192.0.2.1"]}},
    {"set": {"family": "inet", "table": "t", "name": "states", "type": "ct_state", "elem": ["new", "untracked"]}},
    {"set": {"family": "inet", "table": "t", "name": "pp", "type": ["inet_proto", "inet_service"],
             "elem": [{"concat": ["tcp", 80]}]}},
    {"set": {"family": "inet", "table": "t", "name": "odd", "type": ["inet_proto", "inet_service"],
             "elem": [{"concat": ["icmp", 80]}]}},
    {"set": {"family": "inet", "table": "t", "name": "mac", "type": "ether_addr", "elem": ["00:11:22:33:44:55"]}},
    {"map": {"family": "inet", "table": "t", "name": "m", "type": "inet_service", "map": "mark", "elem": [[80, 1]]}},
]


def read(left: Any, op: str, right: Any, family: str = "inet") -> str:
    """The conditions of a rule that has this match alone."""
    sets = [{kind: {**body, "family": family} for kind, body in each.items()} for each in SETS]
    rule = {"family": family, "table": "t", "chain": "c",
            "expr": [{"match": {"op": op, "left": left, "right": right}}, {"accept": None}]}
    document = {"nftables": [{"table": {"family": family, "name": "t"}}, *sets,
                             {"chain": {"family": family, "table": "t", "name": "c"}}, {"rule": rule}]}
    found = nft_json.parse(document, source="x")
    text = compact.rule(found.tables[0].chains["c"].rules[0])
    assert text.endswith("-> accept")
    return text[: -len("-> accept")].strip()


def meta(key: str) -> Any:
    return {"meta": {"key": key}}


def payload(protocol: str, field: str) -> Any:
    return {"payload": {"protocol": protocol, "field": field}}


def raw(base: str, offset: int, length: int) -> Any:
    return {"payload": {"base": base, "offset": offset, "len": length}}


def ct(key: str, direction: str = "") -> Any:
    return {"ct": {"key": key, **({"dir": direction} if direction else {})}}


def fib(result: str, *flags: str) -> Any:
    return {"fib": {"result": result, "flags": list(flags)}}


FLAGS = payload("tcp", "flags")
PORTS = "proto=6,17,33,132,136"
NO_PORTS = "proto=not 6,17,33,132,136"


@pytest.mark.parametrize(("left", "op", "right", "meaning"), [
    # operators
    (payload("tcp", "dport"), "==", 22, "proto=6 & dport=22"),
    (payload("tcp", "dport"), "!=", 22, "proto=6 & dport=not 22"),
    (payload("tcp", "dport"), "<", 22, "proto=6 & dport=0-21"),
    (payload("tcp", "dport"), "<=", 22, "proto=6 & dport=0-22"),
    (payload("tcp", "dport"), ">", 22, "proto=6 & dport=23-"),
    (payload("tcp", "dport"), ">=", 22, "proto=6 & dport=22-"),
    (payload("tcp", "dport"), "<", 0, "proto=6 & dport=nothing"),
    (payload("tcp", "dport"), "==", {"range": [80, 90]}, "proto=6 & dport=80-90"),
    (payload("tcp", "dport"), "==", {"set": [80, {"range": [85, 90]}, {"elem": {"val": 99, "comment": "x"}}]},
     "proto=6 & dport=80,85-90,99"),
    (payload("tcp", "dport"), "==", {"set": []}, "proto=6 & dport=nothing"),
    (payload("tcp", "dport"), "==", "ssh", "proto=6 & ?(tcp dport ssh: not understood: \"ssh\")"),
    (payload("tcp", "dport"), "==", 65536, "proto=6 & ?(tcp dport 65536: not understood: 65536)"),
    (payload("tcp", "dport"), "~", 1, "proto=6 & ?(tcp dport ~ 1: not understood: ~)"),
    # addresses
    (payload("ip", "saddr"), "==", "192.0.2.1", "family=4 & src=192.0.2.1"),
    (payload("ip", "saddr"), "==", {"prefix": {"addr": "192.0.2.0", "len": 30}}, "family=4 & src=192.0.2.0-192.0.2.3"),
    (payload("ip", "daddr"), "==", "2001:db8::1",
     'family=4 & ?(ip daddr 2001:db8::1: not understood: "2001:db8::1")'),
    (payload("ip6", "daddr"), "==", "2001:db8::1", "family=6 & dst=2001:db8::1"),
    ({"&": [payload("ip", "saddr"), "255.255.255.254"]}, "==", "192.0.2.2", "family=4 & src=192.0.2.2-192.0.2.3"),
    ({"&": [payload("ip", "saddr"), "0.0.0.255"]}, ">", "0.0.0.5",
     "family=4 & ?(ip saddr & 0.0.0.255 > 0.0.0.5: not understood: >)"),
    (payload("ip", "saddr"), "==", "@v4", "family=4 & src@inet/t/v4"),
    (payload("ip", "saddr"), "!=", "@v4", "family=4 & !src@inet/t/v4"),
    (payload("ip", "saddr"), "==", "@none", "family=4 & ?(ip saddr @none: the set is not in the snapshot)"),
    (payload("tcp", "dport"), "==", "@m", "proto=6 & dport=80"),
    (payload("ip", "version"), "==", 4, "family=4"),
    (payload("ip", "version"), "==", 6, "family=4 & false"),
    (payload("ip", "ttl"), "==", 64, "family=4 & ?(ip ttl 64: not decidable from a snapshot)"),
    ({"&": [payload("ip", "frag-off"), 8191]}, "!=", 0,
     "family=4 & false"),
    ({"&": [payload("ip", "frag-off"), 0x3FFF]}, "==", 0, "family=4"),
    ({"&": [payload("ip", "frag-off"), 0x4000]}, "!=", 0,
     "family=4 & ?(ip frag-off & 16384 != 0: whether the packet may be fragmented)"),
    (payload("ip", "frag-off"), "==", 0, "family=4 & ?(ip frag-off 0: whether the packet may be fragmented)"),
    (payload("ip", "hdrlength"), ">", 5, "family=4 & false"),
    # protocols
    (meta("l4proto"), "==", {"set": ["tcp", 17]}, "proto=6,17"),
    (payload("ip", "protocol"), "==", "icmp", "family=4 & proto=1"),
    (payload("ip6", "nexthdr"), "==", "ipv6-icmp", "family=6 & proto=58"),
    (payload("icmp", "type"), "==", "echo-request", "family=4 & proto=1 & icmp_type=8"),
    (payload("icmpv6", "code"), "==", "port-unreachable", "family=6 & proto=58 & icmp_code=4"),
    (payload("udp", "length"), "==", 8, "proto=17 & ?(udp length 8: not decidable from a snapshot)"),
    (payload("esp", "spi"), "==", 8, "proto=50 & ?(esp spi 8: not decidable from a snapshot)"),
    (payload("arp", "operation"), "!=", "request", "false"),
    (payload("th", "dport"), "==", 53,
     f"(({PORTS} & dport=53) | ({NO_PORTS} & ?(th dport 53: header bytes of a protocol without that field)))"),
    (raw("th", 16, 16), "==", 53,
     f"(({PORTS} & dport=53) | ({NO_PORTS} & ?(@th,16,16 0x35: header bytes of a protocol without that field)))"),
    (raw("nh", 96, 32), "==", 0xC0000201, "((family=4 & src=192.0.2.1) | (family=not 4 & ?(@nh,96,32 0xc0000201: "
     "header bytes of a protocol without that field)))"),
    (raw("th", 0, 32), "==", 1, "?(@th,0,32 0x1: not decidable from a snapshot)"),
    # tcp flags
    (FLAGS, "in", "syn", "proto=6 & !tcp_flags&0x2=0x0"),
    (FLAGS, "in", ["syn", "ack"], "proto=6 & !tcp_flags&0x12=0x0"),
    (FLAGS, "!", "syn", "proto=6 & tcp_flags&0x2=0x0"),
    (FLAGS, "==", "syn", "proto=6 & tcp_flags=2"),
    (FLAGS, "==", {"set": ["syn", {"|": ["syn", "ack"]}]}, "proto=6 & tcp_flags=2,18"),
    ({"&": [FLAGS, {"|": ["fin", "syn", "rst", "ack"]}]}, "==", "syn", "proto=6 & tcp_flags&0x17=0x2"),
    ({"&": [FLAGS, ["fin", "syn", "rst", "ack"]]}, "!=", "syn", "proto=6 & !tcp_flags&0x17=0x2"),
    ({"&": [FLAGS, ["fin", "syn"]]}, "==", "ack", "proto=6 & false"),
    ({"&": [FLAGS, ["fin", "syn"], "syn"]}, "==", "syn", "proto=6 & tcp_flags&0x2=0x2"),  # newer versions chain them
    ({"&": [FLAGS, "syn"]}, ">", 0, "proto=6 & tcp_flags=2-3,6-7,10-11,14-15,18-19,22-23,…64"),
    # interfaces
    (meta("iifname"), "==", "eth0", "iif=eth0"),
    (meta("oifname"), "!=", "br-*", "!oif=br-*"),
    (meta("iifname"), "==", "a\\*", "iif=a*"),
    (meta("iifname"), "==", "", "!has iif"),
    (meta("iifname"), "==", "77", "iif=77"),
    (meta("iif"), "==", "lo", "iif=lo"),
    (meta("iif"), "==", "77", "iif_index=77"),
    (meta("oif"), "!=", {"set": ["lo", 77]}, "!(oif_index=77 | oif=lo)"),
    (meta("iifgroup"), "==", "default", "has iif & iifgroup&0xffffffff=0"),
    (meta("oifgroup"), "!=", {"set": [5, 7]}, "has oif & !oifgroup&0xffffffff=5,7"),
    (meta("iifgroup"), "==", "dmz", 'has iif & ?(iifgroup "dmz": not understood: "dmz")'),
    # meta
    (meta("mark"), "==", 1, "mark=1"),
    (meta("mark"), "==", "voip", '?(meta mark voip: not understood: "voip")'),
    ({"&": [meta("mark"), 0xFF]}, "!=", 1, "!mark&0xff=0x1"),
    ({"^": [{"&": [meta("mark"), 0xFF]}, 1]}, "==", 3, "mark&0xff=0x2"),
    ({"|": [meta("mark"), 1, 2]}, "==", 3, "mark&0xfffffffc=0x0"),
    ({">>": [meta("mark"), 4]}, "==", 3, '?(meta mark >> 0x00000004 0x00000003: not understood: '
     '{">>": [{"meta": {"key": "mark"}}, 4]})'),
    (meta("nfproto"), "==", "ipv4", "family=4"),
    (meta("protocol"), "==", {"set": ["ip", "ip6"]}, "family=4,6"),
    (meta("protocol"), "!=", "arp", "family=4,6"),
    (meta("pkttype"), "==", {"set": ["broadcast", "multicast"]}, "pkttype=1-2"),
    (meta("pkttype"), "==", "host", "pkttype=0"),
    (meta("skuid"), "!=", 0, "locally_made=1 & ?(meta skuid != 0: which process sent it)"),
    (meta("ipsec"), "==", False, ""),
    (meta("secpath"), "==", True, "false"),
    (meta("length"), ">", 100, "?(meta length > 100: the packet's length)"),
    (meta("new"), "==", 1, "?(meta new 1: not decidable from a snapshot)"),
    # conntrack
    (ct("state"), "in", ["established", "related"], "ct_state=1-2"),
    (ct("state"), "in", "new", "ct_state=3"),
    (ct("state"), "in", 8, "ct_state=3"),
    (ct("state"), "==", {"set": ["new", "untracked"]}, "ct_state=3-4"),
    (ct("state"), "!=", "invalid", "ct_state=1-4"),
    (ct("state"), "!", ["established", "related"], "ct_state=0,3-4"),
    (ct("state"), "==", "@states", "ct_state=3-4"),
    ({"&": [ct("state"), ["new", "invalid"]]}, "!=", 0, "ct_state=0,3"),
    (ct("direction"), "==", "original", "ct_state=1-3 & ct_direction=0"),
    (ct("direction"), "!=", "original", "ct_state=1-3 & ct_direction=1"),
    (ct("status"), "in", "dnat", "ct_state=1-3 & ct_dnat=1"),
    (ct("status"), "!", ["snat", "dnat"], "ct_state=1-3 & !(ct_snat=1 | ct_dnat=1)"),
    ({"&": [ct("status"), "dnat"]}, "==", "dnat", "ct_state=1-3 & ct_dnat=1"),
    ({"&": [ct("status"), ["dnat", "snat"]]}, "==", "dnat", "ct_state=1-3 & (ct_snat=not 1 & ct_dnat=1)"),
    (ct("status"), "in", "confirmed", "ct_state=1-3 & (ct_state=1 | (!ct_state=1,3 & ?(ct status confirmed: the "
     "connection's status is not in the snapshot)))"),
    (ct("status"), "in", "assured", "ct_state=1-3 & (!ct_state=3 & ?(ct status assured: the connection's status is not "
     "in the snapshot))"),
    (ct("status"), "==", "dnat", "ct_state=1-3 & ?(ct status dnat: the connection's status as a whole)"),
    (ct("mark"), "==", 1, "ct_state=1-3 & ct_mark=1"),
    ({"&": [ct("mark"), 0x1000]}, "!=", 0, "ct_state=1-3 & !ct_mark&0x1000=0x0"),
    (ct("ip daddr", "original"), "==", "192.0.2.1", "family=4 & ct_state=1-3 & orig_dst=192.0.2.1"),
    (ct("ip6 saddr", "reply"), "==", "2001:db8::1", "family=6 & ct_state=1-3 & reply_src=2001:db8::1"),
    ({"ct": {"key": "daddr", "dir": "original", "family": "ip"}}, "!=", "192.0.2.1",
     "family=4 & ct_state=1-3 & orig_dst=not 192.0.2.1"),
    (ct("proto-dst", "original"), "==", 5432, f"ct_state=1-3 & (({PORTS} & orig_dport=5432) | "
     f"({NO_PORTS} & (proto=1,58 & (icmp_type=21 & icmp_code=56))))"),
    (ct("proto-dst", "original"), "==", "0x1538 [invalid type]", f"ct_state=1-3 & (({PORTS} & orig_dport=5432) | "
     f"({NO_PORTS} & (proto=1,58 & (icmp_type=21 & icmp_code=56))))"),
    (ct("proto-dst", "original"), "<", 1024, f"ct_state=1-3 & (({PORTS} & orig_dport=0-1023) | "
     f"({NO_PORTS} & (proto=not 1,58 | (proto=1,58 & icmp_type=0-3))))"),
    (ct("helper"), "==", "ftp", "ct_state=1-3 & ?(ct helper \"ftp\": the connection's state beyond a first packet)"),
    (ct("l3proto"), "==", "ipv6", "ct_state=1-3 & family=6"),
    # routing
    (fib("type", "daddr"), "==", "local", "type(dst)=local"),
    (fib("type", "saddr", "iif"), "!=", {"set": ["local", "unicast"]}, "!type(src.iif)=local|unicast"),
    (fib("type", "daddr"), "==", "strange", '?(fib daddr type strange: not understood: "strange")'),
    (fib("type", "daddr", "mark"), "==", "local", "?(fib daddr . mark type local: it depends on the routing tables)"),
    (fib("oif", "saddr", "iif"), "==", False, "!route-back(strict)"),
    (fib("oif", "saddr", "iif"), "==", "0", "!route-back(strict)"),
    (fib("oif", "saddr", "mark", "iif"), "!=", 0, "route-back(strict,mark)"),
    (fib("oifname", "saddr"), "==", True, "route-back(loose)"),
    (fib("check", "saddr", "iif"), "==", False, "!route-back(strict)"),
    (fib("oif", "saddr", "iif"), "==", "eth0", '?(fib saddr . iif oif "eth0": which interface the route back uses)'),
    (fib("oif", "daddr"), "==", "eth0", '?(fib daddr oif "eth0": it depends on the routing tables)'),
    # what a plain packet does not have
    ({"exthdr": {"name": "frag"}}, "==", True, "family=6 & false"),
    ({"exthdr": {"name": "frag"}}, "==", False, "family=6"),
    ({"exthdr": {"name": "rt", "field": "type"}}, "!=", 0, "false"),
    ({"tcp option": {"name": "sack-perm"}}, "==", True,
     "proto=6 & ?(tcp option sack-perm exists: the options of the packet)"),
    ({"unheard of": {"key": 1}}, "==", 1, '?({"unheard of": {"key": 1}} 1: an expression that is not understood)'),
    ({"payload": {"protocol": "ip", "field": "saddr", "tunnel": "vxlan"}}, "==", "192.0.2.1",
     "?(vxlan ip saddr 192.0.2.1: a header field that is not understood)"),
    # concatenations
    ({"concat": [payload("ip", "saddr"), payload("tcp", "dport")]}, "==",
     {"set": [{"concat": ["192.0.2.1", 80]}, {"concat": [{"prefix": {"addr": "192.0.2.8", "len": 31}}, "*"]}]},
     "family=4 & proto=6 & ((src=192.0.2.1 & dport=80) | (src=192.0.2.8-192.0.2.9 & dport=anything))"),
    ({"concat": [meta("l4proto"), payload("th", "dport")]}, "!=", {"set": [{"concat": ["udp", 53]}]},
     "!(proto=17 & dport=53)"),
    ({"concat": [meta("l4proto"), payload("th", "dport")]}, "==", "@pp", "proto.dport@inet/t/pp"),
    ({"concat": [meta("l4proto"), payload("th", "dport")]}, "==", "@odd",
     f"(({PORTS} & proto.dport@inet/t/odd) | ({NO_PORTS} & ?(meta l4proto . th dport @odd: header bytes of a "
     "protocol without that field)))"),
    ({"concat": [payload("ether", "saddr"), payload("ip", "saddr")]}, "==", "@pp",
     "family=4 & ?(ether saddr . ip saddr @pp: not decidable from a snapshot)"),
    (payload("ether", "saddr"), "==", "@mac", "?(ether saddr @mac: not decidable from a snapshot)"),
])
def test_match(left: Any, op: str, right: Any, meaning: str) -> None:
    assert read(left, op, right) == meaning


def test_the_family_is_not_said_twice_in_a_table_of_one_family() -> None:
    assert read(payload("ip", "saddr"), "==", "192.0.2.1", "ip") == "src=192.0.2.1"
    assert read(payload("ip6", "saddr"), "==", "::1", "ip") == "family=6 & src=0.0.0.1"
    assert read(ct("saddr", "original"), "==", "192.0.2.1", "ip") == "ct_state=1-3 & orig_src=192.0.2.1"
    assert read(raw("nh", 128, 32), "==", 0xC0000201, "ip") == "dst=192.0.2.1"
    assert read(payload("ip", "saddr"), "==", "192.0.2.1", "netdev") == "family=4 & src=192.0.2.1"


def test_text_of_what_is_not_understood_is_bounded() -> None:
    long = read({"x" * 10_000: {}}, "==", 1)
    assert len(long) < 1200
    assert json.dumps("x" * 100)[1:-1] in long
