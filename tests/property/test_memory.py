"""What an engine remembers of one question is never an answer to another: an engine that is asked for the first time
says the same as one that was asked much before."""

from dataclasses import replace
from typing import TypeVar

import captures
from grammar import DESTINATIONS, PORTS, SOURCES, number, rulesets
from hypothesis import given
from hypothesis import strategies as st
from test_engines import host

from fwaudit.exposure.outside import host_addresses, outside_interfaces
from fwaudit.exposure.services import offers
from fwaudit.model.host import Address, Host, Interface, PolicyRule, Route, Socket
from fwaudit.model.host import Engine as Docker
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query, Reach
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

T = TypeVar("T")
Said = dict[tuple[str, object], tuple[IntervalSet, IntervalSet]]


def said(reach: Reach) -> Said:
    return {(each.disposition, each.to): (each.certainly, each.possibly) for each in reach.outcomes}


HOOKS = st.sampled_from(("", "", "", "input"))
QUESTIONS = st.lists(st.tuples(
    st.sampled_from(("eth0", "eth1", "wg0", "docker0")), st.sampled_from(DESTINATIONS), st.sampled_from(PORTS),
    HOOKS), min_size=4, max_size=12)


def agrees(asked_before: Engine, query: Query) -> None:
    """Whoever was asked before says what one says who is asked for the first time."""
    assert said(asked_before.reach(query)) == said(Engine(asked_before.host).reach(query)), query


@given(rulesets("raw", "mangle", "nat", "filter"), QUESTIONS, st.sampled_from("012"))
def test_a_random_host(text: str, asked: list[tuple[str, str, int, str]], rp_filter: str) -> None:
    found = host(text)
    found = replace(found, sysctl={**found.sysctl, "net.ipv4.conf.all.rp_filter": rp_filter})
    asked_before = Engine(found)
    few = IntervalSet.of(*map(number, SOURCES))
    for door, address, port, hook in asked:
        for sources in (few, ALL):
            agrees(asked_before, Query(4, door, number(address), 6, port, sources, None, hook))


OWN = {"eth0": ("203.0.113.10", "203.0.113.11"), "eth1": ("10.0.0.1", "203.0.113.12"), "wg0": ("10.0.0.2",)}
PLACES = (*(address for several in OWN.values() for address in several), "127.0.0.1", "172.17.0.1", "172.17.0.2",
          "10.0.0.255", "255.255.255.255", "224.0.0.1", "239.1.1.1", "0.0.0.0", "192.0.2.65")
SETTINGS = ("all.rp_filter=1", "all.rp_filter=2", "eth0.rp_filter=1", "eth1.rp_filter=2", "eth1.accept_local=1",
            "wg0.route_localnet=1", "all.route_localnet=1", "eth0.forwarding=0", "wg0.forwarding=0")
BOUND = (Socket(6, 4, number("203.0.113.11"), 443, "one"), Socket(6, 4, number("10.0.0.1"), 22, "two"),
         Socket(6, 4, number("127.0.0.1"), 5432, "three"), Socket(6, 4, 0, 8080, "four", device="eth1"),
         Socket(17, 4, 0, 80, "five"), Socket(6, 6, 0, 443, "six"),
         Socket(6, 4, 0, 80, "docker-proxy", argv=("-container-ip", "203.0.113.12", "-container-port", "22")),
         Socket(6, 4, 0, 65535, "docker-proxy", argv=("-container-ip", "172.17.0.2", "-container-port", "80")))
ROUTES = (Route(4, "main", 0, 0, devices=("eth0",)), Route(4, "main", 0, 0, devices=("eth0", "eth1")),
          Route(4, "main", number("198.51.100.0"), 24, devices=("wg0",)),
          Route(4, "main", number("192.0.2.0"), 24, "prohibit"),
          Route(4, "main", number("192.0.2.64"), 26, devices=()),
          Route(4, "local", number("203.0.113.128"), 25, "local", ("eth0",)))
