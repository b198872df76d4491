"""Rules in both of iptables' backends.

What: the legacy tables hold rules, and so do those of iptables-nft. The kernel asks both, and each ``iptables`` command
shows one of them.

Why it hurts: a rule that nobody sees drops packets, or a rule that somebody sees and trusts is not the last word.

See it yourself: ``iptables-legacy-save`` and ``iptables-nft-save`` both print rules; ``iptables -S`` ends with
``# Warning: iptables-legacy tables present``.

Fix: say the rules of one in the other, and empty the first: ``iptables-legacy -F``, and ``-P`` for its chain policies.

Before: a rule in ``iptables-legacy-save``. After: the same rule in ``iptables-nft-save``, and no legacy table.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._rules import filter_tables, plural
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.docker_ufw_different_backends import backends
from fwaudit.model.report import Finding, Severity
from fwaudit.model.ruleset import Table

KIND = Kind("both-backends-in-use", "Rules in both of iptables' backends", Severity.LOW)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family; none where it is Docker and ufw that are apart, which is a finding of its own."""
    for family in (4, 6):
        docker, ufw = backends(audited.host, family)
        if docker and ufw and not docker & ufw:
            continue
        tables = {table.backend: table for of, table in filter_tables(audited.host) if of == family and _has_say(table)}
        if {"legacy", "nft"} <= set(tables):
            legacy = [rule for chain in tables["legacy"].chains.values() for rule in chain.rules]
            command = "iptables" if family == 4 else "ip6tables"
            first = f"; the first is {legacy[0].text}" if legacy else ""
            yield KIND.finding(
                f"IPv{family}", Severity.LOW,
                f"IPv{family} packets are asked about in the legacy tables and in those of iptables-nft.",
                why=(f"The legacy filter table holds {plural(len(legacy), 'rule')}{first}.",),
                next=(f"{command}-legacy-save", f"{command}-nft-save"))


def _has_say(table: Table) -> bool:
    """Whether a table can decide anything."""
    return any(chain.rules or chain.policy == "drop" for chain in table.chains.values() if chain.hook is not None)
