"""What rules ask of the routing tables: ways back, and addresses that routes refuse."""

from __future__ import annotations

import pytest

from fwaudit.model.condition import AddressType, Condition, ReversePath
from fwaudit.model.host import Engine as Docker
from fwaudit.model.host import Host, Interface, PolicyRule, Route, UfwPolicy
from fwaudit.model.ruleset import Backend, Ruleset
from fwaudit.netfilter.denote import resolve
from fwaudit.netfilter.facts import Facts, facts_of
from fwaudit.packet.address import parse_address, parse_network
from fwaudit.path.match import match
from fwaudit.path.route import Fib
from fwaudit.path.routing_facts import RoutingFacts
from fwaudit.path.state import PacketState


def route(text: str, device: str, kind: str = "unicast", table: str = "main") -> Route:
    family, area = parse_network(text)
    low, high = area.bounds[0], area.bounds[1] if len(area.bounds) > 1 else 1 << (32 if family == 4 else 128)
    return Route(family, table, low, (32 if family == 4 else 128) - (high - low).bit_length() + 1, kind, (device,))


ROUTES = {
    4: (route("0.0.0.0/0", "eth0"), route("192.168.50.0/24", "eth1"), route("10.99.0.0/16", "", "blackhole"),
        route("203.0.113.10", "eth0", "local", "local"), route("203.0.113.255", "eth0", "broadcast", "local"),
        route("127.0.0.0/8", "lo", "local", "local"), route("127.255.255.255", "lo", "broadcast", "local")),
    6: (route("::/0", "eth0"), route("fd00:50::/64", "eth1"), route("fd00:98::/64", "lo", "prohibit"),
        route("fe80::/64", "eth0"), route("fe80::/64", "eth1"), route("2001:db8::10", "eth0", "local", "local"),
        route("2001:db8::", "eth0", "anycast", "local")),
}


def facts(*rules: PolicyRule) -> Facts:
    interfaces = {name: Interface(name, i) for i, name in enumerate(("lo", "eth0", "eth1"), 1)}
    host = Host("h", "", interfaces, ROUTES, {4: rules, 6: rules}, {}, (), Docker(unread="not asked"), UfwPolicy(),
                Ruleset())
    known = facts_of(host)
    return Facts(known.types, known.known, known.sets, RoutingFacts(host, {f: Fib(host, f) for f in (4, 6)}),
                 known.indexes)


def holds(condition: Condition, iif: str, source: str, backend: Backend = "native", *rules: PolicyRule) -> bool | None:
    family, value = parse_address(source)
    found = match(resolve(condition, facts(*rules), family, backend), PacketState(family, 6, iif=iif))
    return True if value in found.certainly else None if value in found.possibly else False


@pytest.mark.parametrize(("iif", "source", "native", "xt"), [
    ("eth0", "8.8.8.8", True, True), ("eth1", "8.8.8.8", False, False), ("lo", "8.8.8.8", True, True),
    ("eth1", "192.168.50.7", True, True), ("eth0", "192.168.50.7", False, False),
    ("eth0", "10.99.1.1", False, False), ("eth0", "203.0.113.10", False, False),
    ("eth0", "203.0.113.255", None, None), ("eth1", "0.0.0.0", None, None),
    ("eth0", "2600::1", True, True), ("eth1", "2600::1", False, False), ("eth1", "fd00:50::7", True, True),
    ("eth0", "fd00:50::7", False, False),  # the default route of eth0 is not asked
    ("eth0", "fd00:98::1", False, False), ("eth1", "fd00:98::1", False, False),
    ("eth1", "fe80::7", True, True), ("eth0", "fe80::7", True, True), ("eth0", "2001:db8::10", False, False),
    ("eth1", "::", False, True),
])
def test_the_way_back(iif: str, source: str, native: bool | None, xt: bool | None) -> None:
    assert holds(ReversePath(), iif, source) is native
    assert holds(ReversePath(), iif, source, "nft") is xt


def test_any_way_back() -> None:
    assert holds(ReversePath(loose=True), "eth1", "8.8.8.8") is True
    assert holds(ReversePath(loose=True), "eth1", "10.99.1.1") is False
    assert holds(ReversePath(loose=True), "eth1", "2600::1") is True
    assert holds(ReversePath(accept_local=True), "eth1", "203.0.113.10", "nft") is None


def test_with_policy_routing_nobody_knows() -> None:
    rule = PolicyRule(4, 100, table="vpn")
    assert holds(ReversePath(), "eth0", "8.8.8.8", "native", rule) is None
    assert holds(AddressType("src", frozenset({"unicast"})), "eth0", "2600::1", "native", rule) is None


@pytest.mark.parametrize(("source", "kind"), [
    ("2600::1", "unicast"), ("fd00:98::1", "prohibit"), ("2001:db8::10", "local"), ("ff02::1", "multicast"),
    ("::", "unspec"), ("::ffff:1.2.3.4", "unspec")])
def test_types_of_the_whole_table(source: str, kind: str) -> None:
    kinds = ("unicast", "local", "prohibit", "unreachable", "blackhole", "multicast", "unspec")
    found = {each for each in kinds
             if holds(AddressType("src", frozenset({each})), "eth0", source)}
    assert found == {kind}
    assert holds(AddressType("src", frozenset({"prohibit"})), "eth0", source, "nft") is None


def test_ipv6_anycast_is_of_any_interface() -> None:
    assert holds(AddressType("src", frozenset({"anycast"}), "iif"), "eth1", "2001:db8::") is True
    assert holds(AddressType("src", frozenset({"unicast"}), "iif"), "eth1", "2001:db8::") is False


@pytest.mark.parametrize(("address", "kind"), [
    ("127.0.0.1", "local"), ("127.255.255.254", "local"), ("127.255.255.255", "broadcast"), ("128.0.0.0", "unicast"),
    ("203.0.113.10", "local"), ("203.0.113.255", "broadcast")])
def test_the_longer_prefix_says_the_type(address: str, kind: str) -> None:
    assert {each for each in ("local", "broadcast", "unicast")
            if holds(AddressType("src", frozenset({each})), "eth0", address, "nft")} == {kind}
