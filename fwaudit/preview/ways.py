"""How this host's engine writes what it writes: told from its version and from what it has written already.

Source: moby's libnetwork/drivers/bridge at the tags v20.10 to v29 (docs/engines.md has the differences); each was run,
and what it wrote is in the recorded hosts that tests/unit/test_preview_captures.py goes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Literal

from fwaudit.errors import PreviewError
from fwaudit.model.host import Host
from fwaudit.model.ruleset import Chain, Table
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import format_address
from fwaudit.parse.daemon import Daemon, read_daemon
from fwaudit.records import dataclass

NATIVE = "docker-bridges"
_FAMILIES = {4: "ip", 6: "ip6"}
_LOOPBACK = "127.0.0.0/8"
_NEEDED = {
    "classic": ("DOCKER", "DOCKER-USER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"),
    "28": ("DOCKER", "DOCKER-FORWARD", "DOCKER-CT", "DOCKER-BRIDGE", "DOCKER-ISOLATION-STAGE-1",
           "DOCKER-ISOLATION-STAGE-2"),
    "29": ("DOCKER", "DOCKER-FORWARD", "DOCKER-CT", "DOCKER-BRIDGE", "DOCKER-INTERNAL"),
}
Version = tuple[int, int, int]
_Kept = Callable[[str], bool]
_RESTART = "Restart Docker, which writes them anew, and ask again."


@dataclass(frozen=True, slots=True)
class Ways:
    """``backend``: nft or legacy for iptables, native for Docker's own nftables tables, none where the engine writes no
    rules (``"iptables": false``). ``families``: those it writes rules for. ``proxy``: docker-proxy carries what rules
    do not. ``direct``: how rules in raw keep others from containers' own addresses: by address (28.2), by port (28.0),
    or not at all. ``daemon``: what the engine was told. ``assumed``: what nothing on the host shows, in words."""

    backend: Literal["nft", "legacy", "native", "none"]
    version: tuple[int, int, int]
    families: frozenset[int]
    proxy: bool
    direct: Literal["address", "port", "none"]
    daemon: Daemon = field(default_factory=Daemon)
    assumed: tuple[str, ...] = ()

    @property
    def generation(self) -> Literal["classic", "28", "29"]:
        """Which set of chains of iptables it is: up to 27, 28, or from 29 on."""
        return "classic" if self.version < (28, 0, 0) else "28" if self.version < (29, 0, 0) else "29"

    @property
    def hairpin(self) -> bool:
        """Without docker-proxy, rules carry a container's packets back to it."""
        return not self.proxy


def ways_of(host: Host, snapshot: Snapshot) -> Ways:
    """How the engine writes. Raises PreviewError where it cannot be told, with what to do."""
    version = _version(host)
    _refuse_others(host, snapshot, version)
    for name, why in host.ruleset.unread:
        raise PreviewError(f"{name} could not be read, and the engine's rules may be there: {why}"[:300],
                           "Run it as root, or give a whole snapshot.")
    daemon = read_daemon(snapshot)
    if host.engine.firewall == "nftables":
        return _native(host, version, daemon)
    return _iptables(host, version, daemon)


def _version(host: Host) -> tuple[int, int, int]:
    engine = host.engine
    if engine.unread:
        raise PreviewError(f"the engine could not be asked: {engine.unread}"[:300],
                           "Run it as root." if "permission" in engine.unread else
                           "Start the engine and ask again, or give a snapshot of the host with --snapshot.")
    if not engine.version:
        raise PreviewError("there is no container engine on this host, so nothing would be published",
                           "Ask on the host that the Compose file is for, or give a snapshot of it with --snapshot.")
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", engine.version)
    if found is None:
        raise PreviewError(f"the engine's version does not read: {engine.version[:60]}")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def _refuse_others(host: Host, snapshot: Snapshot, version: tuple[int, int, int]) -> None:
    """Engines, and ways of running one, whose rules are not written here."""
    engine = host.engine
    ask = "Start it, and ask fwaudit report."
    if engine.name != "docker":
        raise PreviewError(f"what {engine.name} would write is not known here; only Docker Engine is", ask)
    if engine.rootless:
        raise PreviewError("this engine is rootless: its rules are in a namespace of its own", ask)
    if version < (20, 10, 0) or version == (28, 0, 0):
        raise PreviewError(f"what Docker Engine {engine.version[:60]} would write is not known here", ask)
    info = snapshot.json("docker/info.json") if "docker/info.json" in snapshot else {}
    backend = info.get("FirewallBackend") if isinstance(info, dict) else None
    driver = str(backend.get("Driver") or "") if isinstance(backend, dict) else ""
    firewalld = any(table.name == "firewalld" for table in host.ruleset.tables)
    if "firewalld" in driver or firewalld:
        raise PreviewError("firewalld is here, and what Docker tells it is not known here", ask)
    if host.engine.firewall not in ("", "iptables", "nftables"):
        raise PreviewError(f"firewall backend {engine.firewall[:60]!r} is not known here", ask)


# ---- Docker's own nftables tables -----------------------------------------------------------------------------------


