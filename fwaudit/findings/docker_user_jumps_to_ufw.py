"""DOCKER-USER jumps to ufw's own chain of rules.

What: a rule in DOCKER-USER (or in FORWARD) jumps to ``ufw-user-input``, so that ``ufw allow`` and ``ufw deny`` may
count for containers. ufw deletes that chain when it stops and asks whether it exists when it starts; a chain that
somebody jumps to cannot be deleted.

Why it hurts: the next ``ufw reload`` or ``ufw enable`` says "Firewall already started" and loads nothing, with all
chain policies at ACCEPT: the host is open. Besides, the rules then ask for container ports: ``ufw allow 80`` opens
``-p 8080:80``, and ``ufw allow 8080`` does nothing.

See it yourself: ``iptables -S | grep -- '-j ufw-user-input'`` has a line that is not of a chain ``ufw-…``.

Fix: take the jump away, and say in DOCKER-USER itself what is meant; ``fwaudit fix --dry-run`` translates ufw's rules.

Before: ``-A DOCKER-USER -i eth0 -j ufw-user-input``. After: ``-A DOCKER-USER -j FWAUDIT``, a chain that ufw does not
know.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings._rules import tool, typed
from fwaudit.findings._ufw import jumps_to
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.report import Finding, Severity

KIND = Kind("docker-user-jumps-to-ufw", "DOCKER-USER jumps to ufw's own chain of rules", Severity.HIGH)


def find(audited: Audited) -> Iterator[Finding]:
    """One where a chain that is not ufw's jumps there.

    ``iptables -L ufw-user-input`` is how ufw finds out that it runs (ufw-init-functions, ufw_start): IPv4 alone.
    """
    jumps = jumps_to(audited.host, 4)
    if jumps:
        place = jumps[0].chain
        yield KIND.finding(
            f"{place} (IPv4)", Severity.HIGH if audited.host.ufw.enabled is not False else Severity.MEDIUM,
            f"{place} jumps to ufw-user-input: a reload of ufw leaves this host open.",
            why=(jumps[0].name, "ufw cannot delete a chain that somebody jumps to; it then takes itself for started, "
                 "loads no rule, and leaves the chain policies at ACCEPT."),
            next=(*(f"{tool(each.table)} -D {quote(each.chain)} {typed(each.rule.text)}" for each in jumps),
                  "fwaudit fix --dry-run"))
