"""Policy routing: which table decides, for whom, and what is undecided because a rule asks for more than is known."""

from __future__ import annotations

import pytest

from fwaudit.model.host import Engine as Docker
from fwaudit.model.host import Host, Interface, PolicyRule, Route, UfwPolicy
from fwaudit.model.ruleset import Ruleset
from fwaudit.packet.address import parse_address, parse_network
from fwaudit.path.route import Fib

LAN, OTHER = 0xC0A83200, 0x0A4D0000  # 192.168.50.0/24, 10.77.0.0/24
_, FROM = parse_network("198.51.100.0/24")
INSIDE, OUTSIDE = parse_address("198.51.100.7")[1], parse_address("203.0.113.7")[1]
ROUTES = (
    Route(4, "main", 0, 0, devices=("eth0",)), Route(4, "main", LAN, 24, devices=("eth1",)),
    Route(4, "vpn", 0, 0, devices=("wg0",)), Route(4, "local", 0xCB00710A, 32, "local", ("eth0",)),
)
LAST = (PolicyRule(4, 0, table="local"), PolicyRule(4, 32766, table="main"))
SRC = (0xC6336400, 24)  # 198.51.100.0/24


def way(*rules: PolicyRule, src: int = INSIDE, dst: int = 0x08080808, mark: int | None = 0, iif: str = "eth0",
        routes: tuple[Route, ...] = ROUTES) -> str:
    """The device or the kind of hop, from ``src``, with the usual rules around."""
    interfaces = {name: Interface(name, i, kind=kind, master=master) for i, (name, kind, master) in enumerate(
        (("eth0", "", ""), ("eth1", "", ""), ("wg0", "wireguard", ""), ("red", "vrf", ""), ("eth2", "", "red")), 1)}
    host = Host("h", "", interfaces, {4: routes, 6: ()}, {4: (LAST[0], *rules, LAST[1]), 6: ()}, {}, (),
                Docker(unread="not asked"), UfwPolicy(), Ruleset())
    found = [hop for area, hop in Fib(host, 4).lookup(dst, None, iif, mark) if src in area]
    assert len(found) == 1, "areas are disjoint and cover every source"
    return ",".join(found[0].devices) or found[0].why or found[0].kind


def test_rules_by_mark_and_the_suppressor_of_wg_quick() -> None:
    """``not fwmark 51820 lookup vpn``, ``lookup main suppress_prefixlength 0``: all but the tunnel's own packets."""
    main = PolicyRule(4, 100, table="main", suppress_prefix=0)
    tunnel = PolicyRule(4, 101, table="vpn", mark=51820, inverted=True)
    assert way(main, tunnel) == "wg0"
    assert way(main, tunnel, mark=51820) == "eth0"
    assert way(main, tunnel, dst=LAN + 20) == "eth1"
    assert way(main, tunnel, mark=None) == "ip rule 101 asks for a mark that is not known"


def test_what_refuses_is_not_suppressed() -> None:
    routes = (Route(4, "main", 0, 0, "unreachable"), *ROUTES[1:])
    assert way(PolicyRule(4, 100, table="main", suppress_prefix=0), routes=routes) == "unreachable"
    assert way(PolicyRule(4, 100, table="main", suppress_prefix=0), PolicyRule(4, 101, action="prohibit")) == "prohibit"


def test_a_rule_that_does_nothing_is_passed_over() -> None:
    assert way(PolicyRule(4, 100, action="nop"), PolicyRule(4, 101, action="nop", unknown=("tos 0x10",))) == "eth0"


def test_interfaces_and_sources() -> None:
    assert way(PolicyRule(4, 100, action="blackhole", iif="eth1")) == "eth0"
    assert way(PolicyRule(4, 100, action="blackhole", iif="eth1"), iif="eth1") == "blackhole"
    assert way(PolicyRule(4, 100, table="vpn", src=SRC)) == "wg0"
    assert way(PolicyRule(4, 100, table="vpn", src=SRC), src=OUTSIDE) == "eth0"
    assert way(PolicyRule(4, 100, table="vpn", src=SRC, inverted=True), src=OUTSIDE) == "wg0"


@pytest.mark.parametrize(("more", "why"), [
    ({"unknown": ("uid_start 0", "uid_end 99")}, "uid_start 0, uid_end 99"), ({"unknown": ("tun_id 5",)}, "tun_id 5"),
    ({"unknown": ("tos 0x10",)}, "tos 0x10"), ({"unknown": ("suppress_ifgroup 7",)}, "suppress_ifgroup 7"),
    ({"proto": 17}, "protocol or ports"), ({"sport": (1, 9)}, "protocol or ports"),
    ({"dport": (80, 80)}, "protocol or ports"),
])
def test_what_a_rule_asks_beyond_the_model_is_undecided_for_whom_it_may_speak_of(more: dict, why: str) -> None:
    rule = PolicyRule(4, 100, action="blackhole", src=SRC, **more)
    assert way(rule) == f"ip rule 100 asks for {why}"
    assert way(rule, src=OUTSIDE) == "eth0"


def test_not_in_front_of_what_is_not_modelled_may_speak_of_everybody() -> None:
    """``not from 198.51.100.0/24 ipproto udp``: whoever is not from there, and from there what is not UDP."""
    rule = PolicyRule(4, 100, action="blackhole", src=SRC, inverted=True, proto=17)
    assert way(rule) == way(rule, src=OUTSIDE) == "ip rule 100 asks for protocol or ports"
    marked = PolicyRule(4, 100, action="blackhole", src=SRC, inverted=True, mark=7)
    assert way(marked, mark=None) == "ip rule 100 asks for a mark that is not known"
    assert way(marked, mark=7) == "eth0"
    assert way(marked, mark=8) == "blackhole"


def test_a_goto_passes_over_the_rules_between() -> None:
    over = PolicyRule(4, 100, action="goto", goto=300, src=SRC)
    between, target = PolicyRule(4, 200, action="prohibit"), PolicyRule(4, 300, table="vpn", src=SRC)
    assert way(over, between, target) == "wg0"
    assert way(over, between, target, src=OUTSIDE) == "prohibit"
    assert way(over, between, PolicyRule(4, 300, action="goto", goto=32766), target) == "eth0"
    assert way(PolicyRule(4, 100, action="goto", goto=300, mark=7), between, target, mark=7) == "wg0"
    assert way(PolicyRule(4, 100, action="goto", goto=300, mark=7), between, target, mark=None) == (
        "ip rule 100 asks for a mark that is not known")


@pytest.mark.parametrize("goto", [100, 50, 301, None])
def test_a_goto_that_no_kernel_has_is_undecided(goto: int | None) -> None:
    rule = PolicyRule(4, 100, action="goto", goto=goto, src=SRC)
    assert way(rule, PolicyRule(4, 300, table="vpn")) == "ip rule 100 goes to a rule that is not behind it"
    assert way(rule, PolicyRule(4, 300, table="vpn"), src=OUTSIDE) == "wg0"


def test_vrf_rules_are_undecided_where_they_apply() -> None:
    assert way(PolicyRule(4, 100, action="l3mdev")) == "eth0"
    assert way(PolicyRule(4, 100, action="l3mdev"), iif="eth2") == "ip rule 100 has the action l3mdev"