def _native(host: Host, version: Version, daemon: Daemon) -> Ways:
    tables = {table.family: table for table in host.ruleset.tables
              if table.backend == "native" and table.name == NATIVE}
    families = frozenset(family for family, name in _FAMILIES.items() if name in tables)
    if 4 not in families:
        return _without_rules(host, version, daemon)
    for chain in ("raw-PREROUTING", "nat-prerouting-and-output", "filter-FORWARD", "nat-OUTPUT"):
        if chain not in tables["ip"].chains:
            raise PreviewError(f"chain {chain} of table ip {NATIVE} is gone", _RESTART)
    proxy = any(_LOOPBACK in rule.text for rule in tables["ip"].chains["nat-OUTPUT"].rules)
    raw = [rule.text for rule in tables["ip"].chains["raw-PREROUTING"].rules]
    direct, assumed = _direct(host, version, daemon, lambda address: any(
        f"daddr {address} " in text and "drop" in text for text in raw))
    return Ways("native", version, families, proxy, direct, daemon, assumed)


# ---- iptables -------------------------------------------------------------------------------------------------------


def _iptables(host: Host, version: Version, daemon: Daemon) -> Ways:
    nats = [table for table in host.ruleset.tables
            if table.backend != "native" and table.name == "nat" and "DOCKER" in table.chains]
    backends = {table.backend for table in nats if table.family == "ip"}
    if len(backends) > 1:
        raise PreviewError("Docker's chains are in both iptables-nft and iptables-legacy; which of them it writes to "
                           "cannot be seen", "Remove those of the one that is not in use, and ask again.")
    if not backends:
        return _without_rules(host, version, daemon)
    backend = backends.pop()
    nat = {table.family: table for table in nats if table.backend == backend}
    families = frozenset(family for family, name in _FAMILIES.items() if name in nat)
    output = [rule.text for rule in nat["ip"].chains.get("OUTPUT", Chain("OUTPUT", ())).rules
              if "-j DOCKER" in rule.text]
    if not output:
        raise PreviewError("nat OUTPUT does not jump to DOCKER: somebody took the engine's rules away", _RESTART)
    ways = Ways("nft" if backend == "nft" else "legacy", version, families, any(_LOOPBACK in text for text in output),
                "none")
    _need_chains(host.ruleset.tables, ways)
    raw = [rule.text for table in host.ruleset.tables
           if (table.backend, table.family, table.name) == (backend, "ip", "raw")
           for rule in table.chains.get("PREROUTING", Chain("PREROUTING", ())).rules]
    direct, assumed = _direct(host, version, daemon, lambda address: any(
        f"-d {address}/32 ! -i " in text and text.endswith("-j DROP") for text in raw))
    return Ways(ways.backend, version, families, ways.proxy, direct, daemon, assumed)


def _need_chains(tables: Iterable[Table], ways: Ways) -> None:
    for family in sorted(ways.families):
        filters = [table for table in tables if (table.backend, table.family, table.name)
                   == (ways.backend, _FAMILIES[family], "filter")]
        there = filters[0].chains if filters else {}
        lacking = [chain for chain in _NEEDED[ways.generation] if chain not in there
                   # 20.10 has no DOCKER-USER for IPv6
                   and not (chain == "DOCKER-USER" and family == 6 and ways.version < (23, 0, 0))]
        if lacking:
            raise PreviewError(f"filter has no chain {lacking[0]} for IPv{family}, which this engine writes to",
                               _RESTART)


def _without_rules(host: Host, version: Version, daemon: Daemon) -> Ways:
    """``"iptables": false``: docker-proxy carries everything, or, without it, nothing does. Which of them shows in who
    holds the published ports, and, where there is none, in route_localnet, which the engine sets without docker-proxy
    (setup_ipv4_linux.go)."""
    if daemon.known and daemon.iptables:
        raise PreviewError("the engine should have rules here and has none: somebody took them away", _RESTART)
    if daemon.known:
        return Ways("none", version, frozenset(), daemon.proxy, "none", daemon)
    assumed = ("the engine has no rules here, so it is taken to run with \"iptables\": false",)
    owners = {socket.owner for socket in host.sockets or () if socket.owner in ("docker-proxy", "dockerd")}
    published = any(container.running and container.published for container in host.engine.containers)
    if published and owners:
        return Ways("none", version, frozenset(), "docker-proxy" in owners, "none", daemon, assumed)
    if host.setting("net.ipv4.conf.docker0.route_localnet") != 0:
        raise PreviewError("the engine has no rules here, and whether docker-proxy is on cannot be seen",
                           "Start one container that publishes a port, and ask again.")
    return Ways("none", version, frozenset(), True, "none", daemon, assumed)


def _direct(host: Host, version: Version, daemon: Daemon, is_kept: _Kept) -> tuple[
        Literal["address", "port", "none"], tuple[str, ...]]:
    """Whether containers' own addresses are kept from others (allow-direct-routing, DOCKER_INSECURE_NO_IPTABLES_RAW):
    seen on the containers that run."""
    if version < (28, 0, 0):
        return "none", ()
    usual: Literal["address", "port"] = "address" if version >= (28, 2, 0) else "port"
    plain = {network.name for network in host.engine.networks
             if network.driver == "bridge" and not network.internal and network.gateway_mode4 in ("", "nat")}
    seen = [is_kept(format_address(4, point.address))
            for container in host.engine.containers if container.running
            and (usual == "address" or any(port.host_port for port in container.published))
            for point in container.endpoints if point.network in plain and point.address is not None]
    if not seen and daemon.known:
        return "none" if daemon.direct else usual, ()
    if not seen:
        return usual, ("no container that runs shows whether direct routing is allowed; it is taken not to be, as it "
                       "is by default",)
    return usual if any(seen) else "none", ()
