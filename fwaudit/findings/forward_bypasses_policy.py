"""A rule of somebody's own sends a port past the firewall policy.

What: a DNAT or REDIRECT rule that neither Docker nor ufw wrote takes packets for a port before they are routed, and
sends them to a container, to another machine, or to another port of this host. ufw's allow and deny rules for the
original port are not asked.

Why it hurts: such rules come from a script, a VPN, libvirt or a test years ago, and nothing that shows ufw's rules
shows them.

See it yourself: ``iptables -t nat -S PREROUTING``; ``nft list ruleset`` for the others.

Fix: take the rule away, there and where it is stored (/etc/ufw/before.rules, /etc/iptables/rules.v4, a unit of
systemd), or narrow it: ``-i eth1``, ``-s 10.0.0.0/8``.

Before: ``-A PREROUTING -p tcp --dport 2222 -j DNAT --to-destination 172.17.0.2:22``. After: the same with ``-i wg0``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, policy_says, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("forward-bypasses-policy", "A forwarding rule bypasses the policy", Severity.CRITICAL,
            ("ATT&CK T1190", "ATT&CK T1133"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that a rule of somebody's own opens although policy denies it."""
    for exposure in explained_by(audited, KIND.id):
        steps = exposure.evidence.trace.path if exposure.evidence else ()
        rules = [step for step in steps if step.does.startswith(("dnat", "redirect", "netmap"))]
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is sent past the firewall policy by a rule that "
            "neither Docker nor ufw wrote.",
            why=(policy_says(exposure),
                 *(f"{step.table} {step.chain} rule {step.rule}: {step.text}" for step in rules)),
            next=tuple(f"take rule {step.rule} of {step.chain} in table {step.table} away, there and where it is stored"
                       for step in rules), explains=True)
