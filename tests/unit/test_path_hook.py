"""A question about one hook: the packet is put into its chains as connection tracking would have left it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.fields import ICMP, TCP
from fwaudit.packet.intervals import ALL
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine


def disposition(rule: str, proto: int, *, answer: bool = False) -> str:
    text = f"*filter\n:FORWARD ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD {rule}\nCOMMIT\n"
    tables = parse(text, family=4, backend="nft", source="x").tables
    engine = Engine(replace(parse_host(Snapshot({})), ruleset=Ruleset(tables)))
    (outcome,) = engine.reach(Query(4, "eth0", 0x0A000001, proto, 80, ALL, 4000, "forward", "eth1", answer)).outcomes
    return outcome.disposition


@pytest.mark.parametrize(("rule", "proto", "said"), [
    ("-m conntrack --ctorigdstport 80 -j DROP", TCP, "dropped"),
    # type and code stand there: an echo request is 8 × 256 (nf_conntrack_proto_icmp.c icmp_pkt_to_tuple)
    ("-m conntrack --ctorigdstport 80 -j DROP", ICMP, "accepted"),
    ("-m conntrack --ctorigdstport 2048 -j DROP", ICMP, "dropped"),
    ("-m conntrack --ctrepldstport 0 -j DROP", ICMP, "dropped"),  # the reply's type is 0
])
def test_ports_of_a_connection(rule: str, proto: int, said: str) -> None:
    assert disposition(rule, proto) == said


@pytest.mark.parametrize(("rule", "proto", "said"), [
    ("-m conntrack --ctorigdstport 4000 -j DROP", TCP, "dropped"),
    ("-m conntrack --ctreplsrcport 4000 -j DROP", TCP, "dropped"),
    ("-m conntrack --ctorigdstport 2048 -j DROP", ICMP, "dropped"),
    ("-p icmp -m icmp --icmp-type 0 -j DROP", ICMP, "dropped"),
    ("-p icmp -m icmp --icmp-type 8 -j DROP", ICMP, "accepted"),
])
def test_ports_of_a_connection_that_is_answered(rule: str, proto: int, said: str) -> None:
    assert disposition(rule, proto, answer=True) == said
