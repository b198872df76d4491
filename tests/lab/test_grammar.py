"""What the savers print of random rules is what was written: a rule that they print otherwise could not be judged, and
has no place in the grammar (docs/coverage.md, What the savers do not print)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from grammar_case import make_case
from oracle_namespace import LoadError, Namespace
from requirements import requires

from fwaudit.model.condition import All, AnyOf, Condition, In, Not, Unknown
from fwaudit.model.ruleset import Rule, Table
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.intervals import IntervalSet

pytestmark = pytest.mark.lab
CASES = 40
_WIDTHS = {4: 32, 6: 128}


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    requires("iptables-nft-restore", "iptables-legacy-restore", "ipset", root=True)
    made = Namespace()
    yield made
    made.close()


def tables(text: str, family: int) -> dict[str, Table]:
    return {table.name: table for table in parse(text, family=family, backend="nft", source="test").tables}


def meaning(rule: Rule, family: int) -> tuple[frozenset[Any], Any]:
    """Conditions, in no order and without those that always hold, and the target."""
    plain = {_plain(condition, family) for condition in rule.conditions}
    return frozenset(each for each in plain if each is not None), rule.target


def _plain(condition: Condition, family: int) -> Any:
    if isinstance(condition, All | AnyOf):
        return type(condition), frozenset(_plain(part, family) for part in condition.parts)
    if isinstance(condition, Not):
        return Not, _plain(condition.part, family)
    if isinstance(condition, Unknown):
        return Unknown, condition.why
    if isinstance(condition, In):
        width = _WIDTHS[family] if condition.field.endswith(("src", "dst")) else 16
        everything = IntervalSet((0, 1 << width)) if width > 16 or condition.field.endswith("port") else None
        if everything is not None:
            values = condition.values & everything
            return None if values == everything else (condition.field, values)
    return condition


@pytest.mark.parametrize("profile", ["iptables", "legacy", "filter"])
def test_rules_are_printed_as_they_were_written(namespace: Namespace, profile: str) -> None:
    compared = 0
    for seed in range(CASES):
        case, _ = make_case(seed, profile)
        if "ipset" in case.rules:
            continue  # sets of one ruleset would be in the way of the next one's
        for name, text in case.rules.items():
            backend, family = name.split(".v")
            tool = f"ip{'6' if family == '6' else ''}tables-{backend}"
            try:
                namespace.run([f"{tool}-restore"], text)
            except LoadError:
                continue
            written, saved = (tables(each, int(family)) for each in (text, namespace.run([f"{tool}-save"]).decode()))
            for table in written.values():
                for chain in table.chains.values():
                    printed = saved[table.name].chains[chain.name].rules
                    assert len(printed) == len(chain.rules)
                    for ours, theirs in zip(chain.rules, printed, strict=True):
                        one, other = (meaning(each, int(family)) for each in (ours, theirs))
                        assert one == other, (seed, ours.text, theirs.text)
                        compared += 1
    assert compared > 300


@pytest.mark.parametrize(("rule", "nft", "legacy"), [
    ("-p tcp -m tcp ! --dport 0:65535", "-p tcp", "-p tcp -m tcp"),
    ("-p udp -m udp ! --sport 0:65535", "-p udp", "-p udp -m udp"),
    ("-p tcp -m tcp --tcp-flags NONE SYN", "-p tcp", "-p tcp -m tcp"),
    ("-p tcp -m tcp ! --tcp-flags NONE NONE", "-p tcp", "-p tcp -m tcp ! --tcp-flags NONE NONE"),
    ("! -i +", "! -i +", ""),
    ("-m conntrack --ctorigsrc 10.0.0.0/255.0.255.0", "-m conntrack --ctorigsrc 10.0.0.0",
     "-m conntrack --ctorigsrc 10.0.0.0"),
    ("-p tcp -m multiport ! --dports 0:65535", "-p tcp -m multiport ! --dports 0:65535",
     "-p tcp -m multiport ! --dports 0:65535"),
    ("-m conntrack ! --ctorigdstport 0:65535", "-m conntrack ! --ctorigdstport 0:65535",
     "-m conntrack ! --ctorigdstport 0:65535"),
])
def test_what_is_not_printed(namespace: Namespace, rule: str, nft: str, legacy: str) -> None:
    """The table of docs/coverage.md. A tool that prints more than this is better: then the table has to change."""
    for tool, expected in (("nft", nft), ("legacy", legacy)):
        namespace.run([f"iptables-{tool}-restore"], f"*mangle\n-A PREROUTING {rule}\nCOMMIT\n")
        saved = namespace.run([f"iptables-{tool}-save", "-t", "mangle"]).decode().splitlines()
        assert f"-A PREROUTING {expected}".rstrip() in [line.rstrip() for line in saved], tool
