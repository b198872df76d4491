"""Everything that passes a host and is no way in to a service: the questions whose answers a fix must not change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from fwaudit.exposure.outside import outside_interfaces
from fwaudit.model.host import DockerNetwork, Host, Interface
from fwaudit.model.verdict import Query
from fwaudit.packet.fields import ICMP, ICMPV6, TCP, UDP, max_address
from fwaudit.packet.intervals import IntervalSet

_AFAR = {4: (0x08080808, 0xC6336407), 6: (0x2001_4860_4860 << 80 | 0x8888, 0x2001_0DB8_0099 << 80 | 7)}
"""Two addresses elsewhere, in each family: where containers send to, and who sends."""
_PORTS = ((TCP, 22), (TCP, 80), (TCP, 443), (TCP, 5432), (UDP, 53), (UDP, 123), (UDP, 443))
_MAX_CONTAINERS = 100
_MAX_FLOWS = 20_000


def other_flows(host: Host) -> Iterator[Query]:
    """Questions, each for all sources that may ask it. At most 20,000; of more than 100 containers the first 100 are
    asked about one by one, since the rules of the fix tell bridges apart and not containers."""
    yield from islice(dict.fromkeys(_all(host)), _MAX_FLOWS)


def _all(host: Host) -> Iterator[Query]:
    outside = outside_interfaces(host)
    for family in (4, 6):
        ping = (ICMPV6 if family == 6 else ICMP, 0)
        addresses = list(_own_addresses(host, family))
        containers = list(islice(_containers(host, family), _MAX_CONTAINERS))
        served = [*dict.fromkeys(_host_ports(host)), ping]
        for network in host.engine.networks:
            if network.driver != "bridge" or not network.interface:
                continue
            sources = _sources(network, family)
            if not sources:
                continue
            yield from _ask(family, network.interface, [*_AFAR[family], *_neighbours(outside, family)],
                            (*_PORTS, ping), sources)
            yield from _ask(family, network.interface, addresses, served, sources)
            for address, ports in containers:
                yield from _ask(family, network.interface, (address,), (*ports, ping), sources)
        everybody = IntervalSet((0, max_address(family) + 1))
        for interface in outside:
            yield from _ask(family, interface.name, [*_AFAR[family], *_neighbours(outside, family)], (*_PORTS, ping),
                            everybody)
            yield from _ask(family, interface.name, addresses, (*_sockets(host), ping), everybody)
            yield from _ask(family, interface.name, [address for address, _ in containers], (ping,), everybody)
        for address, ports in containers:
            yield from _ask(family, "", (address,), (*ports, ping), everybody)
        yield from _ask(family, "", _AFAR[family], (*_PORTS, ping), everybody)


def _ask(family: int, iif: str, targets: Iterable[int], ports: Iterable[tuple[int, int]],
         sources: IntervalSet) -> Iterator[Query]:
    ports = tuple(ports)
    for dst in targets:
        for proto, port in ports:
            yield Query(family, iif, dst, proto, port, sources)


def _own_addresses(host: Host, family: int) -> Iterator[int]:
    for interface in host.interfaces.values():
        yield from (address.value for address in interface.addresses
                    if address.family == family and address.scope != "host")


def _neighbours(outside: Iterable[Interface], family: int) -> list[int]:
    """Another machine in each network that the host stands in."""
    found = []
    for interface in outside:
        for address in interface.addresses:
            shift = (32 if family == 4 else 128) - address.prefix
            if address.family == family and shift > 1 and address.scope == "global":
                low = address.value >> shift << shift
                found.append(low + 2 if address.value != low + 2 else low + 1)
    return found


def _sources(network: DockerNetwork, family: int) -> IntervalSet:
    width = 32 if family == 4 else 128
    return IntervalSet.from_ranges((low, low + (1 << (width - prefix)) - 1)
                                   for of, low, prefix in network.subnets if of == family)


def _containers(host: Host, family: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """(address, ports that it listens on or publishes) of every endpoint."""
    for container in host.engine.containers:
        ports = {(port.proto, port.container_port) for port in container.published}
        ports |= {(each.proto, each.port) for each in container.listeners or ()}
        for endpoint in container.endpoints:
            address = endpoint.address if family == 4 else endpoint.address6
            if address is not None and container.running:
                yield address, sorted(ports)


def _sockets(host: Host) -> Iterator[tuple[int, int]]:
    """What the host itself listens on. A published port has a socket, too; what becomes of it is a service's matter."""
    published = {(port.proto, port.host_port) for container in host.engine.containers for port in container.published}
    yield from dict.fromkeys((socket.proto, socket.port) for socket in host.sockets or ()
                             if (socket.proto, socket.port) not in published)


def _host_ports(host: Host) -> Iterator[tuple[int, int]]:
    """What a container may ask of the host: its sockets, and what other containers publish there."""
    yield from _sockets(host)
    for container in host.engine.containers:
        yield from ((port.proto, port.host_port) for port in container.published if port.host_port)
