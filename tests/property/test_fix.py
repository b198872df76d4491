"""For any policy of ufw: the proof holds, nothing that policy denies is left open, and the plan stays short."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import captures
from hypothesis import given, settings
from hypothesis import strategies as st

from fwaudit.fix.planner import Wish, plan
from fwaudit.fix.prove import prove
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.host import Host
from fwaudit.netfilter import iptables_save
from fwaudit.parse.host import parse_host

_PORTS = st.sampled_from(("5432", "8080", "22", "80", "5000:9000", "1:65535", "8079:8081"))
_SOURCES = st.sampled_from(("", "-s 10.9.8.0/24 ", "-s 198.51.100.7/32 ", "! -s 203.0.113.0/24 ", "-s 0.0.0.0/1 "))
_TARGETS = st.sampled_from(("ACCEPT", "DROP", "REJECT --reject-with icmp-port-unreachable"))
_INTERFACES = st.sampled_from(("", "-i eth0 ", "-i eth1 ", "! -i eth0 "))
_ADDRESSES = st.sampled_from(("", "-d 203.0.113.10/32 ", "-d 192.168.50.10/32 "))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """One rule as ufw writes it."""
    head = draw(_SOURCES) + draw(_ADDRESSES) + draw(_INTERFACES)
    kind = draw(st.sampled_from(("port", "ports", "all", "udp")))
    match = {"port": f"-p tcp -m tcp --dport {draw(_PORTS)} ", "udp": f"-p udp -m udp --dport {draw(_PORTS)} ",
             "ports": "-p tcp -m multiport --dports 5432,8080,9000:9010 ", "all": ""}[kind]
    return f"-A ufw-user-input {head}{match}-j {draw(_TARGETS)}"


@lru_cache(maxsize=4)
def _host(name: str) -> Host:
    with TemporaryDirectory() as folder:
        return parse_host(read_snapshot(captures.case(name).write(Path(folder) / "snapshot.tar")))


def _with_rules(host: Host, texts: list[str]) -> Host:
    text = "\n".join(["*filter", ":ufw-user-input - [0:0]", *texts, "COMMIT", ""])
    chain = iptables_save.parse(text, family=4, backend="nft", source="test").tables[0].chains["ufw-user-input"]
    tables = [replace(table, chains={**table.chains, "ufw-user-input": chain})
              if (table.family, table.name) == ("ip", "filter") else table for table in host.ruleset.tables]
    return replace(host, ruleset=replace(host.ruleset, tables=tuple(tables)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("d20/publish_v4_only", "d28/publish_v4_only", "d26/publish_pub_ip")),
       st.lists(rules(), max_size=8))
def test_any_policy_of_ufw_is_obeyed(name: str, texts: list[str]) -> None:
    host = _with_rules(_host(name), texts)
    made = plan(host, Wish())
    assert not made.refused
    proof = prove(host, made, Wish())
    assert proof.holds, proof.moved[:2]
    assert not [change for change in proof.changes if change.becomes == "open"]
    assert not [change for change in proof.changes if change.after and change.after.verdict == "bypass"]
    pieces = sum(4 if "multiport" in each else 2 if "! -s" in each else 1 for each in texts)
    loaded = sum(line.startswith("-A") for line in made.transactions[0].text.splitlines())
    assert loaded <= pieces + 16
