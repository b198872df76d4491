"""Asks the engine about every service of a host, and compares the answers with the firewall policy.

Every published port, listening socket and container port is asked about over every interface that outside packets can
come in by and every address that they can be sent to. *Bypass* = sources that get in minus sources that policy allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Literal

from fwaudit.exposure.by_source_port import special_ways
from fwaudit.exposure.judge import is_open_api, severity, verdict_of, weak_doors, worst
from fwaudit.exposure.outside import LOOPBACK, PRIVATE, host_addresses, networks_of, outside_interfaces
from fwaudit.exposure.services import offers
from fwaudit.exposure.words import ports_in_words
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Container, Host, Interface, UfwRule
from fwaudit.model.report import Evidence, Exposure, Later, Policy, Service, Severity, Verdict, Way
from fwaudit.model.services import identify
from fwaudit.model.verdict import Answerer, Query, Reach
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.engine import Engine
from fwaudit.records import replace

_SAYS: dict[str, Literal["allow", "deny", "reject"]] = {"accepted": "allow", "dropped": "deny", "rejected": "reject"}
_MOST_WALKS = 32
"""Walks of one packet to learn what would decide it: a report has many packets."""
_SAMPLES = {4: ("198.51.100.7", "203.0.113.50", "8.8.8.8"), 6: ("2001:db8:99::7", "2001:4860:4860::8888")}


def exposures(host: Host, engine: Engine) -> tuple[Exposure, ...]:
    """Every service of the host in each family, the worst first."""
    found = list(_Auditor(host, engine).run())
    found.sort(key=lambda e: (-e.severity, e.service.kind, e.service.proto, e.service.port, e.service.container,
                              e.service.bound, e.family))
    return tuple(found)


class _Auditor:
    """Asks the engine about every service. Policy questions are remembered, since many ways share them."""

    def __init__(self, host: Host, engine: Engine) -> None:
        self.host = host
        self.engine = engine
        self.outside = outside_interfaces(host)
        self.networks = networks_of(host)
        self.has_route_rules = intent.speaks_of_routes(host.ufw)
        self.ufw = {family: intent.in_force(host, family) for family in (4, 6)}
        self.addresses = {family: host_addresses(self.outside, family) for family in (4, 6)}

    def run(self) -> Iterator[Exposure]:
        for offer in offers(self.host, self.engine.services, self.addresses):
            exposure = self._exposure(offer.service, offer.family, offer.targets, offer.container)
            if exposure.verdict != "blocked":
                yield _named(exposure) if offer.service.kind == "forwarded" else exposure
            elif offer.service.kind == "host-socket":
                if not all(target in LOOPBACK[offer.family] for target in offer.targets):
                    yield exposure  # else it is meant for this host alone, and so it is
            elif offer.service.kind != "forwarded":
                yield exposure

    # ---- what becomes of it -----------------------------------------------------------------------------------------

    def _exposure(self, service: Service, family: int, targets: Iterable[int], container: Container | None) -> Exposure:
        ways = tuple(way for dst in dict.fromkeys(targets) for interface in self.outside
                     for way in self._ways(service, family, interface, dst, container))
        verdict, certain = verdict_of(ways)
        way = worst(ways, verdict)
        if way is None:
            policy = Later(partial(self._policy, service, family, None, container))
            return Exposure(service, family, ways, verdict, Severity.INFO, certain, policy)
        evidence = self._evidence(service, family, way, verdict)
        policy = Later(partial(self._policy, service, family, replace(evidence.query, sport=None), container))
        weak = bool(weak_doors(service, container)) or is_open_api(service, self.host.engine)
        return Exposure(service, family, ways, verdict, severity(service, family, way, verdict, weak), certain, policy,
                        evidence, tuple(self._notes(service, family, way, container)))

    def _ways(self, service: Service, family: int, interface: Interface, dst: int, container: Container | None) -> list[
            Way]:
        """The way of ordinary clients, and those that only a special source port opens."""
        query = Query(family, interface.name, dst, service.proto, service.port)
        reached, maybe, to = self._reached(query)
        allowed, allowed_maybe = self._allowed(service, query, container)
        way = Way(interface.name, dst, reached, maybe, allowed, allowed_maybe,
                  self._neighbours_only(family, interface, dst), to)
        return [way, *special_ways(self.engine, query, way, self._reached,
                                   lambda special: self._allowed(service, special, container))]

    def _reached(self, query: Query) -> tuple[IntervalSet, IntervalSet, Answerer | None]:
        return _delivered(self.engine.reach(query))

    def _allowed(self, service: Service, query: Query, container: Container | None) -> tuple[IntervalSet, IntervalSet]:
        """Sources that policy certainly and possibly lets in. What nobody has read allows nothing for sure."""
        if query.dst in LOOPBACK[query.family] or self.engine.blind(query.family):
            return EMPTY, EMPTY
        allowed = maybe = EMPTY
        if service.kind != "container-port":
            answer = self.engine.reach(replace(query, hook="input"))
            for outcome in answer.outcomes:
                if outcome.disposition == "accepted":
                    allowed, maybe = allowed | outcome.certainly, maybe | outcome.possibly
                elif outcome.disposition == "undecided":
                    maybe = maybe | outcome.possibly
        for rule, sources in self._route_rules(service, query, container):
            if intent.allows(rule):
                allowed, maybe = allowed | sources, maybe | sources
        return allowed, maybe

    def _route_rules(self, service: Service, query: Query, container: Container | None) -> Iterator[
            tuple[UfwRule, IntervalSet]]:
        """``ufw route`` rules that speak of the container: they, too, are something that the admin meant."""
        for oif, address in self._behind(query.family, container) if self.has_route_rules else ():
            yield from intent.route_rules(self.host.ufw, query.family, query.iif, oif, address, query.proto,
                                          service.container_port or service.port)

    def _behind(self, family: int, container: Container | None) -> Iterator[tuple[str, int]]:
        bridges = {network.name: network.interface for network in self.host.engine.networks}
        for endpoint in container.endpoints if container else ():
            address = endpoint.address if family == 4 else endpoint.address6
            if address is not None:
                yield bridges.get(endpoint.network, ""), address

    def _neighbours_only(self, family: int, interface: Interface, dst: int) -> bool:
        """True where packets to ``dst`` come in by the interface only if a machine on its link puts them there."""
        if any(dst >> shift == low >> shift for shift, low in (
                ((32 if family == 4 else 128) - prefix, low)
                for of, low, prefix in self.networks[interface.name] if of == family)):
            return False
        return dst in PRIVATE[family]

    # ---- why --------------------------------------------------------------------------------------------------------

    def _evidence(self, service: Service, family: int, way: Way, verdict: Verdict) -> Evidence:
        area = {"bypass": way.bypass, "neighbours": way.bypass, "undecided": way.doubtful}.get(verdict) or way.possibly
        query = Query(family, way.iif, way.dst, service.proto, service.port,
                      IntervalSet.of(self._sample(family, way, area)), way.sports[0][0] if way.sports else None)
        return Evidence(query, Later(partial(self.engine.example, query, verdict != "undecided", _MOST_WALKS)))

    def _sample(self, family: int, way: Way, area: IntervalSet) -> int:
        """A source that a reader takes for what it is: on the link for neighbours, else a documentation address."""
        near = []
        for of, low, prefix in self.networks[way.iif]:
            shift = (32 if family == 4 else 128) - prefix
            near += [low + (1 << shift) - 2, low + 2] if of == family and shift > 1 else []
        afar = [parse_address(text)[1] for text in _SAMPLES[family]]
        for candidate in (*near, *afar) if way.neighbours_only else (*afar, *near):
            if candidate in area and candidate not in self.addresses[family]:
                return candidate
        for low, _ in (area & ~PRIVATE[family]).ranges(max_address(family)):
            return low
        return area.lowest()

    def _policy(self, service: Service, family: int, query: Query | None, container: Container | None) -> Policy:
        """What policy says of the packet ``query``; where nothing gets in, of a stranger's packet."""
        if service.bound.startswith("127.") or service.bound == "::1":
            return Policy("loopback", "deny", 0, "meant for this host alone")
        for rule, sources in self._route_rules(service, query, container) if query else ():
            if query and query.sources <= sources and intent.allows(rule):
                return intent.rule_policy(rule)
        if service.kind == "container-port":
            return Policy("route", "deny", 0, "no rule allows this container")
        if self.engine.blind(family):
            return Policy("INPUT", "unknown", 0, "not known")  # the rules that would say were not read
        if query is None:
            targets = self.addresses[family]
            if not targets or not self.outside:
                return Policy("INPUT", "unknown", 0, "")
            sample = IntervalSet.of(parse_address(_SAMPLES[family][0])[1])
            query = Query(family, self.outside[0].name, targets[0], service.proto, service.port, sample)
        trace = self.engine.trace(replace(query, hook="input"))
        if self.ufw[family]:
            decided = intent.deciding_rule(self.host.ufw, trace, family)
            return intent.rule_policy(decided) if decided else intent.default_policy(self.host.ufw)
        text = trace.path[-1].text if trace.path else "chain policy accept"
        return Policy("INPUT", _SAYS.get(trace.disposition, "unknown"), 0, text)

    def _notes(self, service: Service, family: int, way: Way, container: Container | None) -> Iterator[str]:
        if way.sports and (way.bypass or way.doubtful):
            yield (f"open to {ports_in_words(way)} only, which a sender chooses as he likes; a rule that was meant for "
                   "answers lets in first packets, too")
        if way.to is not None and way.to.via:
            yield f"taken by {way.to.via} on this host, so INPUT and ufw do apply"
        networks = {network.name: network for network in self.host.engine.networks}
        for endpoint in container.endpoints if container else ():
            network = networks.get(endpoint.network)
            if network is None:
                continue
            if network.driver in ("macvlan", "ipvlan"):
                yield f"on the {network.driver} network {network.name}: no rule of this host is asked"
            mode = network.gateway_mode4 if family == 4 else network.gateway_mode6
            if mode in ("routed", "nat-unprotected") and service.kind == "container-port":
                yield f"the network {network.name} has gateway mode {mode}: it is meant to be reached without NAT"
        if way.possibly & (way.allowed_possibly - way.allowed):
            yield "policy allows it at a limited rate"


def _named(exposure: Exposure) -> Exposure:
    """A forwarded port under the name of whoever answers there."""
    to = next((way.to for way in exposure.ways if way.to), None)
    if to is None:
        return exposure
    known = identify(exposure.service.proto, (to.port, exposure.service.port))
    return replace(exposure, service=replace(
        exposure.service, container=to.name if to.kind == "container" else "", container_port=to.port,
        process=to.name if to.kind == "host-socket" else "", likely=known.name if known else ""))


def _delivered(answer: Reach) -> tuple[IntervalSet, IntervalSet, Answerer | None]:
    certainly = possibly = EMPTY
    to: Answerer | None = None
    for outcome in answer.outcomes:
        if outcome.disposition == "delivered":
            certainly, possibly = certainly | outcome.certainly, possibly | outcome.possibly
            to = outcome.to or to
        elif outcome.disposition == "undecided":
            possibly = possibly | outcome.possibly
    return certainly, possibly, to
