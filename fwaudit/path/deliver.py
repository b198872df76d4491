"""Who answers: sockets of the host, docker-proxy behind them, and containers at their addresses."""

from __future__ import annotations

from fwaudit.model.host import Container, Endpoint, Host, Socket
from fwaudit.netfilter.engine_rules import engine_forwards
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import NamedTuple


class Place(NamedTuple):
    """A container at an address, and the endpoint that has it."""

    container: Container
    endpoint: Endpoint


class Services:
    """The sockets and containers of a host, by address."""

    def __init__(self, host: Host) -> None:
        self._sockets: dict[tuple[int, int], list[Socket]] = {}
        self.known = host.sockets is not None
        for socket in host.sockets or ():
            self._sockets.setdefault((socket.proto, socket.port), []).append(socket)
        self._places: dict[tuple[int, int], Place] = {}
        for container in host.engine.containers:
            if container.running:
                for endpoint in container.endpoints:
                    for family, address in ((4, endpoint.address), (6, endpoint.address6)):
                        if address is not None:
                            self._places[family, address] = Place(container, endpoint)
        self._stranded = {family: IntervalSet.of(*(
            address for (of, address), place in self._places.items()
            if of == family and (place.endpoint.gateway if family == 4 else place.endpoint.gateway6) is None
        )) for family in (4, 6)}
        self._published = {
            (port.proto, port.host_port)
            for container in host.engine.containers for port in container.published if port.host_port
        }
        self._host_network = [c for c in host.engine.containers if c.running and c.shares_host_network]
        self.engine_known = not host.engine.unread
        self.engine_unread = f"{host.engine.name} could not be asked: {host.engine.unread}"
        self._told_by_rules = set() if self.engine_known else {
            (each.family, each.proto, each.address, each.to_port) for each in engine_forwards(host.ruleset)}

    def socket(self, proto: int, family: int, address: int, port: int, device: str) -> Socket | None:
        """The socket that takes a packet: bound to its address before the wildcard, and an IPv6 wildcard last."""
        best: tuple[int, Socket] | None = None
        for socket in self._sockets.get((proto, port), ()):
            if socket.device and socket.device != device:
                continue
            if socket.family == family:
                if socket.address not in (0, address):
                    continue
                rank = 0 if socket.address == address and address else 1
            elif socket.family == 6 and family == 4 and socket.address == 0 and self._takes_v4(socket):
                rank = 2
            else:
                continue
            if best is None or rank < best[0]:
                best = (rank, socket)
        return best[1] if best else None

    @staticmethod
    def _takes_v4(socket: Socket) -> bool:
        """An IPv6 wildcard socket takes IPv4 unless it is known not to; docker-proxy asks for IPv6 only.

        /proc/net does not tell, and a socket that might answer counts as answering. Source for docker-proxy: Go's
        net.ListenTCP("tcp6") sets IPV6_V6ONLY.
        """
        if socket.owner == "docker-proxy":
            return False
        return socket.accepts_v4 is not False

    def reserved_by_engine(self, socket: Socket) -> bool:
        """True for a published port that dockerd holds itself (userland-proxy=false): nobody answers there.

        Source: moby cmd/dockerd, libnetwork portmapper's dummy proxy, which binds and never accepts.
        """
        return socket.owner == "dockerd" and (socket.proto, socket.port) in self._published

    def proxied(self, socket: Socket) -> tuple[int, int, int] | None:
        """(family, address, port) that a docker-proxy without known arguments serves, as the engine published it.

        An IPv6 listener serves the container's IPv6 address where it has one, else its IPv4 address.
        """
        for place in self._places.values():
            container, endpoint = place
            for port in container.published:
                if (port.proto, port.host_port) != (socket.proto, socket.port):
                    continue
                if port.host_address not in (0, socket.address) and socket.address:
                    continue
                if socket.family == 6 and endpoint.address6 is not None:
                    return 6, endpoint.address6, port.container_port
                if endpoint.address is not None:
                    return 4, endpoint.address, port.container_port
        return None

    def container_at(self, family: int, address: int) -> Place | None:
        """The running container that has an address."""
        return self._places.get((family, address))

    def without_gateway(self, family: int) -> IntervalSet:
        """The addresses of containers that have no default route in that family."""
        return self._stranded[family]

    def is_told_by_rules(self, family: int, proto: int, address: int, port: int) -> bool:
        """Whether the rules of an engine that could not be asked send packets there: a container's published port."""
        return (family, proto, address, port) in self._told_by_rules

    def owner_container(self, socket: Socket) -> Container | None:
        """The container with the host's network that a socket belongs to, as far as that is known."""
        for container in self._host_network:
            if container.pid and container.pid == socket.pid:
                return container
        for container in self._host_network:
            if container.listeners and any(
                (each.proto, each.port) == (socket.proto, socket.port) for each in container.listeners
            ):
                return container
        return None


def listens(container: Container, proto: int, family: int, address: int, port: int) -> bool:
    """Whether something in the container takes packets there; not known counts as yes."""
    if container.listeners is None:
        return True
    for listener in container.listeners:
        if (listener.proto, listener.port) != (proto, port):
            continue
        if listener.family == family and listener.address in (0, address):
            return True
        if listener.family == 6 and family == 4 and listener.address == 0 and listener.accepts_v4 is not False:
            return True
    return False


def proxy_target(socket: Socket) -> tuple[int, int, int] | None:
    """(family, address, port) of the container that a docker-proxy serves, from its arguments; None without them."""
    options = dict(zip(socket.argv, socket.argv[1:], strict=False))
    address, port = options.get("-container-ip"), options.get("-container-port", "")
    if address is None or not port.isdigit() or PROTOCOLS.get(options.get("-proto", "tcp")) != socket.proto:
        return None
    try:
        family, value = parse_address(address)
    except ValueError:
        return None
    return family, value, int(port)
