"""ipset save → named sets, and these against the kernel's own answers (ipset test)."""

from __future__ import annotations

import ipaddress
import subprocess

import pytest
from _needs import needs
from _tables import show
from hypothesis import given, settings
from hypothesis import strategies as st

from fwaudit.errors import ParseError
from fwaudit.model.condition import InSet
from fwaudit.model.ruleset import NamedSet
from fwaudit.netfilter.denote import resolve, simplify
from fwaudit.netfilter.facts import Facts
from fwaudit.netfilter.ipset import parse
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import EMPTY

TAIL = "family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x15421b2a"


def one(text: str) -> NamedSet:
    (found,) = parse(text).values()
    return found


def number(text: str) -> int:
    return int(ipaddress.ip_address(text))


def holds(found: NamedSet, *values: object) -> bool:
    """Whether an element is (value, …), one for each of the set's kinds; addresses and ports as text and numbers."""
    wanted = [number(value) if isinstance(value, str) and (":" in value or "." in value) else value for value in values]
    if not found.elements and len(found.kinds) == 1:
        assert isinstance(wanted[0], int)
        return any(wanted[0] in each for each in found.values.values())
    return any(
        all(value == part or (part.endswith("*") and str(value).startswith(part[:-1])) if isinstance(part, str)
            else value in part for part, value in zip(element.values, wanted, strict=True))
        for element in found.elements)


def test_addresses_with_timeouts_counters_and_comments() -> None:
    found = one('create banned hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 counters comment\n'
                'add banned 10.0.0.1 timeout 99 packets 0 bytes 0 comment "nomatch add x 1.2.3.4"\n'
                'add banned 10.0.0.2 timeout 0 packets 5 bytes 3\n')
    assert found.key == ("ipset", "banned")
    assert found.kinds == ("addr",)
    assert found.dynamic
    assert holds(found, "10.0.0.1") and holds(found, "10.0.0.2") and not holds(found, "10.0.0.3")
    assert found.elements == ()


def test_an_empty_set() -> None:
    assert one(f"create e hash:net {TAIL}\n").values == {4: EMPTY}
    assert one("create e hash:ip,port family inet6\n").elements == ()
    assert parse("") == {}


def test_the_innermost_network_decides() -> None:
    found = one(f"create n hash:net {TAIL}\nadd n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch\nadd n 10.1.2.0/24\n"
                "add n 10.1.2.7 nomatch\nadd n 192.0.2.0/24 nomatch\n")
    inside = ["10.0.0.0", "10.0.255.255", "10.1.2.0", "10.1.2.6", "10.1.2.8", "10.2.0.0", "10.255.255.255"]
    outside = ["9.255.255.255", "10.1.0.0", "10.1.1.255", "10.1.2.7", "10.1.3.0", "10.1.255.255", "11.0.0.0",
               "192.0.2.1"]
    assert all(holds(found, address) for address in inside)
    assert not any(holds(found, address) for address in outside)


def test_the_innermost_network_decides_whatever_its_interface() -> None:
    """mtype_test_cidrs looks at no shorter prefix where one holds the address, and that has another interface."""
    found = one(f"create i hash:net,iface {TAIL}\nadd i 10.0.0.0/8,eth0\nadd i 10.1.0.0/16,wlan0\n"
                "add i 10.1.0.0/16,wlan1\nadd i 10.2.0.0/16,eth0 nomatch\n")
    inside = [("10.0.0.1", "eth0"), ("10.1.0.1", "wlan0"), ("10.1.0.1", "wlan1")]
    outside = [("10.1.0.1", "eth0"), ("10.2.0.1", "eth0"), ("10.0.0.1", "wlan0")]
    assert all(holds(found, *each) for each in inside) and not any(holds(found, *each) for each in outside)


