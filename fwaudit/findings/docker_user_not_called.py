"""Nothing asks DOCKER-USER.

What: DOCKER-USER holds rules of somebody's, and FORWARD does not come to it, so that they have no effect. It happens
after ``iptables -F FORWARD``, where ufw manages the built-in chains, and in IPv6 with Docker before 23.0 or with
``"ip6tables": false``: then Docker does not put its jump there.

Why it hurts: the rules look right wherever they are listed, and the ports that they were to close are open.

See it yourself: ``iptables -S FORWARD | grep DOCKER-USER`` (``ip6tables`` for IPv6) prints nothing; the counters of
``iptables -nvL DOCKER-USER`` stay at zero.

Fix: restart Docker, which puts its jump back; where it does not (IPv6 without ip6tables), jump there yourself, first
in FORWARD, and store that.

Before: ``-P FORWARD ACCEPT`` alone. After: ``-A FORWARD -j DOCKER-USER`` comes first.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import closed_under, engine_with, first_of, resting, weight
from fwaudit.findings._rules import CHAIN, admin_rules, filter_tables, is_asked, listed, plural, restricts, tool
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.report import Finding, Severity
from fwaudit.model.ruleset import Jump, Rule

KIND = Kind("docker-user-not-called", "Nothing asks DOCKER-USER", Severity.HIGH)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family whose DOCKER-USER holds rules and is not asked; Docker's nftables backend has its own."""
    if audited.host.engine.firewall == "nftables":
        return
    for family, table in filter_tables(audited.host):
        rules, forward = admin_rules(table), table.chains.get("FORWARD")
        if not any(map(restricts, rules)) or is_asked(table) or forward is None:
            continue
        jump = Rule((), Jump(CHAIN), f"-A FORWARD -j {CHAIN}")
        closed = closed_under(audited, engine_with(audited.host, table, {"FORWARD": (jump, *forward.rules)}), family)
        why = [f"{plural(len(rules), 'rule')}, the first of them: {rules[0].rule.text}"]
        if closed:
            why.append(f"If it were asked, less would get in to {listed(subject(each) for each, _ in closed)}.")
        yield resting(
            KIND, audited, first_of(closed), f"{CHAIN} (IPv{family})", weight(closed),
            f"{CHAIN} has rules for IPv{family}, and FORWARD never comes to it: they have no effect.",
            why=tuple(why), next=(f"{tool(table)} -I FORWARD 1 -j {CHAIN}",))
