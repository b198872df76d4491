"""Packets that come in alike are walked for once: on hosts with something that tells some of them apart, every door,
address and port is asked about in one engine, forwards and backwards, and in a new engine for each question."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest

from fwaudit.model.host import Address, Host, Interface, PolicyRule, Route, Socket, UfwPolicy
from fwaudit.model.host import Engine as Docker
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.verdict import Query, Reach
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.engine import Engine


def number(address: str) -> int:
    return parse_address(address)[1]


OWN = {4: {"eth0": ("203.0.113.10", "203.0.113.11"), "eth1": ("10.0.0.1", "10.0.0.2"), "br0": ("172.17.0.1",),
           "lo": ("127.0.0.1",)},
       6: {"eth0": ("2001:db8:1::10", "2001:db8:1::11", "fe80::1"), "eth1": ("fd00:50::10", "fd00:50::11", "fe80::2"),
           "br0": ("fd00:99::1",), "lo": ("::1",)}}
BEYOND = {4: ("172.17.0.2", "10.0.0.77", "198.51.100.1", "10.0.0.255", "255.255.255.255", "224.0.0.1", "239.1.1.1"),
          6: ("fd00:99::2", "fd00:50::77", "2001:db8:99::1", "ff02::1", "ff02::fb", "fe80::77")}
NEAR = {4: (("172.17.0.0", 16, "br0"), ("203.0.113.0", 24, "eth0"), ("10.0.0.0", 24, "eth1"), ("0.0.0.0", 0, "eth0")),
        6: (("fd00:99::", 64, "br0"), ("2001:db8:1::", 64, "eth0"), ("fd00:50::", 64, "eth1"), ("fe80::", 64, "eth0"),
            ("fe80::", 64, "eth1"))}
PORTS = (22, 80, 443)
DOORS = ("eth0", "eth1", "br0")


def host(family: int, nat: tuple[str, ...] = (), rules: tuple[str, ...] = (), **more: object) -> Host:
    tables = (("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), nat),
              ("filter", ("INPUT", "FORWARD", "OUTPUT"), rules))
    text = "".join("\n".join([f"*{name}", *(f":{chain} ACCEPT [0:0]" for chain in chains),
                              *(f"-A {rule}" for rule in said), "COMMIT", ""]) for name, chains, said in tables)
    width = 32 if family == 4 else 128
    interfaces = {name: Interface(name, place, "bridge" if name == "br0" else "", addresses=tuple(
        Address(family, number(each), width - 8 if family == 4 else 64) for each in addresses))
        for place, (name, addresses) in enumerate(OWN[family].items(), 2)}
    interfaces["veth0"] = Interface("veth0", 10, kind="veth", master="br0")
    routes = [Route(family, "local", number(each), width, "local", (name,))
              for name, addresses in OWN[family].items() for each in addresses]
    routes += [Route(family, "main", number(low), length, devices=(name,)) for low, length, name in NEAR[family]]
    found = Host("h", "", interfaces, {4: (), 6: (), family: tuple(routes)}, {4: None, 6: None},
                 {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1", "net.ipv4.conf.all.rp_filter": "0"},
                 (Socket(6, 6, 0, 22, "sshd"), Socket(6, 6, 0, 80, "httpd")), Docker(), UfwPolicy(),
                 Ruleset(parse(text, family=family, backend="nft", source="test").tables))
    return replace(found, **more)


def questions(family: int) -> Iterator[Query]:
    places = (*(each for addresses in OWN[family].values() for each in addresses), *BEYOND[family])
    for door, place, port, hook in product(DOORS, places, PORTS, ("", "input")):
        yield Query(family, door, number(place), 6, port, hook=hook)  # type: ignore[arg-type]


def answers(reach: Reach) -> dict[tuple[str, object], tuple[IntervalSet, IntervalSet]]:
    return {(each.disposition, each.to): (each.certainly, each.possibly) for each in reach.outcomes}


def with_routes(family: int, *more: Route) -> Callable[[], Host]:
    def make() -> Host:
        plain = host(family)
        return replace(plain, routes={**plain.routes, family: (*(plain.routes[family] or ()), *more)})
    return make


def with_settings(family: int = 4, *nat: str, **settings: str) -> Callable[[], Host]:
    def make() -> Host:
        plain = host(family, nat)
        return replace(plain, sysctl={**plain.sysctl, **{
            f"net.ipv4.conf.{name.replace('_', '.', 1)}": value for name, value in settings.items()}})
    return make


def with_sockets(family: int, nat: tuple[str, ...], *more: Socket) -> Callable[[], Host]:
    def make() -> Host:
        plain = host(family, nat)
        return replace(plain, sockets=(*(plain.sockets or ()), *more))
    return make


def with_rules(family: int, nat: tuple[str, ...] = (), rules: tuple[str, ...] = ()) -> Callable[[], Host]:
    return lambda: host(family, nat, rules)


def with_interface(family: int, **change: object) -> Callable[[], Host]:
    def make() -> Host:
        plain = host(family)
        return replace(plain, interfaces={**plain.interfaces, "eth1": replace(
            plain.interfaces["eth1"], **change)})  # type: ignore[arg-type]
    return make


def with_policy(*rules: PolicyRule) -> Callable[[], Host]:
    usual = (PolicyRule(4, 0, table="local"), PolicyRule(4, 32766, table="main"))
    return lambda: replace(host(4), policy_rules={4: (usual[0], *rules, usual[1]), 6: None})


TO_OWN = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 203.0.113.10:80"
TO_BRIDGE = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80"
TO_LOOPBACK = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:80"
TO_NEIGHBOUR6 = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:50::77]:80"
CASES: dict[str, Callable[[], Host]] = {
    "a rule of INPUT for a door": with_rules(4, (), ("INPUT -i eth1 -j DROP",)),
    "a rule of INPUT for a prefix": with_rules(4, (), ("INPUT -i eth+ -p tcp -j DROP", "INPUT ! -i eth0 -j DROP")),
    "a rule of INPUT for an address": with_rules(4, (), ("INPUT -d 10.0.0.2/32 -j DROP",)),
    "rules for many addresses": with_rules(4, (), tuple(f"INPUT -d 10.0.0.{i}/32 -j DROP" for i in range(2, 14))),
    "a rule for bits of an address": with_rules(4, (), ("INPUT -d 0.0.0.2/0.0.0.3 -j DROP",)),
    "a rule for the address first sent to": with_rules(4, (TO_BRIDGE,), (
        "FORWARD -m conntrack --ctorigdst 203.0.113.11 -j DROP",)),
    "a rule for the side that answers": with_rules(4, (), (
        "OUTPUT -m conntrack --ctreplsrc 203.0.113.11 -j DROP",)),
    "a rule for the source of answers": with_rules(4, (), ("OUTPUT -s 10.0.0.2/32 -j DROP",)),
    "a type of address": with_rules(4, (), ("INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j DROP",)),
    "NAT for an address": with_rules(4, ("PREROUTING -d 10.0.0.2/32 -p tcp -j DNAT --to-destination 172.17.0.2",)),
    "NAT to an own address": with_rules(4, (TO_OWN,), ("INPUT -m conntrack --ctstate DNAT -j DROP",)),
    "NAT to loopback": with_settings(4, TO_LOOPBACK, eth1_route_localnet="1"),
    "NAT to another port": with_sockets(4, ("PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination :443",),
                                        Socket(6, 4, number("10.0.0.2"), 443, "one")),
    "NAT to the door": with_rules(4, ("PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 22",)),
    "NAT of networks": with_rules(4, ("PREROUTING -d 10.0.0.0/24 -j NETMAP --to 172.17.0.0/24",)),
    "NAT of some doors": with_rules(4, ("PREROUTING -i eth1 -p tcp -j DNAT --to-destination 172.17.0.2:80",)),
    "loopback from one wire": with_settings(eth1_route_localnet="1"),
    "one door does not forward": with_settings(4, TO_BRIDGE, eth1_forwarding="0"),
    "own addresses as sources": with_settings(eth1_accept_local="1"),
    "strict source checks": with_settings(all_rp_filter="1"),
    "strict source checks at a door": with_settings(eth1_rp_filter="1"),
    "loose source checks at a door": with_settings(eth1_rp_filter="2"),
    "a socket of an address": with_sockets(4, (), Socket(6, 4, number("10.0.0.2"), 443, "one")),
    "a socket of a door": with_sockets(4, (), Socket(6, 4, 0, 443, "one", device="eth1")),
    "a proxy to an own address": with_sockets(4, (), Socket(
        6, 4, 0, 443, "docker-proxy", argv=("-container-ip", "10.0.0.2", "-container-port", "22"))),
    "a program at a door": with_interface(4, programs=("xdp 7",)),
    "an address for all": with_routes(4, Route(4, "local", number("10.0.0.1"), 32, "broadcast", ("eth1",))),
    "a route of a door": with_policy(PolicyRule(4, 100, "prohibit", iif="eth1")),
    "a route of a destination": with_policy(PolicyRule(4, 100, "prohibit", dst=(number("10.0.0.2"), 32))),
    "a route of a source": with_policy(PolicyRule(4, 100, "prohibit", src=(number("10.0.0.2"), 32))),
    "a route without a device": with_routes(4, Route(4, "main", number("198.51.100.0"), 24, devices=())),
    "a destination beyond a door": with_rules(4),
    "links with other neighbours": with_routes(6, Route(6, "main", 0, 0, devices=("eth0",))),
    "answers over a link": with_rules(6, (), ("OUTPUT -o eth1 -j DROP",)),
    "back out by the same door": with_rules(6, (TO_NEIGHBOUR6,)),
    "addresses of one link": with_rules(6),
    "routes that tie": with_routes(6, *(Route(6, "main", number("fd00:99::"), 80, devices=(name,), metric=5)
                                        for name in ("eth0", "eth1"))),
    "NAT over the link": with_rules(6, (
        "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fe80::77]:80",)),
    "anycast": with_routes(6, Route(6, "local", number("fd00:50::11"), 128, "anycast", ("eth1",))),
}


@pytest.mark.parametrize("case", CASES)
def test_what_tells_packets_apart(case: str) -> None:
    found = CASES[case]()
    family = 6 if found.routes[6] else 4
    there = list(questions(family))
    for order in (there, there[::-1]):
        asked_before = Engine(found)
        for query in order:
            assert answers(asked_before.reach(query)) == answers(Engine(found).reach(query)), query
