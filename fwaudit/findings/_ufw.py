"""What findings about ufw share: what it would do with a host's services, and how its rules are named."""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._rules import UFW, Placed, filter_tables
from fwaudit.findings.base import Audited
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host, UfwPolicy, UfwRule
from fwaudit.model.report import Exposure
from fwaudit.model.ruleset import Goto, Jump
from fwaudit.netfilter.rule_list import calls
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet


def said(rule: UfwRule) -> str:
    """A rule as ufw takes it, without its comment."""
    return rule.text.partition(" comment '")[0]


def rule_name(rule: UfwRule) -> str:
    """``ufw rule 2: deny 5432/tcp``: its number in ``ufw status numbered``, and its text."""
    return f"ufw rule {rule.number}: {rule.text}"


def jumps_to(host: Host, family: int) -> list[Placed]:
    """Rules of chains that are not ufw's and that jump to its ``ufw-user-input``."""
    wanted = "ufw-user-input" if family == 4 else "ufw6-user-input"
    return [Placed(table, name, rule) for of, table in filter_tables(host) if of == family
            for name, chain in table.chains.items() if not name.startswith(UFW) and calls(chain.rules, wanted)
            for rule in chain.rules
            if isinstance(rule.target, (Jump, Goto)) and rule.target.chain == wanted]


def service_name(exposure: Exposure) -> str:
    """``9100/tcp (node_exporter)``."""
    service = exposure.service
    who = service.process or service.container
    return f"{service.port}/{PROTOCOL_NAMES.get(service.proto, service.proto)}{f' ({who})' if who else ''}"


def by_rules(ufw: UfwPolicy, family: int, iif: str, dst: int, proto: int, port: int) -> IntervalSet:
    """The sources that ufw's rules and its default would let in to a port of this host, were they in force."""
    allowed, named = IntervalSet(), IntervalSet()
    for rule, sources in intent.input_rules(ufw, family, iif, dst, proto, port):
        named = named | sources
        if intent.allows(rule):
            allowed = allowed | sources
    return allowed if ufw.default_input != "accept" else allowed | ~named


def would_be_ruled(audited: Audited, family: int) -> Iterator[Exposure]:
    """Services of the host itself that somebody outside reaches, and that ufw, were it in force, would keep some from.

    What its before.rules let in is not asked: DHCP, mDNS and UPnP answers to this host.
    """
    for exposure in audited.exposures:
        service = exposure.service
        if exposure.family != family or service.kind != "host-socket":
            continue
        if any(way.certainly - by_rules(audited.host.ufw, family, way.iif, way.dst, service.proto, service.port)
               for way in exposure.ways):
            yield exposure
