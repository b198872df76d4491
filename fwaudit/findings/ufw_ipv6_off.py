"""ufw leaves IPv6 out.

What: ``IPV6=no`` in /etc/default/ufw, on a host that has IPv6 addresses. ufw then has no IPv6 rules: when it starts, it
replaces the whole IPv6 filter table by one that drops everything but lo.

Why it hurts: Docker's IPv6 rules are gone with every ``ufw reload``, so that containers on IPv6 networks do not start
or do not answer; and whatever loads other rules later (Docker does, at its start) is not ruled by ufw at all.

See it yourself: ``ip6tables -S`` has chain policies DROP and no chain of ufw's.

Fix: ``IPV6=yes``, ``ufw reload``, and restart Docker.

Before: ``IPV6=no``. After: ``IPV6=yes``; ``ufw status`` lists each rule once more with ``(v6)``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import resting
from fwaudit.findings._rules import filter_tables, listed
from fwaudit.findings._ufw import service_name
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.report import Finding, Severity

KIND = Kind("ufw-ipv6-off", "ufw leaves IPv6 out", Severity.MEDIUM)


def find(audited: Audited) -> Iterator[Finding]:
    """One where ufw is enabled without IPv6 and an interface has an IPv6 address that others can send to."""
    host = audited.host
    if not host.ufw.installed or host.ufw.unread or host.ufw.ipv6 or not host.ufw.enabled:
        return
    if not any(address.family == 6 and address.scope == "global" for name in audited.networks
               for address in host.interfaces[name].addresses):
        return
    open_ = [each for each in audited.exposures if each.family == 6 and any(way.certainly for way in each.ways)]
    drops = any(of == 6 and "INPUT" in table.chains and table.chains["INPUT"].policy == "drop"
                for of, table in filter_tables(host))
    if open_:
        what = f"ufw has no IPv6 rules, and IPv6 is in use: {listed(map(service_name, open_))} can be reached."
    elif drops:
        what = "ufw has no IPv6 rules: nothing answers over IPv6, and Docker's IPv6 rules are lost when ufw starts."
    else:
        what = "ufw has no IPv6 rules, and IPv6 is in use."
    yield resting(
        KIND, audited, open_[0] if open_ else None, "IPv6", Severity.MEDIUM if open_ or not drops else Severity.LOW,
        what, why=("/etc/default/ufw says IPV6=no.",),
        next=("sed -i 's/^IPV6=no/IPV6=yes/' /etc/default/ufw", "ufw reload", "systemctl restart docker"))
