"""A rule of ufw that its container never meets.

What: ``ufw deny``, ``reject`` or ``limit`` names a port that Docker publishes, or ``ufw route`` a container. Packets to
a published port are rewritten to the container's address before they are routed, so that ufw's INPUT rules are not
asked; and in FORWARD Docker accepts them before ufw's route rules. A route rule that names the port of the host finds
no packet either: there, they have the container's port.

Why it hurts: ``ufw status`` lists the rule, and the port is open.

See it yourself: ``iptables -nvL ufw-user-input`` shows its counters at zero while the port answers.

Fix: say it where these packets pass: ``fwaudit fix --dry-run`` translates ufw's rules for DOCKER-USER. Or publish the
port for this host alone, ``-p 127.0.0.1:5432:5432``.

Before: ``ufw deny 5432``. After: ``iptables -I DOCKER-USER -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL
-j DROP``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import resting
from fwaudit.findings._rules import listed
from fwaudit.findings._ufw import jumps_to, rule_name, said
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import port_name
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Container, UfwRule
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet

KIND = Kind("ufw-rule-without-effect", "A rule of ufw that its container never meets", Severity.MEDIUM)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each rule, naming the containers that it was for."""
    host = audited.host
    asked = {family: bool(jumps_to(host, family)) for family in (4, 6)}
    found: dict[tuple[int, int], tuple[UfwRule, list[Exposure]]] = {}
    for exposure in audited.exposures:
        if exposure.service.kind not in ("published", "container-port") or not intent.in_force(host, exposure.family):
            continue
        for rule in _passed_by(audited, exposure, asked[exposure.family]):
            about = found.setdefault((rule.family, rule.number), (rule, []))[1]
            if exposure not in about:
                about.append(exposure)
    for _, (rule, about) in sorted(found.items()):
        yield _finding(audited, rule, about, open_=True)
    for rule, about in _by_host_port(audited):
        if (rule.family, rule.number) not in found:
            yield _finding(audited, rule, about, open_=False)


def _passed_by(audited: Audited, exposure: Exposure, asked: bool) -> Iterator[UfwRule]:
    """Rules against sources that certainly get to the container all the same. ``asked``: something that is not ufw
    jumps to its rules for INPUT, so that they may have an effect."""
    service, ufw = exposure.service, audited.host.ufw
    routes = intent.speaks_of_routes(ufw)
    for way in exposure.ways:
        if not way.certainly or way.to is None or way.to.kind != "container" or way.to.via:
            continue
        if service.kind == "published" and not asked:
            yield from _against(way, intent.input_rules(ufw, exposure.family, way.iif, way.dst, service.proto,
                                                        service.port))
        if routes:
            yield from _against(way, _route_rules(audited, exposure, way))


def _against(way: Way, rules: Iterator[tuple[UfwRule, IntervalSet]]) -> Iterator[UfwRule]:
    """Of the rules, those that deny or limit sources that certainly get in."""
    for rule, sources in rules:
        if rule.action != "allow" and sources & way.certainly:
            yield rule


def _route_rules(audited: Audited, exposure: Exposure, way: Way) -> Iterator[tuple[UfwRule, IntervalSet]]:
    service = exposure.service
    bridges = {network.name: network.interface for network in audited.host.engine.networks}
    container = _container(audited, exposure)
    for endpoint in container.endpoints if container is not None else ():
        address = endpoint.address if exposure.family == 4 else endpoint.address6
        if address is not None:
            yield from intent.route_rules(audited.host.ufw, exposure.family, way.iif, bridges.get(endpoint.network, ""),
                                          address, service.proto, service.container_port or service.port)


def _by_host_port(audited: Audited) -> Iterator[tuple[UfwRule, list[Exposure]]]:
    """Route rules that name a published port by the number that it has on the host."""
    inside = {(port.proto, port.container_port) for container in audited.host.engine.containers
              for port in container.published}
    inside |= {(each.proto, each.port) for container in audited.host.engine.containers
               for each in container.listeners or ()}
    for rule in audited.host.ufw.rules:
        if rule.direction != "route" or not rule.dport or not intent.in_force(audited.host, rule.family):
            continue
        about = [exposure for exposure in audited.exposures if exposure.family == rule.family
                 and exposure.service.kind == "published" and _means(rule, exposure, inside)]
        if about:
            yield rule, about


def _means(rule: UfwRule, exposure: Exposure, inside: set[tuple[int, int]]) -> bool:
    service = exposure.service
    if rule.proto not in ("", "any") and PROTOCOLS.get(rule.proto) != service.proto:
        return False
    return intent.holds(rule.dport, service.port) and (service.proto, service.port) not in inside and not intent.holds(
        rule.dport, service.container_port)


def _container(audited: Audited, exposure: Exposure) -> Container | None:
    name = exposure.service.container
    return next((each for each in audited.host.engine.containers if name and each.name == name), None)


def _finding(audited: Audited, rule: UfwRule, about: list[Exposure], *, open_: bool) -> Finding:
    names = listed(f"{port_name(each)} of {each.service.container}" for each in about)
    if open_:
        what = f"ufw rule {rule.number}, {said(rule)}, has no effect on {names}: the port is reached all the same."
        why = ("Docker's DNAT takes the packet to the container before INPUT is asked." if rule.direction == "in" else
               "In FORWARD, Docker accepts the packet before ufw's route rules are asked.")
    else:
        what = f"ufw rule {rule.number}, {said(rule)}, has no effect on {names}: it names the port of the host."
        why = f"Where route rules are asked, the packet has the container's port, {about[0].service.container_port}."
    return resting(KIND, audited, about[0], f"{said(rule)} (IPv{rule.family})",
                   Severity.MEDIUM if open_ else Severity.LOW, what, why=(rule_name(rule), why),
                   next=("fwaudit fix --dry-run",))
