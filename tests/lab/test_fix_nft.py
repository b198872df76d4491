"""The nft script of the fix and its JSON say the same: the script is loaded, and what nft lists is held against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from netns import Namespace
from requirements import requires

from fwaudit.fix import iptables, nftables
from fwaudit.fix.lines import Line
from fwaudit.fix.policy import Clause, Name
from fwaudit.model.ruleset import Table
from fwaudit.netfilter import iptables_save, nft_json
from fwaudit.packet.address import parse_network
from fwaudit.packet.intervals import IntervalSet

pytestmark = pytest.mark.lab

_TCP, _MANY = IntervalSet.of(6), IntervalSet.from_ranges([(80, 80), (443, 443), (8000, 8010)])


def _net(text: str) -> IntervalSet:
    return parse_network(text)[1]


def _lines(family: int) -> list[Line]:
    """Every form that a line may have."""
    source = "10.0.0.0/8" if family == 4 else "2001:db8::/32"
    other = "203.0.113.10" if family == 4 else "2001:db8:1::10"
    clauses = [
        Clause("allow", proto=_TCP, dport=IntervalSet.of(5432), src=_net(source)),
        Clause("allow", proto=_TCP, dport=_MANY, dst=_net(other)),
        Clause("allow", proto=IntervalSet.of(17), sport=IntervalSet.of(53), iifs=(Name("eth0"),)),
        Clause("allow", src=~_net(source) & IntervalSet((0, 1 << (32 if family == 4 else 128)))),
        Clause("allow", iifs=(Name("eth", True, True),)),
        Clause("reject", "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable", proto=_TCP,
               dport=IntervalSet.range(1, 1023)),
        Clause("reject", "tcp-reset", proto=_TCP, dport=IntervalSet.of(22)),
    ]
    does = {"allow": "return", "deny": "drop", "reject": "reject"}
    bridge = Clause(iifs=(Name("docker0"),))
    lines = [Line("return", "replies"), Line("return", clause=bridge, comment="from a container"),
             Line("return", "icmp")]
    lines += [Line(does[each.verdict], "translated", each, "ufw rule 1") for each in clauses]  # type: ignore[arg-type]
    lines += [Line("return", "any", replace(clauses[0], oifs=(Name("docker0"),)), "ufw rule 2"),
              Line("drop", "translated", Clause()), Line("drop", clause=Clause(oifs=(Name("docker0"),)))]
    return lines


def _listed(space: Namespace) -> Table:
    document = json.loads(space.run(["nft", "-j", "list", "table", "inet", nftables.TABLE]))
    table, = nft_json.parse(document, source="listed").tables
    return table


def _meaning(table: Table) -> Iterator[tuple[str, object]]:
    for name, chain in sorted(table.chains.items()):
        yield name, (chain.hook, chain.priority, chain.policy)
        for rule in chain.rules:
            yield name, (frozenset(rule.conditions), rule.target)


@pytest.mark.parametrize("families", [(4,), (6,), (4, 6)])
@pytest.mark.parametrize("loopback", [False, True])
def test_nft_lists_what_the_proof_was_made_with(families: tuple[int, ...], loopback: bool) -> None:
    requires("nft", root=True)
    lines = {family: _lines(family) for family in families}
    space = Namespace()
    try:
        for _ in range(2):  # the second time it replaces the first
            space.run(["nft", "-f", "-"], nftables.script(lines, loopback))
        wanted, = nft_json.parse(nftables.document(lines, loopback), source="ours").tables
        assert list(_meaning(_listed(space))) == list(_meaning(wanted))
        space.run(["nft", "-f", "-"], nftables.undo())
        assert space.run(["nft", "list", "tables"]) == ""
        space.run(["nft", "-f", "-"], nftables.undo())
    finally:
        space.close()


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("family", [4, 6])
def test_iptables_saves_what_it_was_given(family: int, backend: str) -> None:
    tool = "iptables" if family == 4 else "ip6tables"
    requires(f"{tool}-{backend}-restore", root=True)
    rules = iptables.rules([*_lines(family), Line("reject", "translated", Clause(
        "reject", proto=_TCP, dport=IntervalSet.of(22), rate=(30, 6)), "ufw rule 3")], family)
    space = Namespace()
    try:
        space.run([f"{tool}-{backend}-restore", "--noflush"], "\n".join(
            ["*filter", ":FWAUDIT - [0:0]", *rules, "COMMIT", ""]))
        saved = space.run([f"{tool}-{backend}-save", "-t", "filter"])
        assert [line for line in saved.splitlines() if line.startswith("-A FWAUDIT")] == rules
        text = "\n".join(["*filter", ":FWAUDIT - [0:0]", *rules, "COMMIT", ""])
        ours = iptables_save.parse(text, family=family, backend="nft", source="ours").tables[0].chains["FWAUDIT"]
        theirs = iptables_save.parse(saved, family=family, backend="nft", source="saved").tables[0].chains["FWAUDIT"]
        assert [(rule.conditions, rule.target) for rule in ours.rules] == [
            (rule.conditions, rule.target) for rule in theirs.rules]
    finally:
        space.close()
