"""A recorded host rebuilt, without Docker and without ufw, so that packets can be sent to it again.

Namespaces, bridges, addresses, settings and listeners are made from the snapshot's JSON, and its rules are loaded by
the tools they came from; so what becomes of a packet is the kernel's own word. It takes half a second, and is how a
change of rules is proved on many hosts (docs/testing.md). Needs root, no container engine.

What is not rebuilt: networks that are no bridges (macvlan), and what was counted before (ufw limit).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from captures import Case
from dockerd import bridge_of
from machine import HERE, LAN, PUB, PYTHON, join
from netns import Namespace
from probes import Outcome

BUILTIN = frozenset({"filter", "nat", "mangle", "raw", "security"})
"""Tables that iptables-nft keeps; the rest of a ruleset is native nft."""

_TIMEOUT = 0.6
_MACHINE = "host"
_ROUTES = ("route add default via 203.0.113.50", "route add ::/0 via 2001:db8:1::50",
           "route add 10.77.0.0/24 via 192.168.50.20")
_ORDER = {"table": 0, "chain": 1, "set": 2, "map": 3}
_NO_DAD = {"net/ipv6/conf/all/disable_ipv6": "0", "net/ipv6/conf/default/disable_ipv6": "0",
           "net/ipv6/conf/default/dad_transmits": "0", "net/ipv6/conf/default/accept_dad": "0"}


class Replay:
    """The rebuilt host. ``spaces``: a namespace for ``host``, pub, lan, and each container by its name.

    Raises netns.LoadError where a rule tool of this machine cannot read what a newer one has written.
    """

    def __init__(self, case: Case) -> None:
        self.spaces: dict[str, Namespace] = {}
        self._children: list[subprocess.Popen[str]] = []
        running = {each["Name"].lstrip("/"): each for each in case.json("docker/containers.json")
                   if each["State"]["Running"]}
        self._on_host = {name for name, each in running.items() if each["HostConfig"]["NetworkMode"] == "host"}
        self._containers = {name: each for name, each in running.items() if name not in self._on_host}
        try:
            for name in (_MACHINE, PUB.name, LAN.name, *self._containers):
                self.spaces[name] = Namespace()
            self._build(case)
            self._load(case)
            self._serve(case)
        except BaseException:
            self.close()
            raise

    @property
    def host(self) -> Namespace:
        """The machine's own namespace: rules that are loaded there count."""
        return self.spaces[_MACHINE]

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let everything go."""
        for child in self._children:
            child.kill()
        for child in self._children:
            child.communicate()
        for space in self.spaces.values():
            space.close()

    def fire(self, probes: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Fire recorded probes all at once."""
        places: dict[str, list[int]] = {}
        for number, probe in enumerate(probes):
            places.setdefault(probe["from"], []).append(number)
        shooters = {}
        for place, numbers in places.items():
            questions = [{"src": probes[each].get("src"), "dst": probes[each]["dst"], "port": probes[each]["dport"],
                          "proto": probes[each]["proto"]} for each in numbers]
            shooter = self._spawn(place, "probe.py", str(_TIMEOUT), stdin=subprocess.PIPE)
            assert shooter.stdin is not None
            with shooter.stdin as stream:
                json.dump(questions, stream)
            shooter.stdin = None
            shooters[place] = shooter
        outcomes: dict[int, Outcome] = {}
        for place, shooter in shooters.items():
            said = json.loads(shooter.communicate()[0])
            outcomes.update(zip(places[place], (Outcome(**each) for each in said), strict=True))
        return [outcomes[number] for number in range(len(probes))]

    def _spawn(self, place: str, program: str, *arguments: str,
               stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        with self.spaces[place].inside():
            return subprocess.Popen([PYTHON, "-S", "-E", str(HERE / "share" / program), *arguments], stdin=stdin,
                                    stdout=subprocess.PIPE, text=True)

    # ---- links, addresses, settings -----------------------------------------------------------------------------

    def _build(self, case: Case) -> None:
        for key, value in _NO_DAD.items():
            self.host.write(key, value)
        links = case.json("net/link.json")
        bridges = {each["ifname"] for each in links if each.get("linkinfo", {}).get("info_kind") == "bridge"}
        lines = ["link set lo up", *(f"link add {name} type bridge" for name in sorted(bridges))]
        lines += [f"link add {outside.iif} type veth peer name eth0 netns {self._path(outside.name)}"
                  for outside in (PUB, LAN)]
        for each in case.json("net/addr.json"):
            if each["ifname"] in bridges | {PUB.iif, LAN.iif}:
                lines += [f"addr add {a['local']}/{a['prefixlen']} dev {each['ifname']}{_nodad(a['local'])}"
                          for a in each["addr_info"] if a["scope"] != "link" or a["local"] == "fe80::1"]
                lines.append(f"link set {each['ifname']} up")
        names = {each["Name"]: bridge_of(each) for each in case.json("docker/networks.json")}
        ports = {each["master"]: each["linkinfo"]["info_slave_data"] for each in links if each.get("master") in bridges}
        inside: dict[str, list[str]] = {}
        for name, container in self._containers.items():
            ends = [(names.get(network, ""), end)
                    for network, end in sorted(container["NetworkSettings"]["Networks"].items())]
            # what Docker said last of a container that has ended since is not so: its bridge has no port any more
            ends = [(bridge, end) for bridge, end in ends if bridge in ports]
            for number, (bridge, _) in enumerate(ends):
                veth, flags = f"v{len(lines)}", ports[bridge]
                lines += [f"link add {veth} type veth peer name eth{number} netns {self._path(name)}",
                          f"link set {veth} master {bridge} up",
                          f"link set {veth} type bridge_slave hairpin {_switch(flags['hairpin'])}"
                          f" isolated {_switch(flags['isolated'])}"]
            inside[name] = list(_inside(end for _, end in ends))
        _ip(self.host, lines)
        for outside in (PUB, LAN):
            join(self.spaces[outside.name], outside)
        _ip(self.host, _ROUTES)
        for name, container_lines in inside.items():
            _ip(self.spaces[name], container_lines)
        self._set(case.text("sysctl"))

    def _path(self, name: str) -> str:
        return f"/proc/{os.getpid()}/fd/{self.spaces[name].fd}"

    def _set(self, settings: str) -> None:
        with self.host.inside():
            for line in settings.splitlines():
                key, _, value = line.partition(" = ")
                try:
                    with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="ascii") as stream:
                        stream.write(value)
                except OSError:  # of an interface that has another name here, or of this machine as a whole
                    continue

    # ---- rules --------------------------------------------------------------------------------------------------

    def _load(self, case: Case) -> None:
        if case.text("ipset/save"):
            self.host.run(["ipset", "restore"], case.text("ipset/save"))
        for tool, version in (("iptables", 4), ("ip6tables", 6)):
            for backend in ("nft", "legacy"):
                text = case.text(f"iptables/{backend}.v{version}")
                if "*" in text:
                    self.host.run([f"{tool}-{backend}-restore"], text)
        objects = [each for each in (case.json("nft/ruleset.json") or {"nftables": []})["nftables"] if _is_native(each)]
        if objects:
            objects.sort(key=lambda each: _ORDER.get(next(iter(each)), len(_ORDER)))
            self.host.run(["nft", "-j", "-f", "-"], json.dumps({"nftables": objects}))

    # ---- listeners ----------------------------------------------------------------------------------------------

    def _serve(self, case: Case) -> None:
        listeners = case.json("docker/listeners.json") or {}
        served = []
        taken = set()
        for name, sockets in listeners.items():
            specs = [f"{each['proto']}:{each['port']}:{each['address']}" for each in sockets]
            if name in self._on_host:
                taken.update(specs)
            if specs and (name in self._on_host or name in self._containers):
                place = _MACHINE if name in self._on_host else name
                served.append(self._spawn(place, "svc.py", name, *specs))
        own, proxies = [], []
        for each in case.json("sockets/owners.json"):
            address, _, port = each["local"].rpartition(":")
            address = address.strip("[]").partition("%")[0]
            if each["comm"] == "docker-proxy":
                proxies += self._proxy(each["proto"], address, int(port))
            elif each["comm"].startswith("python3") and f"{each['proto']}:{port}:{address}" not in taken:
                own.append(f"{each['proto']}:{port}:{address}")
        if own:
            served.append(self._spawn(_MACHINE, "svc.py", "HOST", *own))
        if proxies:
            served.append(self._spawn(_MACHINE, "relay.py", *proxies))
        for child in served:
            self._children.append(child)
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n", child.args

    def _proxy(self, proto: str, address: str, port: int) -> list[str]:
        """Where docker-proxy passes on what comes to a host port: for IPv6 to the container's IPv6, if it has any."""
        for container in self._containers.values():
            ends = container["NetworkSettings"]["Networks"].values()
            inner4 = next((end["IPAddress"] for end in ends if end.get("IPAddress")), "")
            inner6 = next((end["GlobalIPv6Address"] for end in ends if end.get("GlobalIPv6Address")), "")
            for key, bindings in (container["NetworkSettings"].get("Ports") or {}).items():
                inner_port, _, inner_proto = key.partition("/")
                for binding in bindings or ():
                    if (inner_proto, binding["HostPort"]) == (proto, str(port)) and binding["HostIp"] in ("", address):
                        to = inner6 if ":" in address and inner6 else inner4
                        return [f"{proto},{address},{port},{to},{inner_port}"]
        return []


def _ip(space: Namespace, lines: Iterable[str]) -> None:
    space.run(["ip", "-batch", "-"], "\n".join(lines) + "\n")


def _nodad(address: str) -> str:
    return " nodad" if ":" in address else ""


def _switch(value: object) -> str:
    return "on" if value else "off"


def _inside(ends: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A container's addresses, and its routes out: by the first gateway of each family."""
    yield "link set lo up"
    gateways: dict[str, str] = {}
    for number, end in enumerate(ends):
        for key, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen")):
            if end.get(key):
                yield f"addr add {end[key]}/{end[length]} dev eth{number}{_nodad(end[key])}"
        yield f"link set eth{number} up"
        for key, net in (("Gateway", "default"), ("IPv6Gateway", "::/0")):
            if end.get(key):
                gateways.setdefault(net, end[key])
    for net, gateway in gateways.items():
        yield f"route add {net} via {gateway}"


def _is_native(item: dict[str, Any]) -> bool:
    (kind, value), = item.items()
    table = value.get("name") if kind == "table" else value.get("table")
    return kind != "metainfo" and not (value.get("family") in ("ip", "ip6") and table in BUILTIN)
