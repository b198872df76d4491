"""A rule in DOCKER-USER for a container or a network that is gone.

What: a rule names an address in one of Docker's networks that no container has, or a bridge that is not there. A
container may get another address each time that it starts; ``ufw-docker`` writes such rules too, as ``ufw route``.

Why it hurts: the container that the rule was for is no longer covered by it, and the next one to get the address is.

See it yourself: ``docker network inspect bridge`` lists who has which address.

Fix: take the rule away, and name the published port, which stays: ``-m conntrack --ctorigdstport 8080 --ctdir
ORIGINAL``.

Before: ``-A DOCKER-USER -d 172.17.0.4/32 -p tcp --dport 80 -j DROP``. After: ``-A DOCKER-USER -p tcp -m conntrack
--ctorigdstport 8080 --ctdir ORIGINAL -j DROP``.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings._rules import Placed, asked_tables, interfaces_of, tool, typed, values_of
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity
from fwaudit.model.ruleset import Jump, Table
from fwaudit.netfilter.engine_rules import is_engine_bridge
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import Field, max_address

KIND = Kind("docker-user-stale", "A rule in DOCKER-USER for a container or a network that is gone", Severity.LOW)

_USER_FORWARD = {4: "ufw-user-forward", 6: "ufw6-user-forward"}


def find(audited: Audited) -> Iterator[Finding]:
    """One for each address and bridge that is gone; none where the engine could not be asked."""
    host = audited.host
    if host.engine.unread or not host.engine.version:
        return
    for family, table, rules in asked_tables(host):
        by_ufw = any(isinstance(placed.rule.target, Jump) and placed.rule.target.chain == _USER_FORWARD[family]
                     for placed in rules)
        extra = table.chains[_USER_FORWARD[family]].rules if by_ufw and _USER_FORWARD[family] in table.chains else ()
        seen: set[str] = set()
        for placed in (*rules, *(Placed(table, _USER_FORWARD[family], rule) for rule in extra)):
            for gone in (*_addresses(host, placed, family), *_bridges(host, placed)):
                if gone not in seen:
                    seen.add(gone)
                    yield _finding(host, table, placed, gone)


def _addresses(host: Host, placed: Placed, family: int) -> Iterator[str]:
    """Single addresses in the engine's networks that nobody has."""
    fields: tuple[Field, ...] = ("src", "dst")
    for field in fields:
        values = values_of(placed, field)
        if values is None or values.size(max_address(family)) != 1:
            continue
        address = values.lowest()
        for network in host.engine.networks:
            for of, low, prefix in network.subnets:
                shift = (32 if of == 4 else 128) - prefix
                if of == family and address >> shift == low >> shift and not _is_taken(host, family, address):
                    yield f"{format_address(family, address)} in the network {network.name}"


def _is_taken(host: Host, family: int, address: int) -> bool:
    if any((family, address) in network.gateways for network in host.engine.networks):
        return True
    if any((each.family, each.value) == (family, address)
           for interface in host.interfaces.values() for each in interface.addresses):
        return True
    return any(address == (endpoint.address if family == 4 else endpoint.address6)
               for container in host.engine.containers for endpoint in container.endpoints)


def _bridges(host: Host, placed: Placed) -> Iterator[str]:
    """Bridges that an engine made once and that are not there."""
    fields: tuple[Field, ...] = ("iif", "oif")
    for field in fields:
        for named in interfaces_of(placed, field):
            if not named.prefix and is_engine_bridge(named.name) and host.interfaces and (
                    named.name not in host.interfaces):
                yield f"the bridge {named.name}"


def _finding(host: Host, table: Table, placed: Placed, gone: str) -> Finding:
    """A container that is stopped may have the address again when it starts, so that is not certain."""
    by_ufw = placed.chain == _USER_FORWARD[4] or placed.chain == _USER_FORWARD[6]
    command = "ufw status numbered" if by_ufw else f"{tool(table)} -D {quote(placed.chain)} {typed(placed.rule.text)}"
    is_address = not gone.startswith("the bridge ")
    return KIND.finding(
        gone, Severity.LOW,
        f"A rule that DOCKER-USER asks is about {gone}, which {'nobody has' if is_address else 'is not there'}.",
        certain=not is_address or all(container.running for container in host.engine.containers),
        why=(placed.name,), next=(command,))
