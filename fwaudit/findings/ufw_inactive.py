"""ufw is installed and inactive.

What: ufw is on the host, with rules perhaps, and it is not switched on: none of its rules is asked.

Why it hurts: services of the host itself, which ufw would rule, are reached by everybody. (Published ports of Docker
are reached with ufw as well.)

See it yourself: ``ufw status`` says ``Status: inactive``.

Fix: look at the rules, let ssh in, and switch it on.

Before: ``ENABLED=no`` in /etc/ufw/ufw.conf. After: ``ufw allow OpenSSH``, then ``ufw enable``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import resting
from fwaudit.findings._rules import listed, plural
from fwaudit.findings._ufw import service_name, would_be_ruled
from fwaudit.findings.base import Audited, Kind
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("ufw-inactive", "ufw is installed and inactive", Severity.MEDIUM)


def find(audited: Audited) -> Iterator[Finding]:
    """One where ufw is off and nothing else denies what comes in."""
    host, ufw = audited.host, audited.host.ufw
    off = ufw.enabled is False or (ufw.enabled is None and ufw.active is False)
    if not ufw.installed or ufw.unread or not off or any(intent.in_force(host, family) and _filled(host, family)
                                                         for family in (4, 6)):
        return
    if _other_firewall(host):
        return
    found = [each for family in (4, 6) for each in would_be_ruled(audited, family)]
    names = listed(service_name(each) for each in found)
    rules = plural(len(ufw.rules), "rule")
    yield resting(
        KIND, audited, found[0] if found else None, "ufw", Severity.MEDIUM if found else Severity.LOW,
        f"ufw is installed and inactive{f': it would keep others from {names}' if found else ''}.",
        why=(f"ufw.conf says ENABLED=no; ufw has {rules} on disk." if ufw.enabled is False else "ufw status says so.",),
        next=("ufw show added", "ufw allow OpenSSH", "ufw enable"))


def _filled(host: Host, family: int) -> bool:
    """Whether ufw's rules are in the kernel all the same; that is a difference between disk and kernel."""
    name = "ufw-before-input" if family == 4 else "ufw6-before-input"
    return any(table.chains[name].rules for table in host.ruleset.tables if name in table.chains)


def _other_firewall(host: Host) -> bool:
    """Whether something denies what it does not know, on input: then that is the host's firewall."""
    return any(chain.hook == "input" and chain.policy == "drop"
               for table in host.ruleset.tables if not table.dormant for chain in table.chains.values())
