"""Exposures: for each service from where it is really reached, and what of that the firewall policy did not mean.

Every published port, listening socket and container port is asked about over every interface that outside packets can
come in by and every address that they can be sent to. *Bypass* = sources that get in minus sources that policy allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from fwaudit.intent import ufw as intent
from fwaudit.model.host import Address, Container, Host, Interface, PublishedPort, Socket, UfwRule
from fwaudit.model.report import Evidence, Exposure, Policy, Service, Severity, Verdict, Way
from fwaudit.model.services import identify
from fwaudit.model.verdict import Answerer, Query, Reach
from fwaudit.packet.address import format_address, parse_address
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.engine import Engine

_VIRTUAL = ("dummy", "ifb", "nlmon")
_LOOPBACK = {4: IntervalSet((127 << 24, 128 << 24)), 6: IntervalSet((1, 2))}
_PRIVATE = {
    4: IntervalSet.from_ranges([(0x0A000000, 0x0AFFFFFF), (0xAC100000, 0xAC1FFFFF), (0xC0A80000, 0xC0A8FFFF),
                                (0x64400000, 0x647FFFFF), (0xA9FE0000, 0xA9FEFFFF), (0x7F000000, 0x7FFFFFFF)]),
    6: IntervalSet.from_ranges([(0, 1), (0xFC << 120, (0xFE << 120) - 1), (0xFE80 << 112, (0xFEC0 << 112) - 1)]),
}
"""Addresses that are not routed on the internet: RFC 1918, 6598, 3927, 4193, 4291."""
_SAYS: dict[str, Literal["allow", "deny", "reject"]] = {"accepted": "allow", "dropped": "deny", "rejected": "reject"}
_SAMPLES = {4: ("198.51.100.7", "203.0.113.50", "8.8.8.8"), 6: ("2001:db8:99::7", "2001:4860:4860::8888")}


def exposures(host: Host, engine: Engine) -> tuple[Exposure, ...]:
    """Every service of the host in each family, the worst first."""
    found = list(_Auditor(host, engine).run())
    found.sort(key=lambda e: (-e.severity, e.service.kind, e.service.proto, e.service.port, e.service.container,
                              e.service.bound, e.family))
    return tuple(found)


def outside_interfaces(host: Host) -> tuple[Interface, ...]:
    """The interfaces that packets of other machines come in by: not lo, and none that the engine made itself."""
    ours = {network.interface for network in host.engine.networks if network.driver == "bridge"}
    return tuple(
        interface for name, interface in sorted(host.interfaces.items())
        if name != "lo" and interface.up and name not in ours and not interface.master
        and interface.kind not in _VIRTUAL and not (interface.kind == "veth" and not interface.addresses)
    )


def networks_of(host: Host) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """Each outside interface's own networks, (family, low, prefix)."""
    return {interface.name: tuple(sorted(set(map(_network, interface.addresses))))
            for interface in outside_interfaces(host)}


def inside_of(host: Host) -> tuple[tuple[int, int, int], ...]:
    """Every network that the host stands in, and the addresses there that are no other machine's: its own, the
    network's and the broadcast one; (family, low, prefix)."""
    found = set()
    for interface in host.interfaces.values():
        for address in interface.addresses:
            family, low, prefix = _network(address)
            width = 32 if family == 4 else 128
            high = low + (1 << (width - prefix)) - 1
            found |= {(family, low, prefix), *((family, each, width) for each in (address.value, low, high))}
    return tuple(sorted(found))


def _network(address: Address) -> tuple[int, int, int]:
    shift = (32 if address.family == 4 else 128) - address.prefix
    return address.family, address.value >> shift << shift, address.prefix


