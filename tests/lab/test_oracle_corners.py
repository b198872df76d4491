"""Settings that random cases do not have, one at a time: what the kernel does is among what the engine says."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import permutations, product
from pathlib import Path

import pytest
from grammar_pool import PEERS
from oracle_frames import TCP, UDP, Packet
from oracle_predict import Predictor, judge
from oracle_world import LINKS, Case, Link, World
from requirements import requires

from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

pytestmark = pytest.mark.lab
EMPTY = {"nft.v4": "*filter\n:INPUT ACCEPT\nCOMMIT\n"}
DESTINATIONS = {
    4: ("203.0.113.10", "172.17.0.2", "10.77.0.5", "8.8.8.8", "192.168.50.20"),
    6: ("2001:db8:1::10", "fd00:17::2", "fd00:77::5", "2600::1", "fd00:50::20"),
}


@pytest.fixture
def world() -> Iterator[World]:
    requires("iptables-nft-restore", "nft", "ip", root=True)
    made = World()
    yield made
    made.close()


def packets(family: int, interface: str = "") -> list[Packet]:
    """From the peers of three interfaces, or all of them by one."""
    return [Packet(family, interface or iif, int(ip_address(src)), int(ip_address(dst)), proto, 40000, port)
            for iif, proto, port, dst in product(("eth0", "eth1", "wg0"), (TCP, UDP), (22, 80), DESTINATIONS[family])
            for src in PEERS[family][iif]]


def compare(world: World, case: Case, families: tuple[int, ...], interface: str = "") -> Counter[str]:
    """How often which is agreed on; fails on a disagreement."""
    world.load(case)
    predictor = Predictor(world.snapshot(case))
    counts: Counter[str] = Counter()
    asked = [packet for family in families for packet in packets(family, interface)]
    for packet, kernel in zip(asked, world.ask(asked), strict=True):
        for said in (predictor.trace(packet), predictor.reach(packet)):
            found = judge(kernel, said, predictor.answerable(packet))
            assert found != "disagree", (packet, kernel, said)
            counts[found] += 1
        counts[kernel.kind] += 1
    return counts


def test_policy_rules_with_goto(world: World) -> None:
    """Rules between are passed over; a goto may lead to the next one; one without a target does nothing."""
    case = Case({"nft.v4": "*mangle\n-A PREROUTING -p udp -j MARK --set-mark 0x1\nCOMMIT\n"}, ip=[
        "rule add pref 100 from 198.51.100.0/24 goto 300", "rule add pref 110 fwmark 0x1 goto 300",
        "rule add pref 120 from 192.168.50.21 goto 9999", "rule add pref 200 to 10.77.0.0/24 prohibit",
        "rule add pref 210 from 203.0.113.50 blackhole", "rule add pref 300 iif wg0 goto 32766",
        "rule add pref 300 from 198.51.100.7 to 172.17.0.2 blackhole", "rule add pref 310 to 8.8.8.8 unreachable",
        "rule add pref 320 not from 10.0.0.0/8 goto 32766", "rule add pref 330 to 192.168.50.20 blackhole",
    ])
    counts = compare(world, case, (4,))
    assert counts["agree"] == 2 * len(packets(4)) and counts["lost"] > 20 < counts["out"], counts


def test_ipv6_routes_for_some_sources_alone(world: World) -> None:
    """Where there is one, the kernel does not look at the prefix's other routes, but at those of ::/0."""
    case = Case({"nft.v6": "*filter\n:INPUT ACCEPT\nCOMMIT\n"}, ip=[
        "route add default from 2001:db8:99::/48 via fd00:50::20 dev eth1",
        "route add unreachable fd00:77::/64 from fd00:8::/64 metric 5",
        "route add blackhole 2600::/16 from fd00::/8",
        "route add 2600::/32 via fd00:8::2 dev wg0",
    ])
    counts = compare(world, case, (6,))
    assert counts["agree"] > 1.9 * len(packets(6)) and counts["out"] > 20, counts


def test_which_packets_go_out_through_ipsec_no_snapshot_tells(world: World) -> None:
    """``--dir out --pol ipsec`` never holds on most hosts, as on this one, and on a gateway for its tunnels: both are
    held possible. A packet that comes in plain has been through none (``--dir in``), and that is certain."""
    counts = compare(world, Case({"nft.v4": """*filter
:FORWARD ACCEPT
-A INPUT -m policy --dir in --pol ipsec -j DROP
-A INPUT -m policy --dir in --pol none -p tcp --dport 80 -j DROP
-A FORWARD -d 192.168.50.0/24 -m policy --dir out --pol ipsec -j DROP
-A FORWARD -p tcp --dport 22 -m policy --dir out --pol none -j DROP
COMMIT
"""}), (4,))
    assert counts["undecided"] > 20 < counts["agree"], counts


def table(name: str, hook: str, priority: int, *rules: str) -> str:
    """An nft table of one chain."""
    inside = "\n    ".join(rules)
    return (f"table ip {name} {{\n  chain c {{\n    type filter hook {hook} priority {priority}; policy accept;\n"
            f"    {inside}\n  }}\n}}\n")


TRACKED_FIRST = table("before", "forward", -300, "ct state established accept")
AT_CONNTRACK = table("at", "prerouting", -200, "tcp dport 22 ct state new drop", "udp dport 80 drop")