RULES = (PolicyRule(4, 100, table="main", iif="eth1"),
         PolicyRule(4, 100, "prohibit", src=(number("10.0.0.0"), 24)),
         PolicyRule(4, 100, table="main", dst=(number("203.0.113.10"), 32)))


def number6(address: str) -> int:
    return parse_address(address)[1]


def several(of: tuple[T, ...], most: int = 3) -> st.SearchStrategy[list[T]]:
    return st.lists(st.sampled_from(of), max_size=most, unique_by=repr)


@given(rulesets("mangle", "nat", "filter"), several(SETTINGS), several(BOUND, 4), several(ROUTES),
       st.sampled_from((*RULES, None, None, None, None)), st.booleans(), st.lists(st.tuples(
           st.sampled_from(("eth0", "eth1", "wg0", "br0")), st.sampled_from(PLACES), st.sampled_from(PORTS[2:]),
           st.sampled_from((6, 6, 6, 17, 1))), min_size=6, max_size=14))
def test_a_random_host_with_many_addresses(
        text: str, settings: list[str], bound: list[Socket], routes: list[Route], rule: PolicyRule | None,
        netfilter_on_bridges: bool, asked: list[tuple[str, str, int, int]]) -> None:
    interfaces = {name: Interface(name, place, addresses=tuple(Address(4, number(each), 24) for each in addresses))
                  for place, (name, addresses) in enumerate(OWN.items(), 2)}
    interfaces["br0"] = Interface("br0", 9, addresses=(Address(4, number("172.17.0.1"), 16),), kind="bridge")
    interfaces["veth0"] = Interface("veth0", 10, kind="veth", master="br0")
    local = [Route(4, "local", number(each), 32, "local", (name,)) for name in OWN for each in OWN[name]]
    local += [Route(4, "local", number("172.17.0.1"), 32, "local", ("br0",)),
              Route(4, "local", 127 << 24, 8, "local", ("lo",)),
              Route(4, "local", number("10.0.0.255"), 32, "broadcast", ("eth1",)),
              Route(4, "main", number("172.17.0.0"), 16, devices=("br0",)),
              Route(4, "main", number("10.0.0.0"), 24, devices=("eth1",))]
    found = host(text.replace("docker0", "br0"))
    sysctl = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0",
              "net.bridge.bridge-nf-call-iptables": str(int(netfilter_on_bridges))}
    for setting in settings:
        name, _, value = setting.partition("=")
        sysctl[f"net.ipv4.conf.{name}"] = value
    found = replace(found, interfaces=interfaces, routes={4: (*routes, *local), 6: ()}, sysctl=sysctl,
                    policy_rules={4: (PolicyRule(4, 0, table="local"), rule, PolicyRule(4, 32766, table="main"))
                                  if rule else None, 6: None}, sockets=(*found.sockets, *bound), engine=Docker())
    asked_before = Engine(found)
    for door, address, port, proto in asked:
        agrees(asked_before, Query(4, door, number(address), proto, port))


OWN6 = {"eth0": ("2001:db8:1::10", "2001:db8:1::11", "fe80::1"), "eth1": ("fd00:50::10", "fe80::2"),
        "br0": ("fd00:99::1", "fe80::1")}
PLACES6 = (*(address for several in OWN6.values() for address in several), "::1", "fd00:99::2", "fd00:50::77",
           "2001:db8:99::1", "ff02::1", "ff02::fb")
RULES6 = (
    "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:99::2]:8080",
    "PREROUTING -p tcp -m tcp --dport 443 -j DNAT --to-destination [fd00:50::77]:443",
    "PREROUTING -d 2001:db8:1::10/128 -p tcp -j DNAT --to-destination [2001:db8:1::11]:22",
    "PREROUTING -i eth1 -p tcp -m tcp --dport 22 -j ACCEPT",
    "PREROUTING -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 22",
    "POSTROUTING -o eth1 -j MASQUERADE")
