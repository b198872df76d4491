"""ufw is enabled and not asked.

What: ufw.conf says ``ENABLED=yes``, and INPUT does not lead to ufw's chains: ``iptables -F`` or ``nft flush ruleset``
took the jumps or the chains away.

Why it hurts: ``ufw status`` still says *active* (it looks only whether one of its chains exists), or *inactive*
although it is enabled; and no rule of it is asked. With the chain policy ACCEPT the host is open, with DROP nobody gets
in, not even by ssh.

See it yourself: ``iptables -S INPUT`` has no ``-j ufw-before-input``.

Fix: put the jumps back, then the chain policy. Do not ``ufw reload``: while the chains exist it puts no jump back, and
sets INPUT to DROP, so that nobody gets in. (``/lib/ufw/ufw-init flush-all`` and ``ufw enable`` does put them back; it
empties all built-in chains, so Docker has to be restarted after it.)

Before: ``-P INPUT ACCEPT`` alone. After: ``-A INPUT -j ufw-before-input`` and the rest of ufw's jumps.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import resting
from fwaudit.findings._rules import filter_tables, listed
from fwaudit.findings._ufw import service_name, would_be_ruled
from fwaudit.findings.base import Audited, Kind
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("ufw-not-hooked", "ufw is enabled and not asked", Severity.HIGH)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family that ufw should rule and does not."""
    host = audited.host
    for family in (4, 6):
        if not is_unhooked(host, family) or audited.engine.blind(family):
            continue
        name = "ufw-before-input" if family == 4 else "ufw6-before-input"
        exists = any(name in table.chains for _, table in filter_tables(host))
        closed = any(table.chains["INPUT"].policy == "drop" for of, table in filter_tables(host)
                     if of == family and "INPUT" in table.chains)
        found = list(would_be_ruled(audited, family))
        names = listed(service_name(each) for each in found)
        end = f"; it would keep others from {names}" if found else (
            "; the chain policy DROP keeps out everybody" if closed else "")
        yield resting(
            KIND, audited, found[0] if found else None, f"IPv{family}", Severity.HIGH if found else Severity.MEDIUM,
            f"ufw is enabled, and its IPv{family} rules are not asked{end}.",
            why=(f"INPUT does not jump to {name}." if exists else f"The chain {name} is not in the kernel.",),
            next=tuple(_hook(host, family)) if exists else ("ufw reload", "ufw status verbose"))


def _hook(host: Host, family: int) -> Iterator[str]:
    """The jumps as ufw sets them, in its order (ufw-init-functions, ufw_start)."""
    command, prefix = ("iptables", "ufw") if family == 4 else ("ip6tables", "ufw6")
    yield (f"for part in before-logging before after after-logging reject track; do {command} -A INPUT -j "
           f"{prefix}-$part-input; done")
    if host.ufw.default_input in ("drop", "reject"):
        yield f"{command} -P INPUT DROP"


def is_unhooked(host: Host, family: int) -> bool:
    """Whether ufw is enabled and INPUT does not ask it. An IPv6 that nobody has is not missed."""
    ufw = host.ufw
    if not ufw.installed or ufw.unread or not ufw.enabled or intent.in_force(host, family):
        return False
    return family == 4 or (ufw.ipv6 and any(
        address.family == 6 and address.scope == "global" for interface in host.interfaces.values()
        for address in interface.addresses))
