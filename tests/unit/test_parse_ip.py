"""iproute2's JSON. ``data/ip`` is real output of iproute2 6.1 in a network namespace that was given every kind of
link, address, route and rule that the kernel there has modules for."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from fwaudit.errors import ParseError
from fwaudit.model.host import Address, Interface, PolicyRule, Route
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import format_address, parse_address
from fwaudit.parse import ip
from fwaudit.parse.values import Record, read_list, read_once

DATA = Path(__file__).parent.parent / "data" / "ip"


def real(name: str) -> list[Record]:
    return read_list(Snapshot({f"net/{name}": (DATA / name).read_bytes()}), f"net/{name}")


def records(*values: dict[str, Any], source: str = "net/x.json") -> list[Record]:
    return [Record(source, value) for value in values]


def spell(route: Route) -> str:
    """``kind dst devices`` with the parts that matter, to compare with what ``ip route`` was told."""
    words = [route.kind, f"{format_address(route.family, route.low)}/{route.prefix}", ",".join(route.devices)]
    if route.gateway is not None:
        words.append(f"via {format_address(route.family, route.gateway)}")
    return " ".join(word for word in [*words, f"table {route.table}" if route.table != "main" else ""] if word)


@pytest.fixture(scope="module")
def interfaces() -> dict[str, Interface]:
    return ip.parse_interfaces(real("link.json"), real("addr.json"))


def test_interfaces(interfaces: dict[str, Interface]) -> None:
    assert {name: (each.kind, each.master, each.up, each.group) for name, each in interfaces.items()} == {
        "lo": ("", "", True, 0), "eth0": ("veth", "", True, 0), "eth0p": ("veth", "", True, 0),
        "br0": ("bridge", "", True, 0), "v0": ("veth", "br0", False, 7), "v1": ("veth", "", True, 0),
        "tap": ("macvlan", "", False, 0)}
    assert interfaces["v0"].hairpin and interfaces["v0"].isolated and not interfaces["v1"].hairpin
    assert interfaces["lo"].mac == "" and len(interfaces["eth0"].mac) == 17


def test_addresses(interfaces: dict[str, Interface]) -> None:
    peer = next(each for each in interfaces["eth0"].addresses if each.peer is not None and each.family == 4)
    assert peer == Address(4, parse_address("10.0.0.5")[1], 32, "global", parse_address("10.9.9.9")[1])
    assert Address(6, 1, 128, "host") in interfaces["lo"].addresses


def test_an_address_that_is_a_duplicate_is_not_in_use(interfaces: dict[str, Interface]) -> None:
    twice = parse_address("fd00::99")[1]
    assert any(each.value == twice for each in interfaces["eth0p"].addresses)
    assert not any(each.value == twice for each in interfaces["eth0"].addresses)


def test_addresses_alone_give_interfaces() -> None:
    found = ip.parse_interfaces([], real("addr.json"))
    assert found["v0"].group == 7 and found["v0"].master == "br0" and found["lo"].addresses


def test_groups_and_programs() -> None:
    link = {"ifname": "eth0", "ifindex": 2, "flags": ["UP"], "group": "uplinks"}
    found = ip.parse_interfaces(
        records(link | {"xdp": {"mode": 1, "prog": {"id": 5, "name": "drop"}}},
                link | {"ifname": "eth1", "xdp": {"attached": [{"prog": {"id": 6}}, {"prog": {"id": 7}}]}}), [],
        records({"dev": "eth0", "kind": "clsact"}, {"dev": "eth0", "kind": "fq_codel"}, {"dev": "no", "kind": "bpf"}))
    assert found["eth0"].group == ip.UNKNOWN_GROUP
    assert found["eth0"].programs == ("xdp drop", "tc clsact") and found["eth1"].programs == ("xdp 6", "xdp 7")


def test_routes_of_ipv4() -> None:
    routes = ip.parse_routes(real("route.v4.json"), 4)
    assert [spell(route) for route in routes if not (route.table == "local" and route.low >> 24 == 127)] == [
        "prohibit 2.1.0.0/16 table 100", "throw 2.3.0.0/16 table 100", "unicast 0.0.0.0/0 eth0 via 10.0.0.254",
        "unicast 1.0.0.0/24 eth0", "blackhole 2.0.0.0/8", "unreachable 2.2.0.0/16", "unicast 3.0.0.0/8 v1",
        "unicast 4.4.4.4/32 eth0", "unicast 5.0.0.0/8 eth0 via 10.0.0.9", "blackhole 6.0.0.0/8",
        "unicast 7.0.0.0/8 eth0 via 10.0.0.9", "unicast 10.0.0.0/24 eth0", "unicast 10.9.9.9/32 eth0",
        "unicast 11.0.0.0/8 eth0",  # encap prints a second "dst": the first is the route's
        "multicast 224.1.0.0/16 eth0", "local 9.0.0.0/8 lo table local", "local 10.0.0.1/32 eth0 table local",
        "local 10.0.0.5/32 eth0 table local", "broadcast 10.0.0.255/32 eth0 table local"]
    assert routes[2].metric == 100 and not any(route.down for route in routes)


def test_routes_of_ipv6() -> None:
    routes = ip.parse_routes(real("route.v6.json"), 6)
    texts = [spell(route) for route in routes]
    assert {"blackhole fd01::/16", "unicast fd04::/64 eth0", "unreachable fd05::/64", "local ::1/128 lo table local",
            "unicast ::/0 eth0 via fd00::254", "multicast ff00::/8 br0 table local"} <= set(texts)
    assert len(routes) == len(json.loads((DATA / "route.v6.json").read_text()))
    (source,) = (route for route in routes if route.from_prefix)
    assert (source.from_low, source.from_prefix) == (parse_address("fd00::")[1], 64)


def test_ipv6_routes_in_the_ipv4_answer_are_left_out() -> None:
    mixed = records(
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}, {"dst": "default", "dev": "ppp0"},
        {"dst": "default", "gateway": "fe80::1", "dev": "eth0", "pref": "medium"},
        {"dst": "default", "dev": "wg0", "pref": "medium"}, {"dst": "fd00::/8", "dev": "wg0"},
        {"dst": "10.0.0.0/8", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0"}, source="net/route.v4.json")
    assert [spell(route) for route in ip.parse_routes(mixed, 4)] == [
        "unicast 0.0.0.0/0 eth0 via 192.0.2.1", "unicast 0.0.0.0/0 ppp0", "unicast 10.0.0.0/8 eth0"]
    assert len(ip.parse_routes(mixed, 6)) == 3


@pytest.mark.parametrize(("route", "down", "devices"), [
    ({"flags": ["linkdown"], "dev": "docker0"}, False, ("docker0",)),
    ({"flags": ["dead", "linkdown"], "dev": "eth1"}, True, ("eth1",)),
    ({"flags": [], "nexthops": [{"dev": "a", "flags": ["dead"]}, {"dev": "b", "flags": []}]}, False, ("b",)),
    ({"flags": [], "nexthops": [{"dev": "a", "flags": ["dead"]}]}, True, ("a",)),
])
def test_dead_next_hops(route: dict[str, Any], down: bool, devices: tuple[str, ...]) -> None:
    (found,) = ip.parse_routes(records({"dst": "10.0.0.0/8"} | route), 4)
    assert (found.down, found.devices) == (down, devices)


@pytest.mark.parametrize("more", [{"tos": "0x10"}, {"flags": ["cloned"]}, {"cache": []}])
def test_routes_that_no_ordinary_packet_takes(more: dict[str, Any]) -> None:
    assert ip.parse_routes(records({"dst": "10.0.0.0/8", "dev": "eth0"} | more), 4) == ()


@pytest.mark.parametrize("dst", ["", "10.0.0.0/33", "10.0.0.0/x", "10.0.0", 5, None, [1]])
def test_a_bad_destination_is_refused(dst: object) -> None:
    with pytest.raises(ParseError):
        ip.parse_routes(records({"dst": dst, "dev": "eth0"}, source="net/route.v4.json"), 4)


def test_table_numbers_and_names_are_one() -> None:
    routes = ip.parse_routes(records(*({"dst": "10.0.0.0/8", "table": table} for table in ("254", 255, "vpn"))), 4)
    assert [route.table for route in routes] == ["main", "local", "vpn"]


def test_policy_rules() -> None:
    """Each line: what ``ip rule add`` was told, as in the script that made the data."""
    by_priority = {rule.priority: rule for rule in ip.parse_rules(real("rule.v4.json"), 4)}
    net = lambda text, length: (parse_address(text)[1], length)  # noqa: E731
    want = {
        0: PolicyRule(4, 0, table="local"),
        291: PolicyRule(4, 291, table="110"),                                # realms 3/4: no selector
        292: PolicyRule(4, 292, table="109", unknown=("tun_id 4",)),
        293: PolicyRule(4, 293, table="109", unknown=("suppress_ifgroup 3",)),
        294: PolicyRule(4, 294, table="108", proto=47),
        295: PolicyRule(4, 295, table="107", unknown=("tos 0x10",)),
        296: PolicyRule(4, 296, table="106", iif="lo"),
        297: PolicyRule(4, 297, table="105", unknown=("tos 0x10",)),
        299: PolicyRule(4, 299, table="103", proto=6, sport=(1000, 2000), dport=(80, 80)),
        300: PolicyRule(4, 300, table="200", oif="eth0"),
        400: PolicyRule(4, 400, "goto", goto=32766),
        401: PolicyRule(4, 401, "nop", goto=40000),                          # no such rule: passed over
        402: PolicyRule(4, 402, "nop"),
        1000: PolicyRule(4, 1000, "l3mdev"),
        32758: PolicyRule(4, 32758, "prohibit", dst=net("1.2.3.5", 32)),
        32759: PolicyRule(4, 32759, "unreachable", dst=net("1.2.3.4", 32)),
        32760: PolicyRule(4, 32760, table="main", suppress_prefix=0),
        32761: PolicyRule(4, 32761, table="51820", mark=0xCA6C, inverted=True),
        32762: PolicyRule(4, 32762, "blackhole", mark=0x10, mark_mask=0xF0),
        32763: PolicyRule(4, 32763, table="102", mark=1),
        32764: PolicyRule(4, 32764, table="101", src=net("10.1.0.0", 16), dst=net("192.168.1.0", 24), iif="eth0",
                          inverted=True),
        32765: PolicyRule(4, 32765, table="100", src=net("10.0.0.0", 8)),
        32766: PolicyRule(4, 32766, table="main"), 32767: PolicyRule(4, 32767, table="default"),
    }
    users = by_priority.pop(298)
    assert by_priority == want
    assert users.table == "104" and {text.split()[0] for text in users.unknown} == {"uid_start", "uid_end"}


def test_policy_rules_of_ipv6() -> None:
    rules = ip.parse_rules(real("rule.v6.json"), 6)
    assert PolicyRule(6, 32765, table="5", src=(0xFD << 120, 8), mark=3) in rules


def test_protocol_numbers_in_rules() -> None:
    rules = ip.parse_rules(records({"priority": 1, "ipproto": "200"}, {"priority": 2, "ipproto": "ipproto-201"}), 4)
    assert [rule.proto for rule in rules] == [200, 201]


def test_what_was_read_once_is_what_is_read_and_errors_are_told_each_time() -> None:
    """Of another family, under another name, and where one of two equal records is wrong."""
    same = {"dst": "10.0.0.0/8", "dev": "eth0"}
    for _ in range(2):
        assert [route.family for route in ip.parse_routes([Record("net/route.v4.json", same)], 4)] == [4]
        assert ip.parse_routes([Record("net/route.v4.json", same)], 6) == ()
        for name in ("net/route.v4.json", "net/route.v6.json"):
            with pytest.raises(ParseError, match=f"{name}.*metric"):
                ip.parse_routes([Record(name, {**same, "metric": "far"})], 4)
    for metric in (1, "1"):
        assert [route.metric for route in ip.parse_routes([Record("x.v4.json", {**same, "metric": metric})], 4)] == [1]
    with pytest.raises(ParseError, match="metric"):  # though True is 1
        ip.parse_routes([Record("x.v4.json", {**same, "metric": True})], 4)


def test_read_once_keeps_few_and_short_ones() -> None:
    calls = []

    @read_once
    def read(text: str) -> int | None:
        calls.append(text)
        return None

    for _ in range(3):
        assert read("a") is read("b" * 5000) is None
    assert calls == ["a", "b" * 5000, "b" * 5000, "b" * 5000]
    for number in range(5000):
        read(str(number))
    kept = inspect.getclosurevars(read).nonlocals["kept"]
    assert 0 < len(kept) <= 2000
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"x": deep}

    @read_once
    def name(record: Record) -> str:
        return record.text("name")

    assert name(Record("x", {"name": "a", "deep": deep})) == "a"
