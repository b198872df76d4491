"""What is said of a connection before it is tracked, and a packet that is to have none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwaudit.model.ruleset import Ruleset, Table
from fwaudit.model.snapshot import Snapshot
from fwaudit.netfilter import iptables_save, nft_json
from fwaudit.netfilter.facts import facts_of
from fwaudit.packet.fields import STATE_NEW, STATE_UNTRACKED
from fwaudit.packet.intervals import ALL
from fwaudit.parse.host import parse_host
from fwaudit.path.state import PacketState
from fwaudit.path.tables import Tables
from fwaudit.path.walk import Walk, World

ZONE, NO = "-A PREROUTING -j CT --zone 7", "-A PREROUTING -j CT --notrack"
ASKS = "-A PREROUTING -m state --state NEW -j DROP"


def walk(*tables: Table) -> tuple[set[int | None], set[str]]:
    """States of what comes through prerouting, and how the rest ends."""
    host = replace(parse_host(Snapshot({})), ruleset=Ruleset(tables))
    found = Walk(Tables(host, facts_of(host)), host, 4)
    worlds = found.hook([World(PacketState(4, 6, dst=1, dport=80, iif="eth0"), ALL)], "prerouting", "eth0")
    return {world.state.ct_state for world in worlds}, {end.disposition for end in found.ends}


@pytest.mark.parametrize(("rules", "states", "ends"), [
    ([NO], {STATE_UNTRACKED}, set()), ([ZONE], {STATE_NEW}, set()),
    ([ZONE, NO], {STATE_NEW}, set()),        # xt_ct_target: if (skb->_nfct != 0) return XT_CONTINUE
    ([NO, ZONE], {STATE_UNTRACKED}, set()),
    ([ASKS, ZONE], {STATE_NEW}, set()),
    ([ZONE, ASKS], {STATE_NEW}, {"dropped"}),  # a template looks like a new connection: not told apart, hence either
])
def test_iptables(rules: list[str], states: set[int], ends: set[str]) -> None:
    text = "\n".join(["*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *rules, "COMMIT", ""])
    assert walk(*iptables_save.parse(text, family=4, backend="nft", source="x").tables) == (states, ends)


@pytest.mark.parametrize(("order", "state"), [
    (["zone", "no"], STATE_NEW), (["no"], STATE_UNTRACKED),
    (["no", "zone"], STATE_NEW),  # nft_ct_set_zone_eval asks only whether there is a connection
])
def test_nft(order: list[str], state: int) -> None:
    said = {"zone": {"mangle": {"key": {"ct": {"key": "zone"}}, "value": 7}}, "no": {"notrack": None}}
    names = {"family": "ip", "table": "t", "chain": "c"}
    document = {"nftables": [
        {"table": {"family": "ip", "name": "t"}},
        {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "prerouting", "prio": -300,
                   "policy": "accept"}},
        *({"rule": {**names, "expr": [said[each]]}} for each in order)]}
    assert walk(*nft_json.parse(document, source="x").tables) == ({state}, set())
