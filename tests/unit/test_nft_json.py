"""Tables, chains and sets of a document, and the documents that do not hold together."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import _nft_compact as compact
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwaudit.errors import ParseError
from fwaudit.model.ruleset import Chain, Jump, Ruleset, Undecidable
from fwaudit.netfilter import nft_json
from fwaudit.netfilter.hooks import base_chains
from fwaudit.packet.intervals import IntervalSet

DATA = Path(__file__).parent.parent / "data" / "nft"
TABLE = {"table": {"family": "inet", "name": "t", "handle": 1}}
CHAIN = {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 2}}


def parse(*objects: Any, **options: Any) -> nft_json.NftRuleset:
    return nft_json.parse({"nftables": list(objects)}, source="nft/ruleset.json", **options)


def rule(*statements: Any, chain: str = "c") -> Any:
    return {"rule": {"family": "inet", "table": "t", "chain": chain, "expr": list(statements)}}


def base(**more: Any) -> Any:
    body = {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0}
    return {"chain": {**body, **more}}


def chain_of(body: Any, family: str = "inet") -> Chain:
    table = {"table": {"family": family, "name": "t"}}
    body = {"chain": {**body["chain"], "family": family}}
    return parse(table, body).tables[0].chains["c"]


def test_an_empty_ruleset() -> None:
    found = parse({"metainfo": {"version": "1.0.6", "json_schema_version": 1}})
    assert (found.tables, dict(found.sets), found.notes) == ((), {}, ())


@pytest.mark.parametrize(("family", "prio", "expected"), [
    ("inet", -10, -10), ("inet", "filter", 0), ("inet", "filter - 10", -10), ("ip", "dstnat", -100),
    ("ip", "srcnat + 5", 105), ("ip", "raw", -300), ("ip", "mangle", -150), ("ip", "security", 50),
    ("ip", "-7", -7), ("bridge", "filter", -200), ("bridge", "dstnat", -300), ("bridge", "out", 100),
    ("inet", {"base": "filter", "offset": -10}, -10), ("inet", {"base": -100}, -100)])
def test_priorities(family: str, prio: Any, expected: int) -> None:
    assert chain_of(base(prio=prio), family).priority == expected


def test_base_chains() -> None:
    found = chain_of(base(hook="ingress", prio=-500, policy="drop", dev=["eth0", "eth1"]))
    assert (found.hook, found.kind, found.policy, found.devices) == ("ingress", "filter", "drop", ("eth0", "eth1"))
    assert found.rules == ()
    assert chain_of(base(hook="egress", dev="eth0"), "netdev").devices == ("eth0",)
    assert chain_of(base(type="nat", hook="prerouting")).policy == "accept"


def test_a_device_that_nft_does_not_print_leaves_the_chain_undecided() -> None:
    first = chain_of(base(hook="ingress", policy="drop"), "netdev").rules[0]
    assert first.number == 0
    assert compact.rule(first) == (
        "?(table netdev t: this version of nft does not print the device of the chain) -> accept")


@pytest.mark.parametrize(("flags", "dormant", "doubt"), [
    ("dormant", True, False), (["owner", "dormant"], True, False), (["owner"], False, False), ("persist", False, False),
    ("t", False, True), (["new"], False, True), (7, False, True)])
def test_table_flags(flags: Any, dormant: bool, doubt: bool) -> None:
    """nft 1.0.6 prints the name of the table in place of its flags."""
    found = parse({"table": {"family": "inet", "name": "t", "flags": flags}}, base(policy="drop"))
    assert found.tables[0].dormant is dormant
    assert [each.number for each in found.tables[0].chains["c"].rules] == ([0] if doubt else [])
    assert bool(found.notes) is doubt


def test_tables_of_iptables_are_left_out_when_named_and_undecided_otherwise() -> None:
    opaque = rule({"xt": {"type": "match", "name": "conntrack"}}, {"accept": None})
    named = parse(TABLE, CHAIN, opaque, {"set": {"family": "inet", "table": "t", "name": "s", "type": "mark"}},
                  compat=[("inet", "t")])
    assert (named.tables, dict(named.sets)) == ((), {})
    kept = parse(TABLE, CHAIN, opaque, compat=[("ip", "t")])
    assert "xt match" in compact.ruleset(kept)
    assert kept.notes == ("table inet t has rules of iptables that nft does not show",)


def test_rules_come_in_order_wherever_they_stand() -> None:
    found = parse(rule({"drop": None}), {"counter": {"family": "inet", "table": "t", "name": "x"}}, CHAIN,
                  rule({"accept": None}), TABLE)
    assert [(each.number, each.text) for each in found.tables[0].chains["c"].rules] == [(1, "drop"), (2, "accept")]


def test_objects_of_a_new_kind_are_noted() -> None:
    assert parse(TABLE, {"wormhole": {"family": "inet"}}).notes == ("objects of kind 'wormhole' are not understood",)


def test_a_table_of_family_arp_is_noted_where_it_does_anything() -> None:
    def notes(*rules: Any, flags: Any = (), **more: Any) -> tuple[str, ...]:
        body = {"family": "arp", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, **more}
        return parse({"table": {"family": "arp", "name": "t", "flags": list(flags)}}, {"chain": body}, *(
            {"rule": {"family": "arp", "table": "t", "chain": "c", "expr": [each]}} for each in rules)).notes

    said = ("table arp t is not modelled: it may keep neighbours from finding this host",)
    assert notes({"drop": None}) == notes(policy="drop") == said
    assert notes() == notes({"drop": None}, flags=("dormant",)) == ()


@pytest.mark.parametrize(("document", "message"), [
    (None, 'no "nftables" list'), ([], 'no "nftables" list'), ({"nftables": {}}, 'no "nftables" list'),
    ({"nftables": [1]}, "not an object of one key: 1"), ({"nftables": [{"table": 1}]}, "not an object"),
    ({"nftables": [{"table": {"name": "t"}}]}, "a table without family"),
    ({"nftables": [{"table": {"family": "ipx", "name": "t"}}]}, "table of family 'ipx'"),
    ({"nftables": [TABLE, TABLE]}, "table inet t twice"),
    ({"nftables": [CHAIN]}, "a chain of table inet t, which is not there"),
    ({"nftables": [TABLE, CHAIN, CHAIN]}, "chain c twice in table inet t"),
    ({"nftables": [TABLE, rule({"drop": None})]}, "a rule of chain c, which is not there"),
    ({"nftables": [TABLE, CHAIN, {"rule": {"family": "inet", "table": "t", "chain": "c"}}]}, "without statements"),
    ({"nftables": [TABLE, CHAIN, rule({"jump": {"target": "d"}})]}, "chain c jumps to d, which is not there"),
    ({"nftables": [TABLE, CHAIN, rule({"vmap": {"key": {"meta": {"key": "mark"}},
                                               "data": {"set": [[1, {"goto": {"target": "d"}}]]}}})]}, "jumps to d"),
    ({"nftables": [TABLE, CHAIN, rule({"goto": {"target": "c"}})]}, "chain c jumps back to itself"),
    ({"nftables": [TABLE, base(hook="sideways")]}, "base chain c"),
    ({"nftables": [TABLE, base(type="magic")]}, "base chain c"),
    ({"nftables": [TABLE, base(policy="maybe")]}, "base chain c"),
    ({"nftables": [TABLE, base(dev=[1])]}, "base chain c"),
    ({"nftables": [TABLE, base(prio="soon")]}, 'priority "soon"')])
def test_documents_that_do_not_hold_together(document: Any, message: str) -> None:
    with pytest.raises(ParseError, match=r"nft/ruleset\.json") as caught:
        nft_json.parse(document, source="nft/ruleset.json")
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_long_loop_is_found_and_a_long_chain_of_jumps_is_none() -> None:
    names = [f"c{i}" for i in range(3000)]
    chains = [{"chain": {"family": "inet", "table": "t", "name": name}} for name in names]
    jumps = [rule({"jump": {"target": then}}, chain=first) for first, then in pairwise(names)]
    found = parse(TABLE, *chains, *jumps)
    assert found.tables[0].chains["c0"].rules[0].target == Jump("c1")
    with pytest.raises(ParseError, match="jumps back"):
        parse(TABLE, *chains, *jumps, rule({"jump": {"target": "c0"}}, chain="c2999"))


# ---- sets -----------------------------------------------------------------------------------------------------------


def named(**body: Any) -> Any:
    return {"set": {"family": "inet", "table": "t", "name": "s", **body}}


@pytest.mark.parametrize(("body", "expected"), [
    ({"type": "ipv4_addr", "elem": ["192.0.2.1", {"range": ["192.0.2.2", "192.0.2.9"]}, "192.0.2.8/29"]},
     "addr: 4:192.0.2.1-192.0.2.15"),
    ({"type": "ipv6_addr", "elem": [{"prefix": {"addr": "2001:db8::", "len": 126}}]},
     "addr: 6:2001:db8::-2001:db8::3"),
    ({"type": "inet_service", "elem": [80, {"range": [85, 90]}]}, "port: n:80,85-90"),
    ({"type": "inet_proto", "elem": ["tcp", 17]}, "proto: n:6,17"),
    ({"type": "mark", "elem": 5}, "mark: n:5"),
    ({"type": "ipv4_addr"}, "addr: 4:nothing"),
    ({"type": "ipv4_addr", "elem": ["*"]}, "addr: 4:anything"),
    ({"type": "ipv4_addr", "flags": ["timeout"], "elem": [{"elem": {"val": "192.0.2.1", "timeout": 60}}]},
     "addr dynamic: 4:192.0.2.1"),
    ({"type": "ipv4_addr", "flags": "dynamic"}, "addr dynamic: 4:nothing"),
    ({"type": "ipv4_addr", "timeout": 60}, "addr dynamic: 4:nothing"),
    ({"type": "ifname", "elem": ["eth0", "br-*"]}, "iface: eth0; br-*"),
    ({"type": "ether_addr", "elem": ["00:11:22:33:44:55"]}, 'mac: "00:11:22:33:44:55"'),
    ({"type": "ct_state", "elem": ["new"]}, 'other: "new"'),
    ({"type": ["ipv4_addr", "inet_service"], "elem": [
        {"concat": [{"prefix": {"addr": "0.0.0.8", "len": 31}}, 80]},
        {"elem": {"val": {"concat": ["0.0.0.1", {"range": [1, 9]}]}, "timeout": 5}}]},
     "addr.port: 8-9 . 80; 1 . 1-9 expires"),
    ({"type": "ipv4_addr . ifname", "elem": [{"concat": ["0.0.0.1", "wg*"]}, "*"]},
     "addr.iface: 1 . wg*; anything . *"),
    ({"type": {"typeof": {"payload": {"protocol": "ip", "field": "saddr"}}}, "elem": ["192.0.2.1"]},
     "addr: 4:192.0.2.1"),
    ({"type": {"typeof": {"concat": [{"meta": {"key": "iifname"}}, {"payload": {"protocol": "th", "field": "dport"}},
                                     {"ct": {"key": "zone"}}]}}}, "iface.port.other: "),
    ({"type": "ipv4_addr", "elem": ["example.org"]}, 'addr unread an element does not read: "example.org": '),
    ({"type": "ipv4_addr", "elem": [{"prefix": {"addr": "0.0.0.0", "len": 10**9}}]},
     'addr unread an element does not read: {"prefix": {"addr": "0.0.0.0", "len": 1000000000}}: '),
    ({"type": ["ipv4_addr", "mark"], "elem": [{"concat": ["0.0.0.1"]}]},
     'addr.mark unread an element does not read: {"concat": ["0.0.0.1"]}: '),
    ({"type": 7}, "other: "), ({}, "other: ")])
def test_sets(body: Any, expected: str) -> None:
    found = parse(TABLE, named(**body)).sets["inet", "t", "s"]
    assert compact.named_set(found) == f"set inet/t/s {expected}"


def test_a_set_that_packets_add_to_is_dynamic() -> None:
    """nft 1.0.6 does not print the flag in its JSON."""
    add = {"set": {"op": "add", "elem": {"meta": {"key": "mark"}}, "set": "@s"}}
    for statement in (add, "update @s { meta mark }"):
        assert parse(TABLE, CHAIN, named(type="mark"), rule(statement)).sets["inet", "t", "s"].dynamic
    delete = {"set": {"op": "delete", "elem": {"meta": {"key": "mark"}}, "set": "@s"}}
    assert not parse(TABLE, CHAIN, named(type="mark"), rule(delete)).sets["inet", "t", "s"].dynamic


@pytest.mark.parametrize("body", [
    {"stmt": [{"limit": {"rate": 1, "burst": 5, "per": "hour"}}], "elem": ["192.0.2.1"]},
    {"elem": [{"elem": {"val": "192.0.2.1", "quota": {"val": 1, "val_unit": "mbytes"}}}]},
    {"elem": [{"elem": {"val": "192.0.2.1", "ct count": {"val": 3}}}]},
])
def test_a_lookup_may_fail_on_the_limit_of_an_element(body: Any) -> None:
    """Seen: with ``set s { type ipv4_addr; limit rate over 1/hour; … }``, ``ip saddr @s accept`` lets nobody in."""
    why = "each element has a rate limit of its own"
    assert parse(TABLE, named(type="ipv4_addr", **body)).sets["inet", "t", "s"].unread == why
    lookup = {"vmap": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": "@s"}}
    mapped = {"map": {**named(type="ipv4_addr", map="verdict")["set"], **body}}
    target = parse(TABLE, CHAIN, mapped, rule(lookup)).tables[0].chains["c"].rules[0].target
    assert isinstance(target, Undecidable) and target.why == why
    counted = {"elem": [{"elem": {"val": "192.0.2.1", "counter": {"packets": 0, "bytes": 0}}}]}
    assert not parse(TABLE, named(type="ipv4_addr", **counted)).sets["inet", "t", "s"].unread


def test_a_device_may_be_named_by_its_beginning() -> None:
    """Linux 6.16, nft 1.1.4: ``devices = { "veth*", eth1 }``."""
    table = {"table": {"family": "netdev", "name": "t"}}
    body = base(hook="ingress", family="netdev", dev=["veth*", "eth1"])
    ruleset = Ruleset(parse(table, body).tables)
    on = [name for name in ("veth0", "veth", "eth1", "eth10", "lo") if base_chains(ruleset, 4, "ingress", name)]
    assert on == ["veth0", "veth", "eth1"]


def test_elements_listed_elsewhere_belong_to_their_set() -> None:
    element = {"element": {"family": "inet", "table": "t", "name": "s", "elem": [7]}}
    assert parse(TABLE, element, named(type="mark", elem=[5])).sets["inet", "t", "s"].values[0] == IntervalSet.of(5, 7)


def test_a_large_set_reads_fast() -> None:
    elements = [f"{10 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.1" for i in range(100_000)]
    start = time.perf_counter()
    found = parse(TABLE, named(type="ipv4_addr", elem=elements))
    assert time.perf_counter() - start < 3
    assert found.sets["inet", "t", "s"].values[4].size(0xFFFFFFFF) == 100_000


# ---- hostile documents ----------------------------------------------------------------------------------------------

DOCUMENTS = [json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))]
STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(
        ["@s4", "*", "10.0.0.0/8", "::1", "-1", 1 << 200, -5, "eth0", "in", "!", 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["match", "left", "right", "op", "set", "map", "concat", "prefix", "addr", "len", "range", "&", "|", "^",
         "elem", "val", "vmap", "key", "data", "meta", "payload", "ct", "jump", "target", "mangle", "value", "dnat",
         "port", "protocol", "field", "base", "offset", "xt", "type", "family", "numgen", "mod"]), inner, max_size=3),
    max_leaves=6)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    out = [here]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        out += paths(inner, (*here, key))
    return out


PATHS = [paths(document) for document in DOCUMENTS]


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_document_changed_anywhere_reads_or_is_a_parse_error(data: Any) -> None:
    which = data.draw(st.integers(0, len(DOCUMENTS) - 1))
    document = json.loads(json.dumps(DOCUMENTS[which]))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(PATHS[which][1:]))
        at = document
        try:
            for key in way:
                at = at[key]
            if data.draw(st.booleans()):
                at[last] = data.draw(STRANGE)
            else:
                del at[last]
        except (KeyError, IndexError, TypeError):
            continue
    try:
        found = nft_json.parse(document, source="x")
    except ParseError:
        return
    for table in found.tables:
        for chain in table.chains.values():
            hash(chain.rules)  # the engine keeps conditions as keys


@given(STRANGE)
def test_any_document_reads_or_is_a_parse_error(document: Any) -> None:
    for each in (document, {"nftables": document}, {"nftables": [document]},
                 {"nftables": [TABLE, CHAIN, rule(document)]}):
        try:
            nft_json.parse(each, source="x")
        except ParseError as error:
            assert error.source == "x"


def test_a_document_nested_very_deeply_is_a_parse_error() -> None:
    deep: Any = {"meta": {"key": "mark"}}
    for _ in range(100_000):
        deep = {"&": [deep, 1]}
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(TABLE, CHAIN, rule({"match": {"op": "==", "left": deep, "right": 1}}))
