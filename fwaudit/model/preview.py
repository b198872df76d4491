"""What would be added to a host: networks, containers, and the ports that they would bind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from fwaudit.model.compose import Doubt, Mark, Pool
from fwaudit.model.host import WeakCredential
from fwaudit.model.snapshot import Snapshot
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network that a container is on. ``new``: it is not there yet. ``interface``: the bridge, or the parent of a
    macvlan. ``mode4``/``mode6``: gateway_mode, empty for nat. ``pools``: each with its gateway."""

    id: str
    name: str
    driver: str
    interface: str
    new: bool
    pools: tuple[Pool, ...]
    internal: bool = False
    ipv6: bool = False
    mode4: str = ""
    mode6: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def mode(self, family: int) -> str:
        """The gateway mode of a family: nat, routed, nat-unprotected or isolated."""
        return (self.mode4 if family == 4 else self.mode6) or "nat"

    def pool(self, family: int) -> Pool | None:
        """The subnet of a family, None where it has none."""
        return next((each for each in self.pools if each.family == family), None)

    def flag(self, option: str, otherwise: bool = True) -> bool:
        """A driver option ``com.docker.network.bridge.…`` that is true or false, spelled as Go's ParseBool takes it."""
        word = self.options.get(f"com.docker.network.bridge.{option}", "").lower()
        return otherwise if word == "" else word in ("1", "t", "true")


@dataclass(frozen=True, slots=True)
class Seat:
    """A container's place in a network."""

    bridge: Bridge
    address4: int | None = None
    address6: int | None = None

    def address(self, family: int) -> int | None:
        """Its address of a family."""
        return self.address4 if family == 4 else self.address6


@dataclass(frozen=True, slots=True)
class Binding:
    """A port of the host that leads to a container. ``host_port`` 0: none, the network is routed. ``to``: (family,
    address) of the container; of another family than the host's, docker-proxy alone carries it."""

    proto: int
    family: int
    host_address: int
    host_port: int
    to: tuple[int, int]
    container_port: int
    mark: Mark = field(default=Mark(""), compare=False)


@dataclass(frozen=True, slots=True)
class Box:
    """A container that would be there. ``outlet``: the seat whose bridge its ports are published on, None where it
    has none. ``mode``: network_mode, empty on networks of its own."""

    name: str
    id: str
    service: str
    image: str
    mark: Mark
    mode: str = ""
    seats: tuple[Seat, ...] = ()
    outlet: Seat | None = None
    bindings: tuple[Binding, ...] = ()
    exposed: tuple[tuple[int, int], ...] = ()
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    weak_credentials: tuple[WeakCredential, ...] = ()


@dataclass(frozen=True, slots=True)
class WouldBe:
    """A host as it would be. ``doubts``: what cannot be told, and what the engine would refuse. ``notes``: what was
    assumed, in words. ``containers``: the names of those that would be new."""

    snapshot: Snapshot
    boxes: tuple[Box, ...]
    networks: tuple[Bridge, ...]
    doubts: tuple[Doubt, ...]
    notes: tuple[str, ...]
    replaced: tuple[str, ...] = ()