class _Auditor:
    """Asks the engine about every service. Policy questions are remembered, since many ways share them."""

    def __init__(self, host: Host, engine: Engine) -> None:
        self.host = host
        self.engine = engine
        self.outside = outside_interfaces(host)
        self.networks = networks_of(host)
        self.ufw = {family: intent.in_force(host, family) for family in (4, 6)}
        self.addresses = {family: _host_addresses(self.outside, family) for family in (4, 6)}

    def run(self) -> Iterator[Exposure]:
        for service, family, targets, container in self._published():
            yield self._exposure(service, family, targets, container)
        for service, family, targets in self._sockets():
            exposure = self._exposure(service, family, targets, None)
            if service.bound not in ("127.0.0.1", "::1") or exposure.verdict != "blocked":
                yield exposure
        for service, family, targets, container in self._container_ports():
            yield self._exposure(service, family, targets, container)

    # ---- what there is ----------------------------------------------------------------------------------------------

    def _published(self) -> Iterator[tuple[Service, int, list[int], Container]]:
        for container in self.host.engine.containers:
            if not container.running:
                continue
            for family, port in _by_family(container.published):
                targets = [port.host_address] if port.host_address else [
                    *self.addresses[family], *self._gateways(container, family)]
                known = identify(port.proto, (port.container_port, port.host_port), container.image)
                bound = format_address(family, port.host_address) if port.host_address else "*"
                yield Service(
                    "published", port.proto, port.host_port, bound, container.name, port.container_port,
                    container.project, container.service, container.image, "", known.name if known else "",
                ), family, targets, container

    def _gateways(self, container: Container, family: int) -> list[int]:
        """The host's addresses on the container's bridges: a neighbour on the link can send there, too."""
        found = [endpoint.gateway if family == 4 else endpoint.gateway6 for endpoint in container.endpoints]
        return [address for address in found if address is not None]

    def _sockets(self) -> Iterator[tuple[Service, int, list[int]]]:
        seen: set[tuple[int, int, int, int]] = set()
        for socket in self.host.sockets or ():
            if socket.owner == "docker-proxy" or self.engine.services.reserved_by_engine(socket):
                continue
            for family in _families(socket):
                key = (family, socket.proto, socket.address, socket.port)
                if key in seen:
                    continue
                seen.add(key)
                owner = self.engine.services.owner_container(socket)
                known = identify(socket.proto, (socket.port,), owner.image if owner else "", socket.owner)
                yield Service(
                    "host-socket", socket.proto, socket.port,
                    format_address(family, socket.address) if socket.address else "*",
                    owner.name if owner else "", 0, owner.project if owner else "", owner.service if owner else "",
                    owner.image if owner else "", socket.owner, known.name if known else "",
                ), family, [socket.address] if socket.address else self.addresses[family]

    def _container_ports(self) -> Iterator[tuple[Service, int, list[int], Container]]:
        for container in self.host.engine.containers:
            if not container.running or container.shares_host_network:
                continue
            for endpoint in container.endpoints:
                for family, address in ((4, endpoint.address), (6, endpoint.address6)):
                    if address is None:
                        continue
                    for proto, port in _own_ports(container, family):
                        known = identify(proto, (port,), container.image)
                        yield Service(
                            "container-port", proto, port, format_address(family, address), container.name, port,
                            container.project, container.service, container.image, "", known.name if known else "",
                        ), family, [address], container

    # ---- what becomes of it -----------------------------------------------------------------------------------------

    def _exposure(self, service: Service, family: int, targets: Iterable[int], container: Container | None) -> Exposure:
        ways = tuple(self._way(service, family, interface, dst, container)
                     for dst in dict.fromkeys(targets) for interface in self.outside)
        verdict, certain = _verdict(ways)
        way = _worst(ways, verdict)
        if way is None:
            policy = self._policy(service, family, None, container)
            return Exposure(service, family, ways, verdict, Severity.INFO, certain, policy)
        evidence = self._evidence(service, family, way, verdict)
        policy = self._policy(service, family, evidence.query, container)
        return Exposure(service, family, ways, verdict, _severity(service, family, way, verdict), certain, policy,
                        evidence, tuple(self._notes(service, way, container)))

    def _way(self, service: Service, family: int, interface: Interface, dst: int, container: Container | None) -> Way:
        query = Query(family, interface.name, dst, service.proto, service.port)
        reached, maybe, to = _delivered(self.engine.reach(query))
        allowed, allowed_maybe = self._allowed(service, query, container)
        return Way(interface.name, dst, reached, maybe, allowed, allowed_maybe,
                   self._neighbours_only(family, interface, dst), to)

    def _allowed(self, service: Service, query: Query, container: Container | None) -> tuple[IntervalSet, IntervalSet]:
        """Sources that policy certainly and possibly lets in. What nobody has read allows nothing for sure."""
        if query.dst in _LOOPBACK[query.family] or self.engine.blind(query.family):
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
        for oif, address in self._behind(query.family, container):
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
        return dst in _PRIVATE[family]

    # ---- why --------------------------------------------------------------------------------------------------------

    def _evidence(self, service: Service, family: int, way: Way, verdict: Verdict) -> Evidence:
        area = {"bypass": way.bypass, "neighbours": way.bypass, "undecided": way.doubtful}.get(verdict) or way.possibly
        query = Query(family, way.iif, way.dst, service.proto, service.port,
                      IntervalSet.of(self._sample(family, way, area)))
        return Evidence(query, self.engine.trace(query))

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
        for low, _ in (area & ~_PRIVATE[family]).ranges(max_address(family)):
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

    def _notes(self, service: Service, way: Way, container: Container | None) -> Iterator[str]:
        if way.to is not None and way.to.via:
            yield f"taken by {way.to.via} on this host, so INPUT and ufw do apply"
        drivers = {network.name: network.driver for network in self.host.engine.networks}
        for endpoint in container.endpoints if container else ():
            driver = drivers.get(endpoint.network, "")
            if driver in ("macvlan", "ipvlan"):
                yield f"on the {driver} network {endpoint.network}: no rule of this host is asked"
        if way.possibly & (way.allowed_possibly - way.allowed):
            yield "policy allows it at a limited rate"