def test_netmasks_bitmaps_and_ranges() -> None:
    assert holds(one(f"create m hash:ip {TAIL} netmask 24\nadd m 10.0.0.0\n"), "10.0.0.77")
    assert holds(one("create b bitmap:ip range 10.0.0.0-10.255.255.255 netmask 24\nadd b 10.0.1.0\n"), "10.0.1.255")
    ranged = one(f"create r hash:ip {TAIL}\nadd r 10.0.0.5-10.0.0.9\n")
    assert holds(ranged, "10.0.0.9") and not holds(ranged, "10.0.0.10")
    holed = one(f"create h hash:ip {TAIL} bitmask 255.255.253.0\nadd h 10.0.1.0\n")
    assert holds(holed, "10.0.3.9") and not holds(holed, "10.0.2.9")


def test_ports_have_a_protocol_in_front_of_them() -> None:
    found = one(f"create p hash:ip,port {TAIL}\nadd p 10.0.0.1,tcp:80\nadd p 10.0.0.2,tcp:80\nadd p 10.0.0.1,udp:53\n"
                "add p 10.0.0.3,tcp:1000-1010\nadd p 10.0.0.4,gre:0\nadd p 10.0.0.9,443\n")
    assert found.kinds == ("addr", "proto", "port")
    assert holds(found, "10.0.0.2", 6, 80) and holds(found, "10.0.0.1", 17, 53) and holds(found, "10.0.0.3", 6, 1005)
    assert holds(found, "10.0.0.4", 47, 0) and holds(found, "10.0.0.9", 6, 443)
    assert not holds(found, "10.0.0.2", 17, 53) and not holds(found, "10.0.0.1", 6, 53)
    assert len(found.elements) == 5, "those that differ in the address alone are one element"


def test_bitmap_port_looks_at_tcp_and_udp() -> None:
    found = one("create b bitmap:port range 0-65535\nadd b 80\nadd b 81\n")
    assert found.kinds == ("proto", "port")
    assert holds(found, 6, 80) and holds(found, 17, 81) and not holds(found, 132, 80) and not holds(found, 6, 82)
    assert len(found.elements) == 1


def test_networks_with_ports_and_two_networks() -> None:
    found = one(f"create n hash:net,port,net {TAIL}\nadd n 10.0.0.0/8,tcp:22,0.0.0.0/0\n"
                "add n 10.1.0.0/16,tcp:22,192.0.2.0/24 nomatch\n")
    assert found.kinds == ("addr", "proto", "port", "addr")
    assert holds(found, "10.1.2.3", 6, 22, "8.8.8.8") and holds(found, "10.2.2.3", 6, 22, "192.0.2.1")
    assert not holds(found, "10.1.2.3", 6, 22, "192.0.2.1")
    assert all(not element.excluded for element in found.elements)


def test_interfaces() -> None:
    found = one(f"create i hash:net,iface {TAIL}\nadd i 0.0.0.0/0,eth0\nadd i 10.9.0.0/16,eth0 nomatch\n"
                "add i 10.9.0.0/16,wl wildcard\n")
    assert found.kinds == ("addr", "iface")
    assert holds(found, "8.8.8.8", "eth0") and holds(found, "10.9.1.1", "wlan7")
    assert not holds(found, "10.9.1.1", "eth0") and not holds(found, "8.8.8.8", "wlan7")


def test_marks_and_lists() -> None:
    marks = one(f"create m hash:ip,mark {TAIL} markmask 0x0000ff00\nadd m 10.0.0.1,0x00001200\n")
    assert holds(marks, "10.0.0.1", 0x1234) and not holds(marks, "10.0.0.1", 0x1334)
    listed = parse("create l list:set size 8\ncreate a hash:ip\nadd l a\nadd l b timeout 5\n")["ipset", "l"]
    assert (listed.kinds, listed.members) == (("set",), ("a", "b"))


def test_ip6() -> None:
    found = one("create n6 hash:net family inet6\nadd n6 fd00::/8\nadd n6 fd00:1::/32 nomatch\n")
    assert list(found.values) == [6]
    assert holds(found, "fd00:2::1") and not holds(found, "fd00:1::1")


