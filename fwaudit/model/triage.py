"""What a container does and holds, as its host sees it, and the signs that somebody else is at work in it."""

from __future__ import annotations

from typing import Literal

from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a container. ``exe``: its file, as the container sees it, empty where it cannot be told;
    ``deleted``: that file is gone. ``layer``: the file is in the container's writable layer, so not from the image.
    ``cpu``: per cent of one processor while it was watched."""

    pid: int
    name: str
    exe: str = ""
    deleted: bool = False
    layer: bool = False
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A file in the writable layer. ``size`` in bytes, ``changed`` in seconds since the epoch."""

    path: str
    size: int
    changed: float
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection that is established. ``ours``: the container's port, ``address``/``port``: the other side's."""

    family: int
    address: int
    port: int
    ours: int


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container as it was found. ``blind``: what could not be looked at, and why."""

    name: str
    id: str
    cpu: float = 0.0
    processes: tuple[Process, ...] = ()
    files: tuple[LayerFile, ...] = ()
    connections: tuple[Connection, ...] = ()
    networks: tuple[str, ...] = ()
    layer: str = ""
    blind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that speaks for a break-in. ``strong``: there is hardly an innocent reason for it."""

    kind: str
    strong: bool
    what: str
    evidence: str
    technique: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """A container, and the signs in it."""

    facts: ContainerFacts
    signs: tuple[Sign, ...]
    level: Literal["none", "weak", "strong"]
