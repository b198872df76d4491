"""Which questions about single packets have the same answer, so that it is walked for once and then looked up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Dnat, Hook
from fwaudit.model.verdict import Query
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.admission import SPECIAL_SOURCES
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.reads import BIT, mask_of
from fwaudit.path.state import ADDRESS_FIELDS, PORT_FIELDS
from fwaudit.path.tables import Tables

_HOOKS: tuple[Hook, ...] = ("ingress", "prerouting", "input", "forward", "output", "postrouting", "egress")
_PORTS = mask_of(PORT_FIELDS)


class Alike:
    """The classes of sources and of ports of one family that nothing on the host tells apart.

    A border is wherever a rule, a route, an address, a socket or the kernel's own checks change their mind about an
    address, or about a port; which field it is that they ask for does not matter here, since a packet's destination is
    its answer's source. A destination is in no class but its own: who answers depends on it.
    """

    def __init__(self, host: Host, tables: Tables, family: int) -> None:
        chains = list(_chains(host, tables, family))
        self._addresses = sorted({*_known_addresses(host, family), *_borders(chains, ADDRESS_FIELDS)})
        self._ports = sorted({*_known_ports(host), *_borders(chains, PORT_FIELDS)})
        self.ports_apart = any(chain.whole & _PORTS or _shifts_ports(chain) for chain in chains)
        """A rule looks at a port's bits, or sends each port to another one: then no two are alike."""

    def source(self, address: int) -> int:
        """The class of a source."""
        return bisect_right(self._addresses, address)

    def port(self, port: int | None) -> int | None:
        """The class of a port; None stays None, which is any port that a client takes."""
        return None if port is None else bisect_right(self._ports, port)

    def key(self, query: Query, source: int | None) -> tuple[object, ...]:
        """Two questions with the same key have the same answer, but for port numbers in its words, where they are
        not `ports_apart`. ``source`` None: what the kernel picks."""
        return (query.iif, query.dst, query.proto, query.hook, query.oif, query.answer,
                None if source is None else self.source(source), self.port(query.dport), self.port(query.sport))


def _chains(host: Host, tables: Tables, family: int) -> Iterator[CompiledChain]:
    seen: set[int] = set()
    for hook in _HOOKS:
        for device in ("", *host.interfaces):
            for base in tables.base_chains(family, hook, device):
                for chain in tables.chain(base, family).subtree():
                    if chain.serial not in seen:
                        seen.add(chain.serial)
                        yield chain


def _borders(chains: list[CompiledChain], fields: Iterable[str]) -> Iterator[int]:
    for chain in chains:
        for name in fields:
            if chain.own_reads & BIT[name]:
                yield from chain.rules.borders_of_each(name)


def _shifts_ports(chain: CompiledChain) -> bool:
    targets = (rule.target for rule in chain.rules.texts.values())
    return any(isinstance(target, Dnat) and (target.port_base is not None or target.random) for target in targets)


def _known_addresses(host: Host, family: int) -> Iterator[int]:
    """Borders of all networks and addresses that routing, NAT and the engine speak of."""
    width = 32 if family == 4 else 128
    networks = [(route.low, route.prefix) for route in host.routes.get(family) or ()]
    for rule in host.policy_rules.get(family) or ():
        networks += [network for network in (rule.src, rule.dst) if network is not None]
    for interface in host.interfaces.values():
        for address in interface.addresses:
            if address.family == family:
                networks += [(address.value, width), (address.value, address.prefix)]
    for container in host.engine.containers:
        for endpoint in container.endpoints:
            value, prefix = ((endpoint.address, endpoint.prefix) if family == 4
                             else (endpoint.address6, endpoint.prefix6))
            if value is not None:
                networks += [(value, width), (value, prefix)]
    for value, prefix in networks:
        low = value >> (width - prefix) << (width - prefix)
        yield from (low, low + (1 << width - prefix))
    for area in (*SPECIAL_SOURCES[family], MULTICAST[family], IntervalSet((0, max_address(family) + 1))):
        yield from area.bounds


def _known_ports(host: Host) -> Iterator[int]:
    """Borders of all ports that somebody listens on or that the engine has published."""
    ports = [socket.port for socket in host.sockets or ()]
    for container in host.engine.containers:
        ports += [port for each in container.published for port in (each.host_port, each.container_port) if port]
        ports += [each.port for each in container.listeners or ()]
    for port in ports:
        yield from (port, port + 1)
