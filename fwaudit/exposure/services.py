"""What there is on a host that could answer: published and forwarded ports, sockets, containers' own ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fwaudit.exposure.outside import LOOPBACK
from fwaudit.model.condition import In
from fwaudit.model.host import Container, Host, PublishedPort, Socket
from fwaudit.model.report import Service
from fwaudit.model.ruleset import Chain, Dnat, Inline, NetmapDnat, Redirect, Rule, Table
from fwaudit.model.services import identify
from fwaudit.netfilter.engine_rules import engine_forwards
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import MAX_PORT, max_address
from fwaudit.path.deliver import Services
from fwaudit.records import dataclass

_PROXIES = ("docker-proxy", "conmon", "rootlessport")
_TRANSLATING = (Dnat, Redirect, NetmapDnat, Inline)
_MAX_FORWARDED = 64
"""A forwarding rule for more ports than this names no service; the first ports of it are asked about."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A service of one family, and the addresses that packets for it are sent to."""

    service: Service
    family: int
    targets: tuple[int, ...]
    container: Container | None = None


def offers(host: Host, services: Services, addresses: Mapping[int, list[int]]) -> Iterator[Offer]:
    """Everything that could answer. ``addresses``: the host's own, for what is bound to every address."""
    published = list(_published(host, addresses)) + list(_published_by_rules(host, addresses))
    known = {(each.family, each.service.proto, each.service.port) for each in published}
    yield from published
    sockets = list(_sockets(host, services, addresses, known))
    yield from sockets
    known |= {(each.family, each.service.proto, each.service.port) for each in sockets}
    yield from _forwarded(host, addresses, known)
    yield from _container_ports(host)
    yield from _container_ports_by_rules(host)


def _published(host: Host, addresses: Mapping[int, list[int]]) -> Iterator[Offer]:
    for container in host.engine.containers:
        if not container.running:
            continue
        for family, port in _by_family(container.published):
            targets = [port.host_address] if port.host_address else [
                *addresses[family], *_gateways(container, family)]
            known = identify(port.proto, (port.container_port, port.host_port), container.image)
            bound = format_address(family, port.host_address) if port.host_address else "*"
            yield Offer(Service(
                "published", port.proto, port.host_port, bound, container.name, port.container_port,
                container.project, container.service, container.image, "", known.name if known else "",
            ), family, tuple(targets), container)


def _published_by_rules(host: Host, addresses: Mapping[int, list[int]]) -> Iterator[Offer]:
    """What an engine that cannot be asked published, as its rules tell it: they are in force as they stand."""
    for each in engine_forwards(host.ruleset) if host.engine.unread else ():
        known = identify(each.proto, (each.to_port, each.port))
        bound = "*" if each.dst is None else format_address(each.family, each.dst)
        yield Offer(Service("published", each.proto, each.port, bound, "", each.to_port,
                            likely=known.name if known else ""),
                    each.family, tuple(addresses[each.family]) if each.dst is None else (each.dst,))


def _container_ports_by_rules(host: Host) -> Iterator[Offer]:
    """The same ports at the addresses of their containers."""
    found = engine_forwards(host.ruleset) if host.engine.unread else ()
    for family, proto, address, port in dict.fromkeys((e.family, e.proto, e.address, e.to_port) for e in found):
        known = identify(proto, (port,))
        yield Offer(Service("container-port", proto, port, format_address(family, address), "", port,
                            likely=known.name if known else ""), family, (address,))


def _gateways(container: Container, family: int) -> list[int]:
    """The host's addresses on the container's bridges: a neighbour on the link can send there, too."""
    found = [endpoint.gateway if family == 4 else endpoint.gateway6 for endpoint in container.endpoints]
    return [address for address in found if address is not None]


def _sockets(host: Host, services: Services, addresses: Mapping[int, list[int]],
             published: set[tuple[int, int, int]]) -> Iterator[Offer]:
    seen: set[tuple[int, int, int, int]] = set()
    for socket in host.sockets or ():
        if services.reserved_by_engine(socket):
            continue
        for family in _families(socket):
            key = (family, socket.proto, socket.address, socket.port)
            # a proxy's socket is the published port; where the engine could not be asked, it is all that is known
            proxied = socket.owner in _PROXIES and (family, socket.proto, socket.port) in published
            if key in seen or proxied:
                continue
            seen.add(key)
            owner = services.owner_container(socket)
            known = identify(socket.proto, (socket.port,), owner.image if owner else "", socket.owner)
            yield Offer(Service(
                "host-socket", socket.proto, socket.port,
                format_address(family, socket.address) if socket.address else "*",
                owner.name if owner else "", 0, owner.project if owner else "", owner.service if owner else "",
                owner.image if owner else "", socket.owner, known.name if known else "",
            ), family, (socket.address,) if socket.address else tuple(addresses[family]))


