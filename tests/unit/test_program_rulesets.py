"""What programs of real hosts load is understood whole, but for what nobody can decide, and means what it means."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pytest
from _programs import NAMES, files

from fwaudit.model.condition import All, AnyOf, Condition, Not, Unknown
from fwaudit.model.host import Host
from fwaudit.model.ruleset import Inline, Rule, Undecidable
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query, Trace
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

UNDECIDED = {
    "crowdsec": {"rate limit"},  # of a LOG
    "firewalld": {"rate limit"},  # of a rich rule
    "kube-proxy": {"chance or turn (statistic)", "earlier packets of this source (recent)"},
    "shorewall": {"rate limit"},  # of a LOG
}
"""By program, why conditions of its rules are undecided; of all others every rule is decided."""


@cache
def host(name: str) -> Host:
    return parse_host(Snapshot(files(name)))


def rules_of(rules: Iterable[Rule]) -> Iterable[Rule]:
    for rule in rules:
        yield rule
        if isinstance(rule.target, Inline):
            yield from rules_of(rule.target.rules)


def reasons(conditions: Iterable[Condition]) -> Iterable[str]:
    for condition in conditions:
        if isinstance(condition, Unknown):
            yield condition.why
        elif isinstance(condition, All | AnyOf):
            yield from reasons(condition.parts)
        elif isinstance(condition, Not):
            yield from reasons((condition.part,))


@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_is_read(name: str) -> None:
    ruleset = host(name).ruleset
    assert ruleset.tables and not ruleset.unread and not any("not understood" in note for note in ruleset.notes)
    every = [rule for table in ruleset.tables for chain in table.chains.values() for rule in rules_of(chain.rules)]
    assert not [rule.text for rule in every if isinstance(rule.target, Undecidable)]
    assert {why for rule in every for why in reasons(rule.conditions)} <= UNDECIDED.get(name, set())
    assert not [found.key for found in ruleset.sets.values() if found.unread]


def trace(name: str, src: str, dst: str, port: str, *, iif: str = "eth0", hook: str = "", out: str = "") -> Trace:
    family, there = parse_address(dst)
    number, _, proto = port.partition("/")
    return Engine(host(name)).trace(Query(family, iif, there, PROTOCOLS[proto], int(number),
                                          IntervalSet.of(parse_address(src)[1]), 40000, hook, out))  # type: ignore[arg-type]


ANYBODY, BANNED = "198.51.100.200", "198.51.100.23"
HOST, CONTAINER = "203.0.113.10", "172.17.0.2"


@pytest.mark.parametrize(("name", "src", "port", "disposition", "rule"), [
    ("fail2ban", BANNED, "22/tcp", "rejected", "f2b-sshd 1"), ("fail2ban", ANYBODY, "22/tcp", "accepted", ""),
    ("fail2ban", BANNED, "5432/tcp", "accepted", ""), ("fail2ban", "192.0.2.9", "2222/tcp", "rejected", "f2b-sshd 2"),
    ("fail2ban", "198.51.100.66", "443/tcp", "rejected", "INPUT 1"),
    ("fail2ban", "198.51.100.67", "80/tcp", "rejected", "INPUT 1"),
    ("fail2ban", "198.51.100.68", "80/tcp", "accepted", ""),
    ("fail2ban-nft", BANNED, "22/tcp", "rejected", "f2b-chain 1"), ("fail2ban-nft", BANNED, "80/tcp", "accepted", ""),
    ("fail2ban-nft", "198.51.100.99", "80/udp", "rejected", "f2b-chain 3"),
    ("crowdsec", BANNED, "22/tcp", "dropped", "CROWDSEC_LOG 2"), ("crowdsec", ANYBODY, "22/tcp", "accepted", ""),
    ("crowdsec", "192.0.2.77", "80/udp", "dropped", "CROWDSEC_LOG 2"),
    ("wg-quick", ANYBODY, "51820/udp", "accepted", "INPUT 3"), ("wg-quick", ANYBODY, "22/tcp", "dropped", "INPUT 0"),
    ("tailscale", "100.70.1.2", "443/tcp", "dropped", "ts-input 3"),
    ("tailscale", "100.115.92.5", "443/tcp", "accepted", "INPUT 2"),
    ("tailscale", ANYBODY, "41641/udp", "accepted", "ts-input 5"),
    ("tailscale", ANYBODY, "22/tcp", "dropped", "INPUT 0"),
    ("kube-proxy", ANYBODY, "30099/tcp", "rejected", "KUBE-EXTERNAL-SERVICES 1"),
    ("kube-proxy", ANYBODY, "22/tcp", "accepted", ""),
    ("libvirt", ANYBODY, "22/tcp", "accepted", ""),
    ("shorewall", ANYBODY, "22/tcp", "accepted", "net-fw 6"), ("shorewall", ANYBODY, "23/tcp", "dropped", "net-fw 11"),
    ("firewalld", ANYBODY, "22/tcp", "accepted", "filter_IN_public 1"),
    ("firewalld", ANYBODY, "23/tcp", "rejected", ""),
])
def test_to_the_host(name: str, src: str, port: str, disposition: str, rule: str) -> None:
    found = trace(name, src, HOST, port, hook="input")
    assert found.disposition == disposition
    assert not rule or f"{found.path[-1].chain} {found.path[-1].rule}" == rule


@pytest.mark.parametrize(("name", "src", "iif", "disposition", "rule"), [
    ("fail2ban", "198.51.100.54", "eth0", "rejected", "f2b-postgresql 1"),
    ("fail2ban", ANYBODY, "eth0", "accepted", ""),
    ("fail2ban-nft", BANNED, "eth0", "accepted", ""),  # its table is hooked to input alone
    ("crowdsec", BANNED, "eth0", "dropped", "CROWDSEC_LOG 2"),
    ("wg-quick", "10.8.0.5", "wg0", "accepted", "FORWARD 1"), ("wg-quick", ANYBODY, "eth0", "dropped", "FORWARD 0"),
    ("tailscale", "100.70.1.2", "wg0", "accepted", "ts-forward 2"),  # in front of DOCKER-USER
    ("tailscale", ANYBODY, "eth0", "dropped", "DOCKER-USER 1"),
    ("libvirt", ANYBODY, "eth0", "rejected", "LIBVIRT_FWI 2"),
    ("shorewall", ANYBODY, "eth0", "rejected", ""), ("netavark", ANYBODY, "eth0", "dropped", "FORWARD 0"),
    ("netavark-nft", ANYBODY, "eth0", "accepted", ""),
    ("firewalld", ANYBODY, "eth0", "rejected", ""), ("firewalld", ANYBODY, "docker0", "rejected", ""),
])
def test_to_a_container(name: str, src: str, iif: str, disposition: str, rule: str) -> None:
    found = trace(name, src, CONTAINER, "5432/tcp", iif=iif, hook="forward", out="docker0")
    assert found.disposition == disposition
    assert not rule or f"{found.path[-1].chain} {found.path[-1].rule}" == rule


@pytest.mark.parametrize(("name", "dst", "port", "does"), [
    ("kube-proxy", HOST, "30080/tcp", {"dnat 172.17.0.2:8080", "dnat 172.17.0.3:8080"}),
    ("kube-proxy", "10.96.0.10", "53/udp", {"dnat 172.17.0.4:53"}), ("kube-proxy", HOST, "80/tcp", set()),
    ("netavark", HOST, "8080/tcp", {"dnat 172.17.0.2:80"}), ("netavark", HOST, "8081/tcp", set()),
    ("netavark-nft", HOST, "8080/tcp", {"dnat 172.17.0.2:80"}),
    ("shorewall", HOST, "2222/tcp", {"dnat 192.168.50.20:22"}),
    ("shorewall", "203.0.113.11", "443/tcp", {"dnat 192.168.50.20:443"}), ("shorewall", HOST, "443/tcp", set()),
    ("firewalld", HOST, "8443/tcp", {"dnat 10.0.0.5:443"}),
])
def test_address_translation(name: str, dst: str, port: str, does: set[str]) -> None:
    found = {step.does for step in trace(name, ANYBODY, dst, port).path if step.does.startswith("dnat")}
    assert found <= does
    assert bool(found) == bool(does)


def test_shorewall_lets_in_what_it_translates_and_no_more() -> None:
    opened = trace("shorewall", ANYBODY, HOST, "2222/tcp")
    assert any((step.chain, step.rule) == ("net-loc", 2) for step in opened.path)
    assert trace("shorewall", ANYBODY, "192.168.50.20", "22/tcp").disposition == "dropped"
    assert trace("shorewall", "224.0.0.9", HOST, "22/tcp").disposition == "dropped"
