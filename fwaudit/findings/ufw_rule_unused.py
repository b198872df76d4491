"""A rule of ufw for a port that nobody serves.

What: ``ufw allow`` (or ``limit``) names a port on which no process of the host listens and which no container
publishes.

Why it hurts: nothing is open by it now. Whatever listens there next is reached from outside at once, and nobody will
remember why.

See it yourself: ``ss -lntup`` has nothing on the port.

Fix: delete the rule, unless the service is only stopped for a while.

Before: ``8443/tcp ALLOW Anywhere``. After: ``ufw delete allow 8443/tcp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.exposure.outside import LOOPBACK
from fwaudit.findings._ufw import rule_name, said
from fwaudit.findings.base import Audited, Kind
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host, UfwRule
from fwaudit.model.report import Finding, Severity
from fwaudit.packet.fields import PROTOCOLS, TCP, UDP

_PLAIN = re.compile(r"(?:[\w./:,-]+|'[\w ./:,-]+')(?: (?:[\w./:,-]+|'[\w ./:,-]+'))*")

KIND = Kind("ufw-rule-unused", "A rule of ufw for a port that nobody serves", Severity.INFO)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each such rule; its IPv4 and IPv6 halves are one. None where it is not known what listens."""
    host, ufw = audited.host, audited.host.ufw
    if host.sockets is None or host.engine.unread or not (intent.in_force(host, 4) or intent.in_force(host, 6)):
        return
    served = set(_served(audited))
    unused: dict[str, list[UfwRule]] = {}
    used: set[str] = set()
    for rule in ufw.rules:
        if rule.direction == "in" and intent.allows(rule) and rule.dport:
            if any(proto in _protocols(rule) and intent.holds(rule.dport, port) for proto, port in served):
                used.add(said(rule))
            else:
                unused.setdefault(said(rule), []).append(rule)
    for text, rules in unused.items():
        if text not in used:
            yield KIND.finding(text, Severity.INFO, f"ufw lets others in to {_ports(rules[0])}, which nobody serves.",
                               why=tuple(rule_name(rule) for rule in rules), next=(_delete(rules[0]),))


def _delete(rule: UfwRule) -> str:
    """ufw finds a rule without its comment; one with a name that a shell would not take as it stands, by its number."""
    return f"ufw delete {said(rule) if _PLAIN.fullmatch(said(rule)) else rule.number}"


def _served(audited: Audited) -> Iterator[tuple[int, int]]:
    """(protocol, port) of everything that others might send to on this host."""
    host: Host = audited.host
    for socket in host.sockets or ():
        if socket.address not in LOOPBACK[socket.family]:
            yield socket.proto, socket.port
    for container in host.engine.containers:  # also of those that are stopped: they will be back
        for port in container.published:
            yield port.proto, port.host_port
    for exposure in audited.exposures:
        yield exposure.service.proto, exposure.service.port


def _protocols(rule: UfwRule) -> tuple[int, ...]:
    return (TCP, UDP) if rule.proto in ("", "any") else (PROTOCOLS.get(rule.proto, -1),)


def _ports(rule: UfwRule) -> str:
    return f"port {rule.dport}" + ("" if rule.proto in ("", "any") else f"/{rule.proto}")