@pytest.mark.parametrize("rules", [AT_CONNTRACK, TRACKED_FIRST + AT_CONNTRACK])
def test_a_chain_at_the_priority_of_connection_tracking_is_before_or_behind_it(world: World, rules: str) -> None:
    counts = compare(world, Case({"native": rules}, families=(4,)), (4,))
    undecided = 2 * len([packet for packet in packets(4) if (packet.proto, packet.dport) == (TCP, 22)])
    assert 0 < counts["undecided"] <= undecided and counts["agree"] >= 2 * len(packets(4)) - undecided, counts


def test_the_kernel_runs_the_chain_first_that_was_registered_last(world: World) -> None:
    """Both of these are met: so whichever the kernel does, is one of the orders."""
    seen = set()
    for rules in (AT_CONNTRACK, TRACKED_FIRST + AT_CONNTRACK):
        world.load(Case({"native": rules}))
        seen.add(world.ask([Packet(4, "eth0", int(ip_address("198.51.100.7")), int(ip_address("203.0.113.10")), TCP,
                                   40000, 22)])[0].kind)
    assert seen == {"lost", "input"}


def test_three_chains_of_one_priority(world: World) -> None:
    """Registered in every order; what the kernel does is always one of the ways."""
    parts = [table(name, "prerouting", 7, rule) for name, rule in (
        ("a", "meta mark set 0x1"), ("b", "meta mark set 0x2"), ("c", "meta mark 0x1 tcp dport 22 drop"))]
    lost = set()
    for order in permutations(parts):
        counts = compare(world, Case({"native": "".join(order)}, families=(4,)), (4,))
        lost.add(counts["lost"])
        assert counts["undecided"] < counts["agree"]
    assert len(lost) == 2  # two of the six orders drop, the others do not


@pytest.mark.parametrize("mode", ["0", "1", "2"])
@pytest.mark.parametrize("accept_local", ["0", "1"])
def test_sources_by_an_interface_without_an_address(mode: str, accept_local: str) -> None:
    """Loose rp_filter asks of such an interface what strict rp_filter asks (__fib_validate_source, no_addr)."""
    requires("iptables-nft-restore", "nft", "ip", root=True)
    world = World((*LINKS, Link("un0", "", ())))
    try:
        counts = compare(world, Case(EMPTY, ip=["route add 8.8.8.8 dev un0"], sysctl={
            "net/ipv4/conf/un0/rp_filter": mode, "net/ipv4/conf/un0/accept_local": accept_local}), (4,), "un0")
    finally:
        world.close()
    assert counts["agree"] == 2 * len(packets(4)) and (counts["lost"] > 100) == (mode != "0"), counts


@pytest.mark.parametrize("accept_local", ["0", "1"])
def test_local_routes_that_somebody_has_added(world: World, accept_local: str) -> None:
    """Whole networks are this host's: their addresses are answered, and come in from nowhere."""
    counts = compare(world, Case(EMPTY, ip=["route add local 10.9.0.0/16 dev lo", "route add local 8.8.8.0/24 dev lo"],
                                 sysctl={"net/ipv4/conf/all/accept_local": accept_local}), (4,))
    assert counts["agree"] == 2 * len(packets(4)) and counts["input"] > 40 < counts["lost"] + counts["out"], counts


TAKEN = {4: ("203.0.113.10", "172.17.0.1"), 6: ("2001:db8:1::10", "fd00:17::1")}
SHARED = {4: ("203.0.113.255", "172.17.255.255", "255.255.255.255", "224.0.0.1"),
          6: ("2001:db8:1::", "fd00:17::", "ff02::1")}


@pytest.mark.parametrize("family", [4, 6])
def test_tcp_takes_no_connection_to_an_address_of_many(world: World, family: int) -> None:
    """With a real socket that listens: for whom the kernel remembers half a connection, and what the engine says."""
    world.load(Case(EMPTY))
    world.let_through()
    table = "/proc/thread-self/net/tcp" + ("6" if family == 6 else "")
    with world.machine.inside():
        listening = socket.create_server(("", 8080), family=socket.AF_INET if family == 4 else socket.AF_INET6)
        sockets = Path(table).read_bytes()
    peer = int(ip_address(PEERS[family]["eth0"][0]))
    asked = [Packet(family, "eth0", peer, int(ip_address(each)), TCP, 40000 + number, 8080)
             for number, each in enumerate((*TAKEN[family], *SHARED[family]))]
    world.watch(asked)
    with world.machine.inside():
        half = [line.split() for line in Path(table).read_text().splitlines()]
        listening.close()
    taken = {int(words[2].rpartition(":")[2], 16) for words in half if words[3] == "03"}
    engine = Engine(parse_host(Snapshot({**world.snapshot(Case(EMPTY)), f"sockets/{Path(table).name}": sockets})))
    for packet in asked:
        query = Query(family, "eth0", packet.dst, TCP, 8080, IntervalSet.of(peer), packet.sport)
        said = engine.trace(query).disposition
        assert said in (("delivered",) if packet.sport in taken else ("dropped", "undecided")), (packet, said)
    assert len(taken) == len(TAKEN[family])
