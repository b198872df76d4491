"""Egress, and what stands below the IP hooks: where it may matter it is undecided, elsewhere it is not mentioned."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fwaudit.model.host import Address, Container, Endpoint, Host, Interface, Route, UfwPolicy
from fwaudit.model.host import Engine as Docker
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.verdict import Query
from fwaudit.netfilter import nft_json
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.engine import Engine

CONTAINER, PEER, LAN = (parse_address(text)[1] for text in ("172.17.0.2", "198.51.100.7", "192.168.50.20"))
DROP: list[Any] = [{"drop": None}]


def table(family: str, hook: str, *statements: Any, device: str = "", **more: Any) -> list[Any]:
    chain = {"family": family, "table": "t", "name": "c", "type": "filter", "hook": hook, "prio": 0, **more}
    if device:
        chain["dev"] = device
    rules = [{"rule": {"family": family, "table": "t", "chain": "c", "expr": [each]}} for each in statements]
    return [{"table": {"family": family, "name": "t"}}, {"chain": chain}, *rules]


def ends(objects: list[Any], dst: int = CONTAINER, iif: str = "eth0", ports: bool = True,
         calls: str = "0", programs: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """What may become of a packet: (disposition, reason) of each end."""
    ruleset = nft_json.parse(json.loads(json.dumps({"nftables": objects})), source="test")
    addresses = {"eth0": (0xCB00710A, 24), "eth1": (0xC0A8320A, 24), "docker0": (0xAC110001, 16)}
    interfaces = {name: Interface(name, i, "bridge" if name == "docker0" else "", addresses=(Address(4, *address),))
                  for i, (name, address) in enumerate(addresses.items(), 2)}
    interfaces["eth0"] = replace(interfaces["eth0"], programs=programs)
    if ports:
        interfaces["veth1"] = Interface("veth1", 9, "veth", "docker0")
    routes = [Route(4, "main", 0, 0, devices=("eth0",)), Route(4, "main", 0xAC110000, 16, devices=("docker0",)),
              Route(4, "main", 0xC0A83200, 24, devices=("eth1",))]
    settings = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0",
                "net.bridge.bridge-nf-call-iptables": calls}
    containers = tuple(Container(str(i), f"c{i}", "", True, endpoints=(
        Endpoint("bridge", CONTAINER + i, 16, parse_address("172.17.0.1")[1]),)) for i in range(2))
    host = Host("h", "", interfaces, {4: tuple(routes), 6: ()}, {4: None, 6: None}, settings, (),
                Docker("Docker", "29.0", containers=containers), UfwPolicy(), Ruleset(ruleset.tables, ruleset.sets))
    src = PEER if iif == "eth0" else CONTAINER + 1
    walk = Engine(host)._walk(Query(4, iif, dst, 6, 80, IntervalSet.of(src), 40000), None)
    return {(end.disposition, end.reason) for end in walk.ends}


OPEN = {("delivered", "")}
ELSEWHERE = {("undecided", "whether 192.168.50.20, another machine, answers")}
BRIDGE = ("undecided", "the nft table bridge t, which is not modelled")


def test_egress_comes_behind_postrouting() -> None:
    for more in ({"policy": "drop"}, {"statements": DROP}):
        def egress(device: Any, more: Any = more) -> list[Any]:
            rest = {"policy": more["policy"]} if "policy" in more else {}
            return table("netdev", "egress", *more.get("statements", ()), device=device, **rest)

        assert ends(egress("docker0")) == ends(egress(["eth1", "docker*"])) == {("dropped", "")}
        assert ends(egress("docker0"), LAN) == ELSEWHERE
        assert ends(egress("eth1"), LAN) == {("dropped", "")}
        assert ends(egress("eth1")) == OPEN
        assert ends(egress("eth0")) == {("dropped", "")}, "the answer leaves by it"


@pytest.mark.parametrize("hook", ["input", "output", "prerouting", "postrouting"])
def test_a_table_of_family_bridge_may_matter_to_what_goes_through_a_bridge(hook: str) -> None:
    assert ends(table("bridge", hook, *DROP)) == {BRIDGE, *OPEN}


def test_a_table_of_family_bridge_is_not_mentioned_where_it_cannot_matter() -> None:
    assert ends(table("bridge", "forward", *DROP)) == OPEN, "a routed packet crosses no bridge"
    assert BRIDGE not in ends(table("bridge", "output", *DROP), ports=False), "nothing is attached to it"
    assert ends(table("bridge", "output", *DROP), LAN) == ELSEWHERE
    assert ends(table("bridge", "output")) == ends(table("bridge", "output", policy="accept")) == OPEN
    dormant = table("bridge", "output", *DROP)
    dormant[0]["table"]["flags"] = ["dormant"]
    assert ends(dormant) == OPEN


@pytest.mark.parametrize("calls", ["0", "1"])
def test_a_packet_from_port_to_port_meets_forward_of_the_bridge(calls: str) -> None:
    assert BRIDGE in ends(table("bridge", "forward", *DROP), iif="docker0", calls=calls)
    assert BRIDGE not in ends(table("bridge", "output", *DROP), iif="docker0", calls=calls)


@pytest.mark.parametrize("hook", ["ingress", "egress"])
def test_chains_on_one_port_of_a_bridge_are_undecided(hook: str) -> None:
    said = ("undecided", "the nft chain t c on veth1, a port of a bridge, which is not modelled")
    assert ends(table("netdev", hook, *DROP, device="veth1")) == {said, *OPEN}
    assert ends(table("netdev", hook, *DROP, device="veth1"), LAN) == ELSEWHERE


MARKED = [{"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 7}}, {"drop": None}]


def test_programs_below_the_hooks() -> None:
    """What XDP does is undecided; tc, which every packet passes as well, may have given it a mark."""
    objects = table("inet", "forward", policy="accept")
    objects.append({"rule": {"family": "inet", "table": "t", "chain": "c", "expr": MARKED}})
    assert ends(objects) == OPEN
    assert ends(objects, programs=("xdp guard",)) == {
        ("undecided", "xdp guard on eth0, which is not modelled"), *OPEN}
    assert ends(objects, programs=("tc clsact",)) == {("dropped", ""), *OPEN}
    assert ends([], programs=("tc clsact",)) == OPEN
