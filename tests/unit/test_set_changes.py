"""Rules that change a named set, and rules behind them that ask about it."""

from __future__ import annotations

import json
from typing import Any

from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.netfilter.set_changes import set_changes
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

KNOWN, STRANGER = "198.51.100.7", "198.51.100.8"
SETS = (f"create trap hash:ip family inet\nadd trap {KNOWN}\ncreate traps list:set size 8\nadd traps trap\n"
        "create knock hash:ip family inet\n")


def engine(*rules: str, native: list[Any] | None = None) -> Engine:
    chains = [f":{name} ACCEPT [0:0]" for name in ("INPUT", "FORWARD", "OUTPUT")]
    save = "\n".join(["*filter", *chains, ":first - [0:0]", *rules, "COMMIT", ""])
    return Engine(parse_host(Snapshot({
        "iptables/nft.v4": save.encode(), "ipset/save": SETS.encode(),
        "nft/ruleset.json": json.dumps({"nftables": native or []}).encode()})))


def ask(asked: Engine, port: int, src: str = STRANGER) -> str:
    return asked.trace(Query(4, "eth0", parse_address("203.0.113.10")[1], 6, port,
                             IntervalSet.of(parse_address(src)[1]), 40000, "input", "")).disposition


def test_a_packet_that_a_rule_has_put_into_a_set_may_be_in_it() -> None:
    trap = engine("-A INPUT -j first", "-A INPUT -m set --match-set trap src -j DROP",
                  "-A first -p tcp -m tcp --dport 23 -j SET --add-set trap src")
    assert [ask(trap, port) for port in (22, 23)] == ["accepted", "undecided"]
    assert [ask(trap, port, KNOWN) for port in (22, 23)] == ["dropped", "dropped"]
    found = trap.trace(Query(4, "eth0", 1, 6, 23, IntervalSet.of(5), 40000, "input", ""))
    assert found.undecided_on == (
        "whether set trap matches: a rule in front of it changes the set (filter INPUT rule 2)",)


def test_rules_in_front_of_the_change_are_not_touched_by_it() -> None:
    usual = engine("-A INPUT -m set --match-set trap src -j DROP", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
                   "-A INPUT -j SET --add-set trap src", "-A INPUT -j DROP")
    assert [ask(usual, port) for port in (22, 23)] == ["accepted", "dropped"]
    assert ask(usual, 22, KNOWN) == "dropped"


def test_a_packet_that_a_rule_has_taken_out_may_be_out() -> None:
    pardon = engine("-A INPUT -p tcp -m tcp --dport 80 -j SET --del-set trap src",
                    "-A INPUT -m set --match-set trap src -j DROP")
    assert [ask(pardon, port, KNOWN) for port in (22, 80)] == ["dropped", "undecided"]
    assert [ask(pardon, port) for port in (22, 80)] == ["accepted", "undecided"]


def test_lists_and_their_members_change_together() -> None:
    added = "-A INPUT -p tcp -m tcp --dport 23 -j SET --add-set {} src"
    for changed, asked in (("trap", "traps"), ("traps", "trap"), ("traps", "traps")):
        listed = engine(added.format(changed), f"-A INPUT -m set --match-set {asked} src -j DROP")
        assert [ask(listed, port) for port in (22, 23)] == ["accepted", "undecided"]
    other = engine(added.format("knock"), "-A INPUT -m set --match-set trap src -j DROP")
    assert ask(other, 23) == "accepted"


def chain(*rules: list[Any]) -> list[Any]:
    place = {"family": "inet", "table": "t", "chain": "c"}
    return [
        {"table": {"family": "inet", "name": "t"}},
        {"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr", "flags": ["dynamic"],
                 "elem": [KNOWN]}},
        {"chain": {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0,
                   "policy": "drop"}},
        *({"rule": {**place, "expr": rule}} for rule in rules)]


SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 7000}}
LOOKUP = {"match": {"op": "==", "left": SOURCE, "right": "@s"}}


def test_nft_sets() -> None:
    """Seen in a kernel: the packet to port 7000 is let in by the second rule."""
    for add in ({"set": {"op": "add", "elem": SOURCE, "set": "@s"}}, "add @s { ip saddr }"):
        knock = engine(native=chain([PORT, add], [LOOKUP, {"accept": None}]))
        assert [ask(knock, port) for port in (22, 7000)] == ["dropped", "undecided"]
        assert [ask(knock, port, KNOWN) for port in (22, 7000)] == ["accepted", "accepted"]
    update = {"set": {"op": "update", "elem": SOURCE, "set": "@s"}}
    both = engine(native=chain([PORT, update, LOOKUP, {"accept": None}]))
    assert [ask(both, port) for port in (22, 7000)] == ["dropped", "undecided"]


def test_a_set_that_nobody_asks_about_changes_no_rule() -> None:
    add = {"set": {"op": "add", "elem": SOURCE, "set": "@s"}}
    quiet = engine(native=chain([PORT, add, {"accept": None}]))
    assert not set_changes(quiet.host.ruleset).bits
    assert ask(quiet, 7000) == "accepted"
