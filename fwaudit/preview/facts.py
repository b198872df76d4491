"""What else would be there beside rules: the engine's own answers, interfaces, addresses, routes, sysctls and sockets,
in the files of a snapshot.

A file that the snapshot does not have is not made up: what depends on it stays unread, as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fwaudit.errors import PreviewError
from fwaudit.model.preview import Binding, Box, Bridge
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES, TCP
from fwaudit.preview.ways import Ways

Json = dict[str, Any]


class Facts:
    """The files of a snapshot, to be changed in a copy; JSON is written when it is closed."""

    def __init__(self, files: dict[str, bytes], ways: Ways) -> None:
        self.files, self.ways = files, ways
        self._changed: dict[str, Any] = {}

    # ---- the engine's answers ---------------------------------------------------------------------------------------

    def remove(self, names: Iterable[str], bindings: Iterable[Binding]) -> None:
        """Take containers away, and the sockets that were bound for them."""
        gone = set(names)
        self._change("docker/containers.json", lambda found: [each for each in found if _name(each) not in gone])
        for name in ("docker/listeners.json", "docker/compose.json"):  # a new container of the name is another one
            self._change(name, lambda found: {key: value for key, value in found.items() if key not in gone})
        ports = {(each.proto, each.family, each.host_address, each.host_port) for each in bindings}
        for proto, family, address, port in ports:
            self._without_socket(proto, family, address, port)

    def add_network(self, bridge: Bridge) -> None:
        """The engine's own word on a new network, and its bridge on the host."""
        config = [{"Subnet": f"{format_address(pool.family, pool.low)}/{pool.prefix}"} | (
            {"Gateway": format_address(pool.family, pool.gateway)} if pool.gateway is not None else {})
            for pool in bridge.pools]
        options = dict(bridge.options)
        self._change("docker/networks.json", lambda found: [*found, {
            "Id": bridge.id, "Name": bridge.name, "Driver": bridge.driver, "Scope": "local",
            "Internal": bridge.internal, "EnableIPv4": bridge.pool(4) is not None, "EnableIPv6": bridge.ipv6,
            "IPAM": {"Driver": "default", "Config": config}, "Options": options, "Labels": {}, "Containers": {}}])
        if bridge.driver == "bridge":
            self._bridge(bridge)

    def add(self, box: Box, project: str, files: str) -> None:
        """A container as the engine would tell it, its sockets, and the lines of the file that it comes from."""
        ports: dict[str, list[Json]] = {}
        for each in box.bindings:
            ports.setdefault(f"{each.container_port}/{PROTOCOL_NAMES[each.proto]}", []).append({
                "HostIp": format_address(each.family, each.host_address),
                "HostPort": str(each.host_port) if each.host_port else ""})
        exposed: Json = {f"{port}/{PROTOCOL_NAMES[proto]}": {} for proto, port in box.exposed}
        exposed |= {key: {} for key in ports}
        mode = box.mode or (box.seats[0].bridge.name if box.seats else "none")
        self._change("docker/containers.json", lambda found: [*found, {
            "Id": box.id, "Name": f"/{box.name}", "Image": box.image,
            "Config": {"Image": box.image, "ExposedPorts": exposed, "Labels": {
                "com.docker.compose.project": project, "com.docker.compose.service": box.service,
                "com.docker.compose.project.config_files": files}},
            "HostConfig": {"NetworkMode": mode, "PortBindings": ports, "Privileged": box.privileged,
                           "CapAdd": list(box.capabilities)},
            "EnvironmentVerdicts": [{"variable": each.variable, "verdict": each.verdict}
                                    for each in box.weak_credentials],
            "State": {"Running": True, "Status": "running", "Pid": 0},
            "NetworkSettings": {"Ports": ports, "Networks": dict(_networks(box, self.ways))}}])
        for seat in box.seats:
            if seat.bridge.driver == "bridge":
                self._veth(box, seat.bridge)
        if box.bindings:
            lines = [{"proto": PROTOCOL_NAMES[each.proto], "port": each.container_port, "file": each.mark.file,
                      "line": each.mark.line} for each in box.bindings if each.mark.line]
            self._change("docker/compose.json", lambda found: {**found, box.name: lines}, {})
        for each in box.bindings:
            if each.host_port:
                self._socket(each, box.name)

    # ---- the host's own ---------------------------------------------------------------------------------------------

    def _link(self, name: str) -> Json:
        """What ``ip link`` and ``ip addr`` both say of a new interface."""
        used = [each.get("ifindex") for each in self._json("net/link.json", []) if isinstance(each, dict)]
        index = 1 + max((each for each in used if isinstance(each, int)), default=0)
        return {"ifindex": index, "ifname": name, "operstate": "UP", "link_type": "ether", "group": "default",
                "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]}

    def _veth(self, box: Box, bridge: Bridge) -> None:
        """The port of a bridge that a container hangs from."""
        digest = hashlib.sha256(f"{bridge.id}\0{box.id}".encode()).hexdigest()
        common = {**self._link(f"veth{digest[:7]}"), "master": bridge.interface}
        kind = {"info_kind": "veth", "info_slave_kind": "bridge", "info_slave_data": {"hairpin": self.ways.hairpin}}
        self._change("net/link.json", lambda found: [*found, {**common, "linkinfo": kind}])
        self._change("net/addr.json", lambda found: [*found, {**common, "addr_info": []}])

    def _bridge(self, bridge: Bridge) -> None:
        common = self._link(bridge.interface)
        self._change("net/link.json", lambda found: [*found, {**common, "linkinfo": {"info_kind": "bridge"}}])
        addresses = [{"family": "inet" if pool.family == 4 else "inet6", "prefixlen": pool.prefix, "scope": "global",
                      "local": format_address(pool.family, pool.gateway or pool.low + 1)} for pool in bridge.pools]
        self._change("net/addr.json", lambda found: [*found, {**common, "addr_info": addresses}])
        for pool in bridge.pools:
            gateway = format_address(pool.family, pool.gateway or pool.low + 1)
            device = {"dev": bridge.interface, "flags": []}
            routes = [{"dst": f"{format_address(pool.family, pool.low)}/{pool.prefix}", "scope": "link",
                       "prefsrc": gateway, **device},
                      {"type": "local", "dst": gateway, "table": "local", "scope": "host", **device}]
            if pool.family == 4:
                last = pool.low + (1 << (32 - pool.prefix)) - 1
                routes.append({"type": "broadcast", "dst": format_address(4, last), "table": "local", "scope": "link",
                               **device})
            self._add_all(f"net/route.v{pool.family}.json", routes)
        self._sysctls(bridge)

    def _add_all(self, name: str, more: list[Json]) -> None:
        self._change(name, lambda found: [*found, *more])

    def _sysctls(self, bridge: Bridge) -> None:
        """A new interface has the defaults; what the engine sets itself comes behind them."""
        lines = self._text("sysctl").splitlines()
        settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
        for family in ("ipv4", "ipv6"):
            prefix = f"net.{family}.conf.default."
            for key, value in list(settings.items()):
                if key.startswith(prefix):
                    settings[f"net.{family}.conf.{bridge.interface}.{key.removeprefix(prefix)}"] = value
        if self.ways.hairpin:
            settings[f"net.ipv4.conf.{bridge.interface}.route_localnet"] = "1"
        if not bridge.flag("enable_icc") and self.ways.backend != "none":
            for key in ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"):
                settings[key] = "1"
        self._set(settings)

    def forwards_ipv6(self) -> bool:
        """Whether the host forwards IPv6 already."""
        return "net.ipv6.conf.all.forwarding = 1" in self._text("sysctl").splitlines()

    def forward_ipv6(self) -> None:
        """The engine switches it on with its first IPv6 network (setup_ip_forwarding.go)."""
        settings = dict(line.split(" = ", 1) for line in self._text("sysctl").splitlines() if " = " in line)
        for key in settings:
            if key.startswith("net.ipv6.conf.") and key.endswith(".forwarding"):
                settings[key] = "1"
        self._set(settings)

    def wake(self, bridge: Bridge) -> None:
        """A bridge has its link, and its routes count, once a container is on it."""
        def up(found: Any) -> Any:
            for each in found:
                if isinstance(each, dict) and each.get("ifname") == bridge.interface:
                    each["flags"] = [*(flag for flag in each.get("flags") or () if flag not in (
                        "NO-CARRIER", "LOWER_UP")), "LOWER_UP"]
                    each["operstate"] = "UP"
            return found

        def live(found: Any) -> Any:
            for each in found:
                if isinstance(each, dict) and each.get("dev") == bridge.interface:
                    each["flags"] = [flag for flag in each.get("flags") or () if flag not in ("linkdown", "dead")]
            return found

        for name in ("net/link.json", "net/addr.json"):
            self._change(name, up)
        for name in ("net/route.v4.json", "net/route.v6.json"):
            self._change(name, live)

    def _socket(self, each: Binding, container: str) -> None:
        """Who holds the port: docker-proxy, which carries it as well, or dockerd, which only keeps others from it."""
        table = f"sockets/{'tcp' if each.proto == TCP else 'udp'}{'' if each.family == 4 else '6'}"
        if PROTOCOL_NAMES[each.proto] not in ("tcp", "udp") or table not in self.files:
            return
        state = "0A" if each.proto == TCP else "07"
        zero = "0" * (8 if each.family == 4 else 32)
        line = (f"   0: {_hex(each.family, each.host_address)}:{each.host_port:04X} {zero}:0000 {state} "
                "00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 100 0 0 10 0\n")
        self.files[table] = self.files[table].rstrip(b"\n") + b"\n" + line.encode()
        local = format_address(each.family, each.host_address)
        owner: Json = {"proto": PROTOCOL_NAMES[each.proto], "pid": 0,
                       "local": f"[{local}]:{each.host_port}" if each.family == 6 else f"{local}:{each.host_port}",
                       "comm": "docker-proxy" if self.ways.proxy else "dockerd"}
        if self.ways.proxy:
            owner["argv"] = ["-proto", PROTOCOL_NAMES[each.proto], "-host-ip", local, "-host-port", str(each.host_port),
                             "-container-ip", format_address(*each.to), "-container-port", str(each.container_port)]
        self._change("sockets/owners.json", lambda found: [*found, owner], [])

    def _without_socket(self, proto: int, family: int, address: int, port: int) -> None:
        table = f"sockets/{'tcp' if proto == TCP else 'udp'}{'' if family == 4 else '6'}"
        word = f"{_hex(family, address)}:{port:04X}"
        lines = self._text(table).splitlines(keepends=True)
        kept = [line for line in lines if line.split()[1:2] != [word] or line.split()[3:4] not in (["0A"], ["07"])]
        if table in self.files:
            self.files[table] = "".join(kept).encode("utf-8", "surrogateescape")

    # ---- files ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what was changed."""
        for name, value in self._changed.items():
            self.files[name] = json.dumps(value).encode()
        self._changed.clear()

    def _json(self, name: str, otherwise: Any) -> Any:
        if name in self._changed:
            return self._changed[name]
        try:
            return json.loads(self.files[name]) if name in self.files else otherwise
        except (ValueError, RecursionError):
            raise PreviewError(f"{name} of the snapshot does not read", "Take the snapshot again.") from None

    def _change(self, name: str, change: Callable[[Any], Any], otherwise: Any = None) -> None:
        """Change a file, if the snapshot has it; with ``otherwise``, also where not."""
        if name in self.files or otherwise is not None:
            found = self._json(name, otherwise)
            try:
                self._changed[name] = change(found)
            except (TypeError, AttributeError):
                raise PreviewError(f"{name} of the snapshot is not what it should be", "Take the snapshot again.") \
                    from None

    def _text(self, name: str) -> str:
        return self.files.get(name, b"").decode("utf-8", "surrogateescape")

    def _set(self, settings: dict[str, str]) -> None:
        if "sysctl" in self.files:
            self.files["sysctl"] = "".join(f"{key} = {value}\n" for key, value in settings.items()).encode(
                "utf-8", "surrogateescape")


def _name(container: Any) -> str:
    return str(container.get("Name", "")).removeprefix("/") if isinstance(container, dict) else ""


def _networks(box: Box, ways: Ways) -> Iterator[tuple[str, Json]]:
    """On an internal network, a container has a gateway up to 25 (ran: 20.10 and 24 have it, 26 has not)."""
    for seat in box.seats:
        found: Json = {}
        for family, address, length, gateway in ((4, "IPAddress", "IPPrefixLen", "Gateway"),
                                                 (6, "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway")):
            own, pool = seat.address(family), seat.bridge.pool(family)
            there = own is not None and pool is not None
            found[address] = format_address(family, own) if own is not None and there else ""
            found[length] = pool.prefix if pool is not None and there else 0
            leads_out = pool is not None and pool.gateway is not None and there and (
                family == 6 or not seat.bridge.internal or ways.version < (26, 0, 0))
            found[gateway] = format_address(family, pool.gateway) if pool is not None and pool.gateway is not None \
                and leads_out else ""
        yield seat.bridge.name, found


def _hex(family: int, address: int) -> str:
    """An address as ``/proc/net`` prints it: words of 32 bits, each in the byte order of the machine."""
    raw = address.to_bytes(4 if family == 4 else 16, "big")
    return "".join(raw[at:at + 4][::-1].hex().upper() for at in range(0, len(raw), 4))
