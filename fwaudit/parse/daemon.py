"""dockerd's settings that decide about packets, as ``docker/daemon.json`` of a snapshot has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from fwaudit.errors import ParseError
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.values import Record, read_object
from fwaudit.records import dataclass

SOURCE = "docker/daemon.json"


@dataclass(frozen=True, slots=True)
class Daemon:
    """``known`` False: the snapshot does not tell. ``proxy``, ``iptables``: as told or by default. ``direct``: packets
    to containers' own addresses are let through. ``forwards``: it may switch forwarding on, ``forward_drop``: and then
    gives FORWARD the chain policy DROP. ``network_options``: of every new bridge network."""

    known: bool = False
    iptables: bool = True
    proxy: bool = True
    direct: bool = False
    forwards: bool = True
    forward_drop: bool = True
    network_options: Mapping[str, str] = field(default_factory=dict)


def read_daemon(snapshot: Snapshot) -> Daemon:
    """What the snapshot tells; nothing where it is missing or does not read."""
    if SOURCE not in snapshot:
        return Daemon()
    try:
        found = read_object(snapshot, SOURCE)
        options = found.record("default-network-opts").record("bridge")
        return Daemon(True, _flag(found, "iptables"), _flag(found, "userland-proxy"),
                      found.flag("allow-direct-routing") or found.flag("DOCKER_INSECURE_NO_IPTABLES_RAW"),
                      _flag(found, "ip-forward"), not found.flag("ip-forward-no-drop"),
                      {key: options.text(key) for key in options.fields})
    except ParseError:
        return Daemon()


def _flag(found: Record, key: str) -> bool:
    return found.flag(key) if key in found else True
