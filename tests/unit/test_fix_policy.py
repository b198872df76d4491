"""Chains read as policy: which clauses they come to, and which rules cannot be said in another place."""

from __future__ import annotations

import pytest

from fwaudit.fix.policy import Clause, Name, Reading, read_policy
from fwaudit.netfilter import iptables_save
from fwaudit.packet.address import parse_network
from fwaudit.packet.intervals import IntervalSet

TCP, UDP = IntervalSet.of(6), IntervalSet.of(17)


def read(*rules: str, policy: str = "DROP", family: int = 4) -> Reading:
    chains = {rule.split()[1] for rule in rules} - {"INPUT"}
    for rule in rules:
        words = rule.split()
        chains |= {words[words.index(option) + 1] for option in ("-j", "-g") if option in words} - {
            "ACCEPT", "DROP", "REJECT", "RETURN", "LOG", "MARK", "NFQUEUE", "INPUT"}
    text = "\n".join(["*filter", f":INPUT {policy} [0:0]", *(f":{name} - [0:0]" for name in sorted(chains)), *rules,
                      "COMMIT", ""])
    table = iptables_save.parse(text, family=family, backend="nft", source="test").tables[0]
    return read_policy(table.chains, table.chains["INPUT"], family, ("docker0", "lo"), lambda chain, rule: chain)


def clauses(*rules: str, **options: str) -> list[Clause]:
    reading = read(*rules, **options)  # type: ignore[arg-type]
    assert reading.refused == ()
    return list(reading.clauses)


def network(text: str) -> IntervalSet:
    return parse_network(text)[1]


def test_a_rule_for_a_port():
    assert clauses("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT") == [
        Clause("allow", proto=TCP, dport=IntervalSet.of(22), said="INPUT")]


@pytest.mark.parametrize("rule", [
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -i docker0 -j ACCEPT",
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -m conntrack --ctstate INVALID -j REJECT",
    "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
    "-A INPUT -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT",
    "-A INPUT -m addrtype --dst-type BROADCAST -j ACCEPT",
    "-A INPUT -p esp -j ACCEPT",
    "-A INPUT -m limit --limit 3/min -j LOG",
])
def test_what_says_nothing_about_a_published_port(rule):
    assert clauses(rule) == []


@pytest.mark.parametrize(("rule", "clause"), [
    ("-s 10.0.0.0/8 -j ACCEPT", Clause("allow", src=network("10.0.0.0/8"))),
    ("! -s 10.0.0.0/8 -j ACCEPT", Clause("allow", src=~network("10.0.0.0/8"))),
    ("-d 203.0.113.10/32 -j ACCEPT", Clause("allow", dst=network("203.0.113.10"))),
    ("-i eth0 -j ACCEPT", Clause("allow", iifs=(Name("eth0"),))),
    ("! -i eth+ -j ACCEPT", Clause("allow", iifs=(Name("eth", True, True),))),
    ("! -i lo -p tcp -j ACCEPT", Clause("allow", proto=TCP)),
    ("-p udp -m udp --sport 53 -j ACCEPT", Clause("allow", proto=UDP, sport=IntervalSet.of(53))),
    ("-p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT",
     Clause("allow", proto=TCP, dport=IntervalSet.from_ranges([(80, 80), (443, 443), (8000, 8010)]))),
    ("-p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset",
     Clause("reject", "tcp-reset", proto=TCP, dport=IntervalSet.of(22))),
    ("-m set --match-set friends src -j ACCEPT", Clause("allow", sets=(("friends", True),))),
    ("-m set ! --match-set friends src -j REJECT --reject-with icmp-host-prohibited",
     Clause("reject", "icmp-host-prohibited", sets=(("friends", False),))),
    ("-m conntrack --ctstate NEW -p tcp -m tcp --dport 22 -j ACCEPT",
     Clause("allow", proto=TCP, dport=IntervalSet.of(22))),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --dport 22 -j ACCEPT",
     Clause("allow", proto=TCP, dport=IntervalSet.of(22))),
])
def test_every_part_of_a_rule(rule, clause):
    found, = clauses(f"-A INPUT {rule}")
    assert found == Clause(**{**{name: getattr(clause, name) for name in Clause.__slots__}, "said": "INPUT"})


def test_chains_are_followed_and_a_return_leads_back():
    found = clauses(
        "-A INPUT -j before", "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
        "-A before -m addrtype --dst-type LOCAL -j RETURN", "-A before -j DROP")
    assert [(clause.verdict, clause.dport) for clause in found] == [("allow", IntervalSet.of(80))]


def test_a_jump_for_some_packets_adds_its_conditions():
    found = clauses("-A INPUT -s 10.0.0.0/8 -j office", "-A office -p tcp -m tcp --dport 22 -j ACCEPT")
    assert found == [Clause("allow", src=network("10.0.0.0/8"), proto=TCP, dport=IntervalSet.of(22), said="INPUT")]


def test_a_chain_that_ends_for_everybody_is_the_default():
    reading = read("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "-A INPUT -j REJECT --reject-with tcp-reset",
                   "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT", policy="ACCEPT")
    assert [clause.dport for clause in reading.clauses] == [IntervalSet.of(22)]
    assert (reading.default.verdict, reading.default.how) == ("reject", "tcp-reset")


def test_clauses_that_the_default_says_anyway_are_left_out():
    found = clauses("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 23 -j DROP")
    assert [clause.dport for clause in found] == [IntervalSet.of(22)]


def test_a_limit_of_ufw():
    rules = (
        "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT "
        "--mask 255.255.255.255 --rsource",
        "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 "
        "--name DEFAULT --mask 255.255.255.255 --rsource -j ufw-user-limit",
        "-A INPUT -p tcp -m tcp --dport 22 -j ufw-user-limit-accept",
        "-A ufw-user-limit -m limit --limit 3/min -j LOG",
        "-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable",
        "-A ufw-user-limit-accept -j ACCEPT")
    limited, accepted = clauses(*rules)
    assert (limited.verdict, limited.rate, limited.dport) == ("reject", (30, 6), IntervalSet.of(22))
    assert (accepted.verdict, accepted.rate) == ("allow", None)


@pytest.mark.parametrize(("rules", "why"), [
    (("-A INPUT -p tcp -m limit --limit 25/min -j ACCEPT",), "rate limit"),
    (("-A INPUT -m mark --mark 0x1 -j ACCEPT",), "asks about mark"),
    (("-A INPUT -j other", "-A other -s 10.0.0.0/8 -j RETURN", "-A other -j DROP"), "RETURN for some packets"),
    (("-A INPUT -j NFQUEUE --queue-num 1",), "cannot be said elsewhere"),
    (("-A INPUT -m set --match-set ports dst -j ACCEPT",), "asks about this very chain's packets"),
    (("-A INPUT -s 10.0.0.0/8 -g other", "-A other -p tcp -j ACCEPT"), "a goto that may come back"),
])
def test_what_cannot_be_said_elsewhere_is_refused_by_name(rules, why):
    reading = read(*rules)
    assert len(reading.refused) == 1
    assert why in reading.refused[0]
    assert "-A " in reading.refused[0]


def test_ipv6():
    found = clauses("-A INPUT -s fd00::/8 -p tcp -m tcp --dport 22 -j ACCEPT",
                    "-A INPUT -d ff02::fb/128 -p udp -m udp --dport 5353 -j ACCEPT", family=6)
    assert found == [Clause("allow", src=network("fd00::/8"), proto=TCP, dport=IntervalSet.of(22), said="INPUT")]
