"""The containers that a project would start: which networks they are on, their addresses, and where their ports go.

Source: moby, libnetwork/sandbox.go and endpoint.go: of several networks, the ports are published on the one that has
the gateway: not an internal one, the highest gw_priority (28 and later), then the first by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from fwaudit.model.compose import Attachment, ComposeService, Doubt, Mark, Project
from fwaudit.model.host import Container, Host
from fwaudit.model.preview import Binding, Box, Bridge, Seat
from fwaudit.preview.networks import Networks, existing
from fwaudit.preview.ports import Ports
from fwaudit.preview.ways import Ways

_MOST_ADDRESSES = 1 << 16


class Boxes:
    """Places every container of a project."""

    def __init__(self, host: Host, ways: Ways, networks: Networks) -> None:
        self.host, self.ways, self.networks = host, ways, networks
        self.ports = Ports(host, ways)
        self.doubts: list[Doubt] = []
        self.notes: list[str] = []
        self.bridges: dict[str, Bridge | None] = {}
        self.used: dict[str, set[tuple[int, int]]] = {}
        for container in host.engine.containers:
            for point in container.endpoints:
                taken = self.used.setdefault(point.network, set())
                taken |= {(family, address) for family, address in ((4, point.address), (6, point.address6))
                          if address is not None}
        self.fixed: set[tuple[int, int]] = set()
        self.names = {container.name for container in host.engine.containers}

    def all(self, project: Project) -> Iterator[Box]:
        """Every container that would start."""
        for service in project.services:
            for number in range(1, service.replicas + 1):
                box = self._box(project, service, number)
                if box is not None:
                    yield box

    def _box(self, project: Project, service: ComposeService, number: int) -> Box | None:
        name = service.container_name or f"{project.name}-{service.name}-{number}"
        id = hashlib.sha256(f"container\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
        if name in self.names:
            self.doubts.append(Doubt(service.mark, f"{name[:60]} would not start: another container has that name"))
            return None
        self.names.add(name)
        box = Box(name, id, service.name, service.image, service.mark, service.mode, exposed=service.exposed,
                  privileged=service.privileged, capabilities=service.capabilities,
                  weak_credentials=service.weak_credentials)
        if service.mode == "host":
            self.doubts.append(Doubt(service.mark, f"service {service.name[:60]} is on the host's network: what it "
                                                   "listens on is seen once it runs; the INPUT chain decides about it"))
            return box
        if service.mode == "none" or ":" in service.mode:
            return box
        seats, priorities = [], {}
        for attachment in (Attachment("bridge"),) if service.mode == "bridge" else service.attachments:
            bridge = self._bridge(project, attachment.network, service)
            if bridge is None:
                return None  # said by whoever looked for the network
            seat = self._seat(bridge, attachment)
            if seat is None:
                self.doubts.append(Doubt(service.mark, f"{name[:60]} would not start: network {bridge.name[:60]} has "
                                                       "no address for it"))
                return None
            seats.append(seat)
            priorities[bridge.name] = attachment.priority
        box = replace(box, seats=tuple(seats), outlet=outlet_of(tuple(seats), priorities, self.ways))
        return self._with_ports(box, service)

    def _with_ports(self, box: Box, service: ComposeService) -> Box | None:
        if not service.publishes:
            return box
        if box.outlet is None or box.outlet.bridge.driver != "bridge":
            kinds = "internal" if box.outlet is None else box.outlet.bridge.driver
            self.notes.append(f"{box.name}: its networks are {kinds}, so nothing is published; at the container's own "
                              "address its ports are looked at")
            inner = tuple((each.proto, each.container_port) for each in service.publishes)
            return replace(box, exposed=tuple(dict.fromkeys((*box.exposed, *inner))))
        if self.ways.version[0] == 27 and any(box.outlet.bridge.mode(family) == "routed" for family in (4, 6)) and any(
                each.ports for each in service.publishes):
            self.doubts.append(Doubt(service.publishes[0].mark, f"{box.name} would not start: Docker 27 takes no host "
                                                                "port on a routed network"))
            return None
        held, drawn = list(self.ports.held), list(self.ports.drawn)
        found: list[Binding] = []
        for publish in sorted(service.publishes, key=lambda each: each.ports is None):
            bindings = self.ports.bind(publish, box.outlet, box.name)
            if isinstance(bindings, Doubt):
                self.doubts.append(bindings)
                self.ports.held, self.ports.drawn = held, drawn
                return None
            found += bindings
        return replace(box, bindings=tuple(found))

    def _bridge(self, project: Project, key: str, service: ComposeService) -> Bridge | None:
        """A network of the project, or the engine's default one; looked for once, and a doubt where it is not had."""
        default = service.mode == "bridge"
        name = "" if default else key
        if name not in self.bridges:
            wanted = project.networks.get(key)
            self.bridges[name] = self.networks.default(service.mark) if default else (
                self.networks.of(wanted) if wanted is not None else None)
        return self.bridges[name]

    def _seat(self, bridge: Bridge, attachment: Attachment) -> Seat | None:
        """An address of each family that the network has: the one that is asked for, else the first that is free."""
        found: dict[int, int] = {}
        taken = self.used.setdefault(bridge.name, set())
        for family, asked in ((4, attachment.address4), (6, attachment.address6)):
            pool = bridge.pool(family)
            if pool is None or (family == 6 and not bridge.ipv6):
                continue
            width = 32 if family == 4 else 128
            last = pool.low + (1 << (width - pool.prefix)) - (2 if family == 4 else 1)
            candidates = range(pool.low + 1, min(last, pool.low + _MOST_ADDRESSES) + 1)
            free = (each for each in candidates if each != pool.gateway and (family, each) not in taken)
            address = asked if asked is not None else next(free, None)
            if address is None or not pool.low < address <= last or (family, address) in taken:
                return None
            if asked is not None:
                self.fixed.add((family, asked))
            taken.add((family, address))
            found[family] = address
        return Seat(bridge, found.get(4), found.get(6))


def outlet_of(seats: tuple[Seat, ...], priorities: Mapping[str, int], ways: Ways) -> Seat | None:
    """The seat that has the gateway; None where every network is internal."""
    outer = [seat for seat in seats if not seat.bridge.internal]
    use = priorities if ways.version >= (28, 0, 0) else {}
    return min(outer, key=lambda seat: (-use.get(seat.bridge.name, 0), seat.bridge.name), default=None)


def running_box(container: Container, host: Host, ways: Ways) -> Box:
    """A container that runs, as what the engine wrote for it."""
    networks = {network.name: existing(network, host, ways) for network in host.engine.networks}
    seats = tuple(Seat(networks[point.network], point.address, point.address6) for point in container.endpoints
                  if point.network in networks)
    outlet = outlet_of(seats, {}, ways)
    bindings = []
    for port in container.published:
        for family in (4, 6) if port.family == 0 else (port.family,):
            own = outlet.address(family) if outlet is not None else None
            to = (family, own) if own is not None else (4, (outlet.address4 if outlet is not None else None) or 0)
            bindings.append(Binding(port.proto, family, port.host_address, port.host_port, to, port.container_port))
    return Box(container.name, container.id, container.service, container.image, Mark(""), container.network_mode,
               seats, outlet, tuple(bindings))
