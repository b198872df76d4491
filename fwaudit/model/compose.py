"""What a Compose file asks for, as far as it decides about exposure: services, their networks, the ports they publish.

Nothing else of the file is kept: no environment (but a word on what is weak in it), no command, no label, so that no
secret is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from fwaudit.model.host import WeakCredential
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands: the file as it was named, and the line, counted from 1; 0 where it is not known."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Publish:
    """One container port that is to be published.

    ``address``: (family, value) of the host's address, None where none is given. ``ports``: the host's port as a range
    of which the engine takes the first that is free (low, high); None: any free port.
    """

    proto: int
    container_port: int
    ports: tuple[int, int] | None
    address: tuple[int, int] | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service's place in a network. ``network``: its key in the file. ``priority``: gw_priority."""

    network: str
    address4: int | None = None
    address6: int | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service. ``mode``: network_mode, empty for the usual one. ``exposed``: (protocol, port) of ``expose``."""

    name: str
    mark: Mark
    mode: str = ""
    attachments: tuple[Attachment, ...] = ()
    publishes: tuple[Publish, ...] = ()
    exposed: tuple[tuple[int, int], ...] = ()
    replicas: int = 1
    container_name: str = ""
    image: str = ""
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    weak_credentials: tuple[WeakCredential, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """A network's subnet (family, low, prefix), and its gateway where one is given."""

    family: int
    low: int
    prefix: int
    gateway: int | None = None


@dataclass(frozen=True, slots=True)
class ComposeNetwork:
    """One network. ``key``: its name in the file, ``name``: the engine's. ``ipv6`` None: not said."""

    key: str
    name: str
    mark: Mark
    external: bool = False
    driver: str = ""
    internal: bool = False
    ipv4: bool = True
    ipv6: bool | None = None
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of the file that decides about exposure and cannot be told."""

    mark: Mark
    why: str


@dataclass(frozen=True, slots=True)
class Project:
    """All Compose files together. ``files``: those that were named. ``left_out``: services whose profile is not on."""

    name: str
    files: tuple[str, ...]
    services: tuple[ComposeService, ...]
    networks: Mapping[str, ComposeNetwork]
    doubts: tuple[Doubt, ...] = ()
    left_out: tuple[tuple[str, tuple[str, ...]], ...] = ()
