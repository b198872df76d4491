"""The ports of the host that a container would bind, by which address and family, and who is there already.

Source: moby, libnetwork/drivers/bridge/port_mapping_linux.go: without an address, a port is bound for IPv4 and IPv6;
what is bound for IPv6 leads to the container's IPv6 address or, where it has none, by docker-proxy to its IPv4 one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fwaudit.model.compose import Doubt, Publish
from fwaudit.model.host import Host
from fwaudit.model.preview import Binding, Seat
from fwaudit.packet.address import format_address, parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOL_NAMES
from fwaudit.preview.ways import Ways

_USUAL_RANGE = (32768, 60999)


@dataclass
class Ports:
    """Who holds which port of the host. ``ephemeral``: the range that ports are drawn from which nobody named."""

    host: Host
    ways: Ways
    held: list[tuple[int, int, int, int, str]] = field(default_factory=list)  # protocol, family, address, port, by whom
    drawn: list[tuple[int, int, int, int]] = field(default_factory=list)  # protocol, port, and the range it is of

    def __post_init__(self) -> None:
        for socket in self.host.sockets or ():
            by = f"{socket.owner or 'a process'} of the host"
            self.held.append((socket.proto, socket.family, socket.address, socket.port, by))
            if socket.family == 6 and socket.address == 0 and socket.accepts_v4:
                self.held.append((socket.proto, 4, 0, socket.port, by))
        for container in self.host.engine.containers:
            for port in container.published if container.running else ():
                for family in (4, 6) if port.family == 0 else (port.family,):
                    self.held.insert(0, (port.proto, family, port.host_address, port.host_port, container.name))
        words = self.host.sysctl.get("net.ipv4.ip_local_port_range", "").split()
        self.ephemeral = (int(words[0]), int(words[1])) if len(words) == 2 and all(
            word.isdigit() and 0 < int(word) <= MAX_PORT for word in words) else _USUAL_RANGE
        loopback = self.host.interfaces.get("lo")
        self.ipv6 = loopback is None or any(address.family == 6 for address in loopback.addresses)

    def bind(self, publish: Publish, outlet: Seat, name: str) -> list[Binding] | Doubt:
        """The bindings of one published port; a Doubt where the engine would refuse it."""
        places = list(self._places(publish, outlet))
        nat = [place for place in places if place[3]]
        if not nat:
            return [Binding(publish.proto, family, 0, 0, to, publish.container_port, publish.mark)
                    for family, _, to, _ in places]
        low, high = publish.ports or self.ephemeral
        by = ""
        for port in range(low, high + 1):
            by = next((found for family, address, _, _ in nat
                       if (found := self.holder(publish.proto, family, address, port))), "")
            if not by:
                break
        else:
            return self._refused(publish, name, by)
        if low != high:
            self.drawn.append((publish.proto, port, low, high))
        bound = []
        for family, address, to, has_nat in places:
            bound.append(Binding(publish.proto, family, address, port if has_nat else 0, to, publish.container_port,
                                 publish.mark))
            if has_nat:
                self.held.append((publish.proto, family, address, port, name))
        return bound

    def holder(self, proto: int, family: int, address: int, port: int) -> str:
        """Who holds a port in the way of whoever wants it; empty: nobody."""
        return next((by for each, of, at, number, by in self.held
                     if (each, of, number) == (proto, family, port) and (address == at or 0 in (address, at))), "")

    def _refused(self, publish: Publish, name: str, by: str) -> Doubt:
        low, high = publish.ports or self.ephemeral
        ports = f"{low}" if low == high else f"{low}-{high}"
        return Doubt(publish.mark, f"{name} would not start: {ports}/{PROTOCOL_NAMES[publish.proto]} is taken by {by}")

    def _places(self, publish: Publish, outlet: Seat) -> Iterator[tuple[int, int, tuple[int, int], bool]]:
        """(family, address, container, whether the host has a port for it) of each binding."""
        default = outlet.bridge.options.get("com.docker.network.bridge.host_binding_ipv4", "")
        given = publish.address
        if given is None and default not in ("", "0.0.0.0"):  # noqa: S104 - it is compared, not bound
            try:
                given = parse_address(default)
            except ValueError:
                given = None
        for family in (4, 6):
            if given is not None and given[0] != family:
                continue
            address = given[1] if given is not None else 0
            own = outlet.address(family)
            if own is None and (family == 4 or outlet.address4 is None):
                continue
            if family == 6 and not self.ipv6:
                continue
            to = (family, own) if own is not None else (4, outlet.address4 or 0)
            if to[0] != family and not self.ways.proxy:
                continue  # nobody carries IPv6 to an IPv4 address but docker-proxy
            nat = outlet.bridge.mode(family) not in ("routed", "isolated")
            if to[0] != family and not nat:
                continue
            yield family, address, to, nat


def in_words(binding: Binding) -> str:
    """``127.0.0.1:8080/tcp``."""
    address = format_address(binding.family, binding.host_address) if binding.host_address else "*"
    return f"{address}:{binding.host_port}/{PROTOCOL_NAMES[binding.proto]}"