def said(text: str, name: str, flags: str, family: int = 4) -> str:
    """What ``-m set --match-set name flags`` comes to in a rule of ``family``, with the sets of ``text``."""
    facts = Facts({}, frozenset({4, 6}), parse(text))
    directions: dict[str, Field] = {"src": "src", "dst": "dst"}
    asked = InSet(("ipset", name), tuple(directions[flag] for flag in flags.split(",")))
    return show(simplify(resolve(asked, facts, family)), family)


@pytest.mark.parametrize(("element", "flags", "meant"), [
    ("10.0.0.1,tcp:80", "src,dst", "(src{10.0.0.1} & proto{6} & dport{80})"),
    ("10.0.0.1,sctp:80-81", "dst,src", "(dst{10.0.0.1} & proto{132} & sport{80-81})"),
    ("10.0.0.1,gre:0", "src,dst", "(src{10.0.0.1} & proto{47})"),
    ("10.0.0.1,dccp:0", "src,dst", "(src{10.0.0.1} & proto{33})"),
    ("10.0.0.1,icmp:echo-request", "src,dst", "(src{10.0.0.1} & proto{1} & icmp_type{8} & icmp_code{0})"),
    ("10.0.0.1,icmp:3/4", "src,dst", "(src{10.0.0.1} & proto{1} & icmp_type{3} & icmp_code{4})"),
])
def test_what_stands_in_a_ports_place_depends_on_the_protocol(element: str, flags: str, meant: str) -> None:
    assert said(f"create p hash:ip,port {TAIL}\nadd p {element}\n", "p", flags) == meant


def test_hardware_addresses_are_undecided_for_the_addresses_that_they_are_listed_with_alone() -> None:
    why = "unknown[set m: it holds hardware addresses]"
    assert said("create m hash:mac\n", "m", "src") == "never"
    assert said("create m hash:mac\nadd m 00:11:22:33:44:55\n", "m", "src") == why
    listed = "add m 10.0.0.1,00:11:22:33:44:55\nadd m 10.0.0.2,00:11:22:33:44:56\n"
    assert said(f"create m hash:ip,mac {TAIL}\n{listed}", "m", "src,src") == f"(src{{10.0.0.1-10.0.0.2}} & {why})"
    assert said("create m bitmap:ip,mac range 10.0.0.0/24\nadd m 10.0.0.1\n", "m", "src,src") == (
        f"(src{{10.0.0.1}} & {why})")


def test_a_packet_of_another_family_is_in_no_set_of_addresses() -> None:
    sets = ("create v6 hash:ip,port family inet6\nadd v6 fd00::1,tcp:80\ncreate all list:set\nadd all v6\n"
            "create n6 hash:net family inet6\nadd n6 ::/1\nadd all n6\n"
            "create ports bitmap:port range 0-9\nadd ports 5\n")
    assert said(sets, "all", "src,dst") == "never"
    assert said(sets, "v6", "src,dst") == said(sets, "n6", "src") == "never"
    assert said(sets, "all", "src,dst", 6) == "((src{fd00::1} & proto{6} & dport{80}) | src{::-7fff:ffff:ffff:ffff:" \
        "ffff:ffff:ffff:ffff})"
    assert said(sets, "ports", "dst", 6) == said(sets, "ports", "dst") == "(proto{6,17} & dport{5})"


def test_fewer_flags_than_dimensions_match_nothing_and_more_are_not_looked_at() -> None:
    """ip_set_core.c ip_set_test: ``opt->dim < set->type->dimension``."""
    sets = f"create p hash:ip,port {TAIL}\nadd p 10.0.0.1,tcp:80\ncreate a hash:ip {TAIL}\nadd a 10.0.0.9\n" \
        "create l list:set\nadd l p\nadd l a\n"
    assert said(sets, "p", "src") == "never"
    assert said(sets, "a", "src,dst,dst") == "src{10.0.0.9}"
    assert said(sets, "l", "src") == "src{10.0.0.9}"
    assert said(sets, "l", "src,dst") == "((src{10.0.0.1} & proto{6} & dport{80}) | src{10.0.0.9})"