def _forwarded(host: Host, addresses: Mapping[int, list[int]], known: set[tuple[int, int, int]]) -> Iterator[Offer]:
    """Ports that a DNAT rule names and nobody published or listens on: forwarded by hand, by swarm, by libvirt."""
    seen = set(known)
    for table in host.ruleset.tables:
        for chain in table.chains.values():
            if table.dormant or chain.hook not in (None, "prerouting"):
                continue
            for rule in _translating(chain):
                for family in _table_families(table, rule):
                    for proto, port in _named_ports(rule):
                        if (family, proto, port) not in seen:
                            seen.add((family, proto, port))
                            known_as = identify(proto, (port,))
                            yield Offer(Service("forwarded", proto, port, likely=known_as.name if known_as else ""),
                                        family, tuple(_named(rule, "dst", family)) or tuple(addresses[family]))


def _translating(chain: Chain) -> Iterator[Rule]:
    if not any(isinstance(said.target, _TRANSLATING) for said in texts_of(chain.rules)):
        return  # no rule is put together to be looked at
    left = list(chain.rules)
    while left:
        rule = left.pop()
        if isinstance(rule.target, Inline):
            left += rule.target.rules
        elif isinstance(rule.target, (Dnat, Redirect, NetmapDnat)):
            yield rule


def _table_families(table: Table, rule: Rule) -> tuple[int, ...]:
    family = getattr(rule.target, "family", 0) or {"ip": 4, "ip6": 6}.get(table.family, 0)
    return (family,) if family else (4, 6)


def _named_ports(rule: Rule) -> Iterator[tuple[int, int]]:
    for proto in sorted(_named(rule, "proto", 4)):
        for port in _named(rule, "dport", 4):
            yield proto, port


def _named(rule: Rule, field: str, family: int) -> list[int]:
    """The first values that a rule asks of a field; none where it does not ask, or for half the world."""
    for condition in rule.conditions:
        if isinstance(condition, In) and condition.field == field:
            top = max_address(family) if field == "dst" else MAX_PORT
            if condition.values.size(top) <= _MAX_FORWARDED:
                return [value for low, high in condition.values.ranges(top) for value in range(low, high + 1)]
    return []


def _container_ports(host: Host) -> Iterator[Offer]:
    for container in host.engine.containers:
        if not container.running or container.shares_host_network:
            continue
        for endpoint in container.endpoints:
            for family, address in ((4, endpoint.address), (6, endpoint.address6)):
                if address is None:
                    continue
                for proto, port in _own_ports(container, family):
                    known = identify(proto, (port,), container.image)
                    yield Offer(Service(
                        "container-port", proto, port, format_address(family, address), container.name, port,
                        container.project, container.service, container.image, "", known.name if known else "",
                    ), family, (address,), container)


def _by_family(ports: Iterable[PublishedPort]) -> Iterator[tuple[int, PublishedPort]]:
    for port in sorted(set(ports), key=lambda p: (p.proto, p.host_port, p.family, p.host_address, p.container_port)):
        if port.host_port:
            for family in (4, 6) if port.family == 0 else (port.family,):
                yield family, port


def _families(socket: Socket) -> tuple[int, ...]:
    if socket.family == 6 and socket.address == 0 and socket.accepts_v4 is not False:
        return (4, 6)
    return (socket.family,)


def _own_ports(container: Container, family: int) -> list[tuple[int, int]]:
    """The ports that answer inside a container; where nobody looked, those that its image or -p names."""
    if container.listeners is not None:
        return sorted({
            (each.proto, each.port) for each in container.listeners
            if each.address not in LOOPBACK[each.family]
            and (each.family == family or (each.family == 6 and each.address == 0 and each.accepts_v4 is not False))
        })
    return sorted({*container.exposed, *((p.proto, p.container_port) for p in container.published)})