RULES6_FILTER = (
    "INPUT -i eth1 -p tcp -m tcp --dport 22 -j DROP", "INPUT -d fd00:50::10/128 -j DROP", "INPUT -s fe80::/10 -j DROP",
    "INPUT -m conntrack --ctorigdst 2001:db8:1::11 -j DROP", "FORWARD -i eth0 -j DROP", "FORWARD -o br0 -j ACCEPT",
    "FORWARD -s 2001:db8:1::/64 -j DROP", "OUTPUT -o eth1 -j DROP", "OUTPUT -s fd00:50::10/128 -j DROP",
    "OUTPUT -o eth0 -d fe80::/10 -j DROP", "OUTPUT -m conntrack --ctreplsrc 2001:db8:1::10 -j DROP")
ROUTES6 = (("::", 0, "eth0"), ("::", 0, "eth1"), ("fe80::", 64, "eth0"), ("fe80::", 64, "eth1"), ("fe80::", 10, "eth0"),
           ("2001:db8:1::", 64, "eth0"), ("2001:db8:1::", 64, "eth1"), ("fd00:99::", 64, "br0"))


@given(several(RULES6), several(RULES6_FILTER), several(ROUTES6, 8), st.booleans(), st.lists(st.tuples(
    st.sampled_from(("eth0", "eth1", "br0")), st.sampled_from(PLACES6), st.sampled_from((22, 53, 80, 443)),
    HOOKS), min_size=6, max_size=14))
def test_a_random_host_of_ipv6(nat: list[str], rules: list[str], routes: list[tuple[str, int, str]], forwards: bool,
                               asked: list[tuple[str, str, int, str]]) -> None:
    text = "".join("\n".join([f"*{name}", *(f":{chain} ACCEPT [0:0]" for chain in chains),
                              *(f"-A {rule}" for rule in said), "COMMIT", ""]) for name, chains, said in (
        ("nat", ("PREROUTING", "POSTROUTING"), nat), ("filter", ("INPUT", "FORWARD", "OUTPUT"), rules)))
    interfaces = {
        name: Interface(name, place, "bridge" * (name == "br0"), addresses=tuple(
            Address(6, number6(each), 64) for each in addresses))
        for place, (name, addresses) in enumerate(OWN6.items(), 2)}
    local = [Route(6, "local", number6(each), 128, "local", (name,)) for name in OWN6 for each in OWN6[name]]
    local.append(Route(6, "local", 1, 128, "local", ("lo",)))
    found = replace(
        host(""), interfaces=interfaces, engine=Docker(),
        routes={4: (), 6: (*local, *(Route(6, "main", number6(low), length, devices=(name,))
                                     for low, length, name in routes))},
        sysctl={"net.ipv6.conf.all.forwarding": str(int(forwards))},
        sockets=(Socket(6, 6, 0, 22, "one"), Socket(6, 6, number6("fd00:50::10"), 443, "two"),
                 Socket(6, 6, 0, 53, "three", device="eth1")),
        ruleset=Ruleset(parse(text, family=6, backend="nft", source="random").tables))
    asked_before = Engine(found)
    for door, address, port, hook in asked:
        agrees(asked_before, Query(6, door, number6(address), 6, port, ALL, None, hook))


def queries(found: Host, engine: Engine) -> list[Query]:
    outside = outside_interfaces(found)
    addresses = {family: host_addresses(outside, family) for family in (4, 6)}
    return [Query(offer.family, each.name, target, offer.service.proto, offer.service.port)
            for offer in offers(found, engine.services, addresses) for target in offer.targets for each in outside]


def test_recorded_hosts() -> None:
    for name in captures.GOLDEN:
        found = parse_host(Snapshot(dict(captures.case(name).files)))
        engine = Engine(found)
        for query in queries(found, engine):
            assert said(engine.reach(query)) == said(Engine(found).reach(query)), (name, query)
