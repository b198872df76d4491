"""The machine's Docker Engine: the daemon, and its API over the unix socket (no client program, no package)."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from machine import Machine

_PATIENCE = 60.0
_SERVER = ("/usr/bin/python3", "-S", "-E", "/lab/svc.py")
_TENTATIVE = 0x40
_PUBLISH = re.compile(r"(?:(\[[^]]+\]|[\d.]+):)?(\d+(?:-\d+)?)?:(\d+(?:-\d+)?)(?:/(tcp|udp))?")


class ApiError(RuntimeError):
    """The engine refused a request; the text is its own."""


@dataclass(frozen=True)
class Attachment:
    """A container's place in a network: the bridge on the machine (empty: none), and its addresses there."""

    bridge: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Container:
    """A running container. ``pid``: of its first process, as the machine counts. ``listens``: (protocol, port)."""

    name: str
    pid: int
    host_network: bool
    listens: tuple[tuple[str, int], ...]
    published: tuple[tuple[str, int, int], ...]
    attachments: tuple[Attachment, ...]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Dockerd:
    """The daemon of one machine. Images are not pulled: a container's /usr is the machine's own, mounted."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._daemon: subprocess.Popen[str] | None = None
        self._has_image = False
        self._listens: dict[str, tuple[tuple[str, int], ...]] = {}

    def start(self, *arguments: str) -> None:
        """Start the daemon, and wait until it answers."""
        log = self._machine.root / "run/dockerd.log"
        with log.open("a") as stream:
            # a cgroup parent of its own, so that what a killed engine leaves behind can be told and taken away
            daemon = self._machine.spawn("dockerd", "-H", "unix:///run/docker.sock", "--cgroup-parent",
                                         f"/{self._machine.name}", *arguments, stdout=stream)
        self._daemon = daemon
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert daemon.poll() is None and time.monotonic() < deadline, "no dockerd: " + log.read_text()[-3000:]
            time.sleep(0.02)
        if not self._has_image:
            self._request("POST", "/images/create?fromSrc=-&repo=lab&tag=1", _image(), "application/x-tar")
            self._has_image = True

    @property
    def major(self) -> int:
        """The engine's major version."""
        version: str = self.api("GET", "/version")["Version"]
        return int(version.partition(".")[0])

    def stop(self) -> None:
        """Stop the daemon as `systemctl stop docker` does: containers end, too."""
        assert self._daemon is not None
        self._machine.sh("kill -TERM $(cat /run/docker.pid)")
        self._daemon.wait(_PATIENCE)

    def kill(self) -> None:
        """Kill the daemon alone; containers and rules stay."""
        assert self._daemon is not None
        self._machine.sh("kill -KILL $(cat /run/docker.pid); rm -f /run/docker.pid")
        self._daemon.wait(_PATIENCE)

    def network(self, name: str, *subnets: str, **options: Any) -> None:
        """Create a bridge network; ``options`` are the API's own (EnableIPv6, Internal, Options)."""
        body: dict[str, Any] = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, **options}
        if subnets:
            body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": each} for each in subnets]}
        self.api("POST", "/networks/create", body)

    def run(self, name: str, *publish: str, listen: Sequence[str] = (), network: str = "", image: str = "lab:1",
            env: Sequence[str] = (), labels: Mapping[str, str] | None = None, also: Sequence[str] = (),
            **host_config: Any) -> None:
        """``docker run -d --name NAME -p PUBLISH…``; its server answers on every published port, and on ``listen``
        (``tcp:9200``). ``image``: a name given to the lab's own. ``also``: more networks, connected before it
        starts."""
        if image != "lab:1":
            repository, _, tag = image.partition(":")
            self.api("POST", f"/images/lab:1/tag?repo={repository}&tag={tag}")
        bindings, served = _bindings(publish)
        served += [each for each in listen if each not in served]
        config = {"PortBindings": bindings, "Binds": ["/usr:/usr:ro", "/lab:/lab:ro"], **host_config}
        if network:
            config["NetworkMode"] = network
        self.api("POST", f"/containers/create?name={name}", {
            "Image": image, "Cmd": [*_SERVER, name, *served], "Hostname": name, "Env": [*env],
            "Labels": {**(labels or {})}, "ExposedPorts": {port: {} for port in bindings}, "HostConfig": config})
        for each in also:
            self.api("POST", f"/networks/{each}/connect", {"Container": name})
        self._listens[name] = tuple((each.split(":")[0], int(each.split(":")[1])) for each in served)
        self.start_container(name)

    def start_container(self, name: str) -> None:
        """Start a container, and wait until it serves and its IPv6 addresses may be used."""
        self.api("POST", f"/containers/{name}/start")
        pid = self.api("GET", f"/containers/{name}/json")["State"]["Pid"]
        net = self._machine.root / f"proc/{pid}/net"
        deadline = time.monotonic() + _PATIENCE
        while not (_serves(net, self._listens[name]) and not _tentative(net)):
            assert time.monotonic() < deadline, f"{name} does not serve"
            time.sleep(0.02)

    def containers(self) -> list[Container]:
        """The containers that run, by name. Empty where the daemon is not there."""
        if not self._answers():
            return []
        bridges = {each["Name"]: bridge_of(each) for each in self.api("GET", "/networks")}
        found = []
        for each in self.api("GET", "/containers/json"):
            detail = self.api("GET", f"/containers/{each['Id']}/json")
            name = detail["Name"].lstrip("/")
            published = {(port.partition("/")[2], int(binding["HostPort"]), int(port.partition("/")[0]))
                         for port, all_bindings in (detail["NetworkSettings"].get("Ports") or {}).items()
                         for binding in all_bindings or () if binding["HostPort"]}
            attachments = tuple(
                Attachment(bridges.get(network, ""), tuple(filter(None, (end["IPAddress"], end["GlobalIPv6Address"]))))
                for network, end in sorted(detail["NetworkSettings"]["Networks"].items()))
            found.append(Container(name, detail["State"]["Pid"], detail["HostConfig"]["NetworkMode"] == "host",
                                   self._listens[name], tuple(sorted(published)), attachments))
        return sorted(found, key=lambda container: container.name)

    def gateways(self) -> list[str]:
        """The machine's own addresses on its bridges."""
        links = json.loads(self._machine.run("ip", "-j", "addr", "show", "type", "bridge").stdout or "[]")
        return [each["local"] for link in links for each in link.get("addr_info", ()) if each["scope"] == "global"]

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; what it answers. Raises ApiError where the engine refuses, OSError where there is none."""
        said = self._request(method, path, b"" if body is None else json.dumps(body).encode(), "application/json")
        return json.loads(said) if said.startswith((b"{", b"[")) else None

    def _request(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        connection = _UnixConnection(str(self._machine.root / "run/docker.sock"))
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(f"{method} {path}: {response.status} {data[:500].decode(errors='replace')}")
        return data

    def _answers(self) -> bool:
        try:
            self.api("GET", "/_ping")
        except (OSError, http.client.HTTPException):
            return False
        return True


def _bindings(publish: Sequence[str]) -> tuple[dict[str, list[dict[str, str]]], list[str]]:
    """Docker's -p: (the API's PortBindings, what the container has to serve)."""
    bindings: dict[str, list[dict[str, str]]] = {}
    served: list[str] = []
    for spec in publish:
        found = _PUBLISH.fullmatch(spec)
        assert found is not None, spec
        address, host, inner, proto = found.groups()
        inside = _ports(inner)
        for number, port in enumerate(inside):
            outer = str(_ports(host)[number]) if host else ""
            key = f"{port}/{proto or 'tcp'}"
            bindings.setdefault(key, []).append({"HostIp": (address or "").strip("[]"), "HostPort": outer})
            if f"{proto or 'tcp'}:{port}" not in served:
                served.append(f"{proto or 'tcp'}:{port}")
    return bindings, served


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def bridge_of(network: Mapping[str, Any]) -> str:
    """The bridge of a network, as the API shows it; empty where it has none."""
    if network["Driver"] != "bridge":
        return ""
    name: str = (network.get("Options") or {}).get("com.docker.network.bridge.name", f"br-{network['Id'][:12]}")
    return name


def _image() -> bytes:
    """An empty root with the links and mount points that a program needs to find /usr."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("usr", "lab", "tmp", "etc", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name in ("bin", "sbin", "lib", "lib64"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(link)
    return packed.getvalue()


def _serves(net: Path, listens: Sequence[tuple[str, int]]) -> bool:
    sockets = {proto: (net / proto).read_text() + (net / f"{proto}6").read_text() for proto in ("tcp", "udp")}
    return all(f":{port:04X} " in sockets[proto] for proto, port in listens)


def _tentative(net: Path) -> bool:
    try:
        lines = (net / "if_inet6").read_text().splitlines()
    except FileNotFoundError:  # no IPv6 here
        return False
    return any(int(line.split()[4], 16) & _TENTATIVE for line in lines)