@pytest.mark.parametrize(("text", "why"), [
    ("create i hash:net,iface\nadd i 10.0.0.0/8,physdev:eth1\n", "bridge port"),
    ("create x hash:net,moon\nadd x 10.0.0.0/8,5\n", "not known here"),
    ("create x hash:ip\nadd x 10.0.0.1 shiny 5\n", "shiny"),
    ("create x hash:ip,port\nadd x 10.0.0.1,xyzzy:0\n", "xyzzy"),
])
def test_what_the_model_has_no_word_for_leaves_the_set_unread(text: str, why: str) -> None:
    found = one(text)
    assert why in found.unread
    assert not found.elements and not found.values


@pytest.mark.parametrize(("text", "line"), [
    ("add x 10.0.0.1\n", 1),
    ("create x hash:ip\nadd x 10.0.0.300\n", 2),
    ("create x hash:ip\nadd x fd00::1\n", 2),
    ("create x hash:net\nadd x 10.0.0.0/33\n", 2),
    ("create x hash:ip,port\nadd x 10.0.0.1\n", 2),
    ("create x hash:ip,port\nadd x 10.0.0.1,tcp:99999\n", 2),
    ("create x hash:ip\ncreate x hash:ip\n", 2),
    ("create x hash:ip\nadd x\n", 2),
    ("create x hash:ip\nad", 2),
    ("Name: x\nType: hash:ip\n", 1),
])
def test_damage_is_an_error_that_names_the_line(text: str, line: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert caught.value.line == line
    assert caught.value.source == "ipset/save"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([
    "", "create x hash:ip family inet\nadd x ", "create x hash:net,port\nadd x 10.0.0.0/8,", "create x ",
    "create x hash:ip netmask "]))
def test_garbage_raises_nothing_but_parse_errors(text: str, front: str) -> None:
    try:
        parse(front + text)
    except ParseError:
        return


# ---- the kernel -----------------------------------------------------------------------------------------------------

NETWORKS = st.builds(lambda bits, length: f"10.0.{bits >> (8 - length) << (8 - length)}.0/{16 + length}",
                     st.integers(0, 255), st.integers(1, 8))
ENTRIES = st.lists(st.tuples(NETWORKS, st.sampled_from(["tcp:80", "udp:53"]), NETWORKS, st.booleans()), min_size=1,
                   max_size=12, unique_by=lambda entry: entry[:3])


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["hash:net", "hash:net,port", "hash:net,net", "hash:net,port,net"])
@settings(max_examples=15, deadline=None)
@given(entries=ENTRIES)
def test_the_kernel_agrees(kind: str, entries: list) -> None:
    needs("root", "unshare", "ipset")
    fields = kind.partition(":")[2].split(",")

    def spell(entry: tuple) -> str:
        return ",".join(part for part, place in zip(entry, ("net", "port", "net2"), strict=False)
                        if place in fields or (place == "net2" and fields.count("net") == 2))

    adds = {spell(entry): entry[3] for entry in entries}
    probes = [(f"10.0.{a}.7", proto, f"10.0.{b}.9") for a in (0, 1, 64, 127, 128, 200, 255) for b in (0, 3, 128, 254)
              for proto in ("tcp:80", "udp:53")]
    script = [f"ipset create x {kind} || exit 9"]
    script += [f"ipset add x {text}{' nomatch' if nomatch else ''}" for text, nomatch in adds.items()]
    script += ["ipset save", "echo ==="]
    script += [f"ipset test x {spell((*probe, False))} >/dev/null 2>&1 && echo yes || echo no" for probe in probes]
    done = subprocess.run(["unshare", "-n", "bash", "-c", "\n".join(script)], capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode == 9:
        pytest.skip(f"this kernel has no {kind}")
    saved, _, answers = done.stdout.partition("===\n")
    found = one(saved)
    for probe, answer in zip(probes, answers.split(), strict=True):
        values: list[object] = [probe[0]]
        if "port" in fields:
            values += {"tcp:80": (6, 80), "udp:53": (17, 53)}[probe[1]]
        if fields.count("net") == 2:
            values.append(probe[2])
        assert holds(found, *values) == (answer == "yes"), f"{probe}\n{saved}"
