"""What NAT makes of a packet, where the kernel has a choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwaudit.model.condition import In
from fwaudit.model.host import Address, Interface
from fwaudit.model.ruleset import Chain, Dnat, Redirect, Rule, Ruleset, Snat, Table
from fwaudit.model.snapshot import Snapshot
from fwaudit.netfilter.facts import facts_of
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.nat import NatUnknown, translate, tuple_ports
from fwaudit.path.state import PacketState
from fwaudit.path.tables import Tables
from fwaudit.path.walk import Walk, World

PACKET = PacketState(4, 6, dst=0xAC110002, dport=80, oif="docker0")
HOST = parse_host(Snapshot({}))


def test_a_range_of_sources_is_as_many_ways() -> None:
    found = translate(PACKET, Snat((0x0A000001, 0x0A000003)), HOST)
    assert [(state.ct_snat, state.reply_dst) for state in found] == [(1, 0x0A000001 + i) for i in range(3)]


def test_a_source_out_of_many_is_not_known() -> None:
    with pytest.raises(NatUnknown, match="one of 256 addresses"):
        translate(PACKET, Snat((0x0A000000, 0x0A0000FF)), HOST)


def v6(text: str) -> int:
    return parse_address(text)[1]


@pytest.mark.parametrize(("dst", "source"), [
    ("2001:db8:99::7", "2001:db8:1::11"),  # the first of those alike
    ("2001:db8:1::10", "2001:db8:1::10"),  # itself, by the longest prefix
    ("fd00:77::5", "fd00:1::10"),          # of the same kind
    ("fe80::7", "fe80::1"), ("::", "fe80::1"), ("ff02::1", "fe80::1"),
    ("ff05::2", "2001:db8:1::11"),         # a link's address is too narrow for a site
])
def test_masquerade_takes_the_source_that_suits(dst: str, source: str) -> None:
    own = [Address(6, v6("2001:db8:1::11"), 64), Address(6, v6("2001:db8:1::10"), 64), Address(6, v6("fd00:1::10"), 64),
           Address(6, v6("fe80::1"), 64, "link")]
    host = replace(HOST, interfaces={"eth0": Interface("eth0", 2, addresses=tuple(own))})
    state = PacketState(6, 6, dst=v6(dst), dport=80, oif="eth0")
    assert [found.reply_dst for found in translate(state, Snat(None), host)] == [v6(source)]


def test_nat_that_changes_nothing_settles_it_for_its_own_sources_alone() -> None:
    """A redirect to where the packet goes anyway leaves other sources, in the same state, to the next chain."""
    def chain(name: str, priority: int, condition: In, target: Dnat) -> Chain:
        return Chain(name, (Rule((condition,), target, name, 1),), "prerouting", priority, "nat")

    table = Table("native", "ip", "t", {
        "one": chain("one", -110, In("src", IntervalSet.range(0, 9)), Dnat((PACKET.dst or 0, PACKET.dst or 0))),
        "two": chain("two", -100, In("src", ALL), Dnat((1, 1)))})
    host = replace(HOST, ruleset=Ruleset((table,)))
    walk = Walk(Tables(host, facts_of(host)), host, 4)
    found = {world.state.dst: world.peers for world in walk.hook([World(PACKET, ALL)], "prerouting", "eth0")}
    assert found == {PACKET.dst: IntervalSet.range(0, 9), 1: ~IntervalSet.range(0, 9)}


@pytest.mark.parametrize(("dst", "to"), [
    ("2001:db8:99::7", "2001:db8:1::11"), ("::", "2001:db8:1::11"), ("::ffff:1.2.3.4", "2001:db8:1::11"),
    ("ff0e::1", "2001:db8:1::11"), ("fe80::7", "fe80::1"), ("ff02::1", "fe80::1"),
    ("ff05::2", ""), ("::2", ""),  # no address of a site, nor an IPv4-compatible one: dropped
])
def test_redirect_goes_to_an_address_of_the_scope(dst: str, to: str) -> None:
    own = (Address(6, v6("2001:db8:1::11"), 64), Address(6, v6("fe80::1"), 64, "link"))
    host = replace(HOST, interfaces={"eth0": Interface("eth0", 2, addresses=own)})
    state = PacketState(6, 6, dst=v6(dst), dport=80, iif="eth0")
    assert [found.dst for found in translate(state, Redirect(), host)] == ([v6(to)] if to else [])


def test_redirect_without_the_interface_is_not_known() -> None:
    with pytest.raises(NatUnknown, match="not known"):
        translate(PacketState(4, 6, dst=1, dport=80, iif="eth9"), Redirect(), HOST)


def test_a_connection_of_icmp_has_type_and_code_for_a_port() -> None:
    assert tuple_ports(PACKET._replace(sport=4000)) == ((4000, 80), (80, 4000))
    echo = PacketState(4, 1, dst=1, sport=4711, icmp_type=8)
    assert tuple_ports(echo) == ((4711, 0x800), (4711, 0))
    assert tuple_ports(echo._replace(family=6, proto=58, icmp_type=128)) == ((4711, 0x8000), (4711, 0x8100))
    assert tuple_ports(echo._replace(icmp_type=3)) == ((4711, 0x300), (4711, None))
    turned = translate(echo._replace(reply_sport=4711, dport=0), Dnat((2, 2)), HOST)
    assert [(found.dst, found.reply_sport) for found in turned] == [(2, 4711)]
