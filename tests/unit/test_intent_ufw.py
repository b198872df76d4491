"""Which of ufw's rules decides: on rules that the real ufw wrote, numbered as the real `ufw status numbered` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import captures
import pytest

from fwaudit.intent import ufw as intent
from fwaudit.model.host import UfwPolicy
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

DATA = Path(__file__).parent.parent / "data" / "ufw"
HERE, HERE6 = "203.0.113.10", "2001:db8:1::10"


@pytest.fixture(scope="module")
def engine() -> Engine:
    files = {name: data for name, data in captures.case("d28/ufw_deny_5432").files.items()
             if not name.startswith(("iptables/", "nft/", "ufw/", "docker/"))}
    for name in ("user.rules", "user6.rules", "default", "ufw.conf", "status"):
        files[f"ufw/{name}"] = (DATA / name).read_bytes()
    for name in ("nft.v4", "nft.v6"):
        files[f"iptables/{name}"] = (DATA / name).read_bytes()
    return Engine(parse_host(Snapshot(files)))


@pytest.mark.parametrize(("iif", "src", "dst", "port", "number", "text"), [
    ("eth0", "203.0.113.7", HERE, "22/tcp", 1, "deny from 203.0.113.0/24"),       # first match wins
    ("eth0", "198.51.100.7", HERE, "22/tcp", 2, "allow 22/tcp"),
    ("eth0", "198.51.100.7", HERE, "5432/tcp", 3, "deny 5432"),                   # its TCP half
    ("eth0", "198.51.100.7", HERE, "5432/udp", 3, "deny 5432"),                   # and its UDP half
    ("eth0", "10.9.9.9", HERE, "5432/tcp", 3, "deny 5432"),                       # 4 is never asked
    ("eth0", "198.51.100.7", HERE, "443/udp", 5, "allow 'Shop Full'"),            # the second tuple of one rule
    ("eth0", "198.51.100.7", HERE, "443/tcp", 5, "allow 'Shop Full'"),
    ("eth0", "198.51.100.7", HERE, "9000/udp", 10, "allow log-all 9000/udp"),     # more lines than one
    ("eth0", "198.51.100.7", HERE, "9001/tcp", 11, "allow log 9001/tcp"),
    ("eth0", "198.51.100.7", HERE, "8005/tcp", 14, "allow 80,443,8000:8010/tcp"),
    ("wg0", "198.51.100.7", HERE, "12345/tcp", 18, "allow in on wg0"),
    ("eth0", "198.51.100.7", HERE, "53/udp", 23, "deny 53"),
    ("eth0", "198.51.100.7", HERE, "2222/tcp", 24, "limit log 2222/tcp"),
    ("eth0", "198.51.100.7", HERE, "7777/tcp", 25, "reject 7777"),
    ("eth0", "198.51.100.7", HERE, "60500/udp", 27, "allow 60000:61000/udp"),
    ("eth0", "198.51.100.7", HERE, "12345/tcp", 0, ""),                           # the default
    ("eth0", "2001:db8:99::7", HERE6, "5432/tcp", 32, "deny 5432"),               # IPv6 goes on counting
    ("eth0", "fd00::7", HERE6, "22/tcp", 31, "allow 22/tcp"),
    ("eth0", "2001:db8::1", HERE6, "9/tcp", 41, "deny from 2001:db8::1"),
    ("eth0", "2001:db8:99::7", HERE6, "12345/udp", 0, ""),
])
def test_the_rule_that_decides(engine: Engine, iif: str, src: str, dst: str, port: str, number: int, text: str) -> None:
    family, source = parse_address(src)
    service, proto = port.split("/")
    query = Query(family, iif, parse_address(dst)[1], PROTOCOLS[proto], int(service), IntervalSet.of(source),
                  hook="input")
    rule = intent.deciding_rule(engine.host.ufw, engine.trace(query), family)
    assert (rule.number if rule else 0, rule.text if rule else "") == (number, text)


@pytest.mark.parametrize(("default", "says", "text"), [
    ("DROP", "deny", "default deny (incoming)"), ("REJECT", "reject", "default reject (incoming)"),
    ("ACCEPT", "allow", "default allow (incoming)"), ("", "unknown", "default (incoming) not known")])
def test_the_default(default: str, says: str, text: str) -> None:
    policy = intent.default_policy(UfwPolicy(default_input=default))
    assert (policy.says, policy.text, policy.rule) == (says, text, 0)


def test_ufw_is_in_force_only_where_input_asks_it(engine: Engine) -> None:
    """`ufw status` says active also after `iptables -F INPUT`."""
    host = engine.host
    assert intent.in_force(host, 4) and intent.in_force(host, 6)
    flushed = tuple(
        replace(table, chains={name: replace(chain, rules=() if name == "INPUT" else chain.rules)
                               for name, chain in table.chains.items()})
        if table.family == "ip" else table for table in host.ruleset.tables)
    host = replace(host, ruleset=replace(host.ruleset, tables=flushed))
    assert not intent.in_force(host, 4) and intent.in_force(host, 6)


def test_route_rules_name_their_sources_in_order(engine: Engine) -> None:
    def found(iif: str, oif: str, dst: str, port: int) -> list[tuple[int, bool]]:
        return [(rule.number, bool(sources)) for rule, sources in intent.route_rules(
            engine.host.ufw, 4, iif, oif, parse_address(dst)[1], 6, port)]

    assert found("eth0", "docker0", "172.17.0.2", 80) == [(8, True), (9, False), (20, False)]
    assert found("eth1", "docker0", "172.17.0.2", 80) == [(9, True)]
    assert found("eth1", "eth0", "10.9.1.1", 5432) == [(22, True)]
    assert found("eth1", "docker0", "172.17.0.2", 5432) == []