# ---- small helpers --------------------------------------------------------------------------------------------------


def _by_family(ports: Iterable[PublishedPort]) -> Iterator[tuple[int, PublishedPort]]:
    for port in sorted(set(ports), key=lambda p: (p.proto, p.host_port, p.family, p.host_address, p.container_port)):
        if port.host_port:
            for family in (4, 6) if port.family == 0 else (port.family,):
                yield family, port


def _families(socket: Socket) -> tuple[int, ...]:
    if socket.family == 6 and socket.address == 0 and socket.accepts_v4 is not False:
        return (4, 6)
    return (socket.family,)


def _host_addresses(interfaces: Iterable[Interface], family: int) -> list[int]:
    """The addresses that outsiders send to; link-local ones only where there is no other."""
    own = [a for interface in interfaces for a in interface.addresses if a.family == family]
    wide = [a.value for a in own if a.scope not in ("link", "host")]
    return list(dict.fromkeys(wide or [a.value for a in own if a.scope == "link"]))


def _own_ports(container: Container, family: int) -> list[tuple[int, int]]:
    """The ports that answer inside a container; where nobody looked, those that its image or -p names."""
    if container.listeners is not None:
        return sorted({
            (each.proto, each.port) for each in container.listeners
            if each.address not in _LOOPBACK[each.family]
            and (each.family == family or (each.family == 6 and each.address == 0 and each.accepts_v4 is not False))
        })
    return sorted({*container.exposed, *((p.proto, p.container_port) for p in container.published)})


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


def _verdict(ways: tuple[Way, ...]) -> tuple[Verdict, bool]:
    afar = [way for way in ways if not way.neighbours_only]
    near = [way for way in ways if way.neighbours_only]
    if any(way.bypass for way in afar):
        return "bypass", True
    if any(way.doubtful for way in afar):
        return "undecided", False
    if any(way.bypass for way in near):
        return "neighbours", True
    if any(way.doubtful for way in near):
        return "undecided", False
    if any(way.possibly for way in ways):
        return "as-intended", all(way.possibly == way.certainly for way in ways)
    return "blocked", True


def _worst(ways: tuple[Way, ...], verdict: Verdict) -> Way | None:
    """The way that shows the verdict best: the one with the most sources, an interface's own address before others."""
    if verdict == "bypass":
        fitting = [(way, way.bypass) for way in ways if not way.neighbours_only]
    elif verdict == "neighbours":
        fitting = [(way, way.bypass) for way in ways]
    elif verdict == "undecided":
        fitting = [(way, way.doubtful) for way in ways]
    else:
        fitting = [(way, way.possibly) for way in ways]
    fitting = [(way, area) for way, area in fitting if area]
    return max(fitting, key=lambda pair: pair[1].size(1 << 128), default=(None, EMPTY))[0]


def _severity(service: Service, family: int, way: Way, verdict: Verdict) -> Severity:
    """What the service is × from where it is reached. Sure or not is another matter."""
    known = identify(service.proto, (service.container_port, service.port), service.image, service.process)
    level = known.level if known else 2
    if verdict == "bypass":
        if not way.bypass & ~_PRIVATE[family]:
            return Severity.HIGH if level == 3 else Severity.MEDIUM
        return Severity.CRITICAL if level == 3 else Severity.HIGH
    if verdict == "neighbours":
        return Severity.MEDIUM if level == 3 else Severity.LOW
    if verdict == "undecided":
        return Severity.MEDIUM if level == 3 else Severity.LOW
    if verdict == "as-intended" and level == 3 and way.certainly & ~_PRIVATE[family]:
        return Severity.LOW
    return Severity.INFO
