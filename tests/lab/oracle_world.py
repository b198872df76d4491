"""A machine of two network namespaces: rules go into one, frames come from the other, the kernel is the judge.

The method: an nft table of our own stands behind all others on input and postrouting (priority 1000), logs what arrives
and drops it. That is before connection tracking confirms anything, so every packet is the first of its connection and
nobody answers. What never shows up was lost; a REJECT is seen when its answer is about to leave (output, before all
other chains).
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import oracle_frames as frames
from oracle_frames import Packet
from oracle_listing import complete
from oracle_namespace import LoadError, Namespace, one_cpu
from oracle_nflog import QUEUE, Logged, NfLog, flush_conntrack

GROUP = 4711
TABLE = "oracle"
SYNC = "sync0"
BRIDGE = "br-4f1e0c2a9d77"


class Link(NamedTuple):
    """An interface of the machine. ``kind``: bridge, or empty for a plain veth."""

    name: str
    kind: str
    addresses: tuple[str, ...]


LINKS = (
    Link("eth0", "", ("203.0.113.10/24", "203.0.113.11/24", "2001:db8:1::10/64", "2001:db8:1::11/64")),
    Link("eth1", "", ("192.168.50.10/24", "fd00:50::10/64")),
    Link("wg0", "", ("10.8.0.1/24", "fd00:8::1/64")),
    Link("docker0", "bridge", ("172.17.0.1/16", "fd00:17::1/64")),
    Link(BRIDGE, "bridge", ("172.18.0.1/16", "fd00:18::1/64")),
)
ROUTES = (
    "default via 203.0.113.1 dev eth0", "::/0 via 2001:db8:1::1 dev eth0",
    "10.77.0.0/24 via 192.168.50.20 dev eth1", "fd00:77::/64 via fd00:50::20 dev eth1",
    "blackhole 10.99.0.0/16", "unreachable 10.98.0.0/16", "prohibit fd00:98::/64",
)
SYSCTL = {
    "net/ipv4/icmp_ratelimit": "0", "net/ipv4/icmp_ratemask": "0", "net/ipv4/icmp_msgs_per_sec": "1000000000",
    "net/ipv4/icmp_msgs_burst": "1000000000", "net/ipv6/icmp/ratelimit": "0", "net/ipv4/icmp_echo_ignore_all": "0",
    "net/ipv4/conf/all/log_martians": "0", "net/ipv4/conf/default/log_martians": "0",
    "net/ipv6/conf/default/dad_transmits": "0", "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0", "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/all/disable_ipv6": "0", "net/ipv6/conf/default/disable_ipv6": "0",
}
"""Set before the interfaces are made."""


def defaults(links: Sequence[Link]) -> dict[str, str]:
    """What a case may change; set anew for each."""
    return {
        "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1",
        # with br_netfilter, a RST for a frame of a bridge leaves by its port, past all hooks (nf_reject_ipv4.c)
        "net/bridge/bridge-nf-call-iptables": "0", "net/bridge/bridge-nf-call-ip6tables": "0",
        **{f"net/ipv4/conf/{name}/{key}": "0"
           for name in ("all", "default", *(link.name for link in links))
           for key in ("rp_filter", "route_localnet", "accept_local", "src_valid_mark", "send_redirects",
                       "log_martians", "bc_forwarding")},
    }


OBSERVE = f"""
table inet {TABLE} {{
  chain first {{ type filter hook prerouting priority -2000; policy accept;
    iifname "{SYNC}" log prefix "S" group {GROUP} drop
  }}
  chain answers {{ type filter hook output priority -2000; policy accept;
    icmp type {{ destination-unreachable, time-exceeded, parameter-problem, redirect }} log prefix "R" group {GROUP} drop
    icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-redirect }} log prefix "R" group {GROUP} drop
    tcp flags & rst == rst log prefix "R" group {GROUP} drop
  }}
  chain arrived {{ type filter hook input priority 1000; policy accept;
    log prefix "A" group {GROUP} drop
  }}
  chain left {{ type filter hook postrouting priority 1000; policy accept;
    oifname "lo" accept
    log prefix "A" group {GROUP} drop
  }}
}}
"""  # noqa: E501


class Verdict(NamedTuple):
    """What the kernel did. ``kind``: input (it reached the end of input), out (the end of postrouting), rejected (an
    answer that refuses it was sent), lost. ``src``, ``dst``, ``dport`` are as they are then."""

    kind: str
    oif: str = ""
    src: int = 0
    dst: int = 0
    dport: int = 0
    how: tuple[int, int] = (0, 0)
    sport: int = 0


@dataclass
class Case:
    """A ruleset to load: texts by tool, sysctls (paths below /proc/sys), lines for ``ip -batch``."""

    rules: dict[str, str] = field(default_factory=dict)
    """``nft.v4``, ``nft.v6``, ``legacy.v4``, ``legacy.v6`` (iptables-restore), ``native`` (nft -f), ``native.json``
    (nft -j -f), ``ipset``."""
    sysctl: dict[str, str] = field(default_factory=dict)
    ip: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    routing: dict[int, list[str]] = field(default_factory=dict)
    """By family: lines for ``ip -4 -batch`` or ``ip -6 -batch``, of policy rules and routes that are taken back."""
    families: tuple[int, ...] = ()
    """Of the packets to ask about; empty: those that ``rules`` name."""

    def loading(self) -> list[str]:
        """The names of ``rules`` in the order of loading; sets come first."""
        names = [*self.order, *(name for name in self.rules if name not in self.order)]
        return sorted((name for name in names if name in self.rules), key=lambda name: name != "ipset")


_RESTORE = {
    "ipset": ("ipset", "restore"), "native": ("nft", "-f", "-"), "native.json": ("nft", "-j", "-f", "-"),
    "nft.v4": ("iptables-nft-restore",), "nft.v6": ("ip6tables-nft-restore",),
    "legacy.v4": ("iptables-legacy-restore",), "legacy.v6": ("ip6tables-legacy-restore",),
}
_SAVE = {
    "iptables/nft.v4": ("iptables-nft-save", "-c"), "iptables/nft.v6": ("ip6tables-nft-save", "-c"),
    "iptables/legacy.v4": ("iptables-legacy-save", "-c"), "iptables/legacy.v6": ("ip6tables-legacy-save", "-c"),
    "ipset/save": ("ipset", "save"),
}
_NET = {
    "net/link.json": ("ip", "-j", "-d", "link"), "net/addr.json": ("ip", "-j", "addr"),
    "net/route.v4.json": ("ip", "-j", "-4", "route", "show", "table", "all"),
    "net/route.v6.json": ("ip", "-j", "-6", "route", "show", "table", "all"),
    "net/rule.v4.json": ("ip", "-j", "-4", "rule"), "net/rule.v6.json": ("ip", "-j", "-6", "rule"),
}
_SYSCTL_KEYS = (
    "net/ipv4/ip_forward", "net/ipv6/conf/*/forwarding", "net/ipv6/conf/*/force_forwarding",
    *(f"net/ipv4/conf/*/{key}" for key in
      ("rp_filter", "route_localnet", "forwarding", "accept_local", "src_valid_mark", "bc_forwarding")),
    "net/bridge/bridge-nf-*",
)
_EMPTY_LEGACY = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains.split()) + "COMMIT\n"
    for table, chains in (
        ("raw", "PREROUTING OUTPUT"), ("mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"),
        ("nat", "PREROUTING INPUT OUTPUT POSTROUTING"), ("filter", "INPUT FORWARD OUTPUT"),
        ("security", "INPUT FORWARD OUTPUT")))


POLICY_TABLES = ("100", "101", "102")
"""The routing tables that a case may fill."""
_USUAL_RULES = {4: ("rule add pref 32766 lookup main", "rule add pref 32767 lookup default"),
                6: ("rule add pref 32766 lookup main",)}


class World:
    """The machine and the far ends of its wires. One at a time a case is loaded."""

    def __init__(self, links: Sequence[Link] = LINKS, routes: Sequence[str] = ROUTES) -> None:
        self.machine = Namespace()
        self.far = Namespace()
        self._link_plan, self._routes = links, routes
        self._sockets: dict[str, socket.socket] = {}
        self.tag = 0
        self._legacy = False
        self._ipset = False
        self._routed: set[int] = set()
        self._net: dict[str, bytes] | None = None
        self._changed: dict[str, str] = {}
        self._build()
        self._macs, self.names = self._links()
        self._sender = b"\x02\x00\x00\x00\x00\x99"
        self.broadcast = {link.name: frozenset(
            int(ipaddress.ip_interface(address).network.broadcast_address)
            for address in link.addresses if ":" not in address) for link in links}
        with self.machine.inside():
            self.log = NfLog(GROUP)
            self._raw = {
                4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW),
            }

    def _build(self) -> None:
        for key, value in SYSCTL.items():
            self.machine.write(key, value)
        self.far.write("net/ipv6/conf/default/disable_ipv6", "1")
        far = f"/proc/{os.getpid()}/fd/{self.far.fd}"
        lines = ["link set lo up"]
        for number, link in enumerate((*self._link_plan, Link(SYNC, "", ())), 1):
            near = f"p-{link.name}"[:15] if link.kind else link.name
            if link.kind:
                lines += [f"link add {link.name} address 02:00:00:00:01:{number:02x} type {link.kind}"]
            lines += [f"link add {near} address 02:00:00:00:00:{number:02x} arp off "
                      f"type veth peer name {link.name} netns {far}"]
            if link.kind:
                lines += [f"link set {near} master {link.name} up", f"link set {link.name} up"]
            else:
                lines += [f"link set {near} arp off up"]
            lines += [f"addr add {address} dev {link.name}" + (" nodad" if ":" in address else "")
                      for address in link.addresses]
        lines += [f"route add {route}" for route in self._routes]
        self.far.run(["ip", "link", "set", "lo", "up"])
        self.machine.run(["ip", "-batch", "-"], "\n".join(lines[:]) + "\n")
        names = [link.name for link in self._link_plan] + [SYNC]
        self.far.run(["ip", "-batch", "-"], "".join(f"link set {name} arp off up\n" for name in names))
        with self.far.inside():
            for name in names:
                wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                wire.bind((name, 0))
                self._sockets[name] = wire

    def _links(self) -> tuple[dict[str, bytes], dict[int, str]]:
        links: list[dict[str, Any]] = json.loads(self.machine.run(["ip", "-j", "link"]))
        macs = {link["ifname"]: bytes.fromhex(link["address"].replace(":", "")) for link in links}
        return macs, {link["ifindex"]: link["ifname"] for link in links}

    def close(self) -> None:
        """Take everything down."""
        self.log.close()
        for wire in (*self._sockets.values(), *self._raw.values()):
            wire.close()
        self.machine.close()
        self.far.close()

    # ---- rules ------------------------------------------------------------------------------------------------------

    def load(self, case: Case) -> None:
        """Put a case in force in place of the last one. Raises LoadError where a tool refuses it."""
        self.clear()
        if case.routing or self._routed:
            self._net = None
            self._route(case)
        if case.ip:
            self._net = None
            self.machine.run(["ip", "-batch", "-"], "\n".join(case.ip) + "\n")
        wanted = {**defaults(self._link_plan), **case.sysctl}
        if wanted != self._changed:
            self._net = None
            for key in sorted(wanted, key=lambda key: ("all" in key or "default" in key or "ip_forward" in key, key),
                              reverse=True):
                if self._changed.get(key) != wanted[key] or "forward" in key:
                    self.machine.write(key, wanted[key])
            self._changed = wanted
        for name in case.loading():
            self._legacy |= name.startswith("legacy")
            self._ipset |= name == "ipset"
            self.machine.run(_RESTORE[name], case.rules[name])

    def _route(self, case: Case) -> None:
        """Policy rules and routes of the case in place of the last one's."""
        for family in sorted({*case.routing, *self._routed}):
            ip = ["ip", f"-{family}"]
            self.machine.run([*ip, "rule", "flush"])
            usual = [*_USUAL_RULES[family], *(f"route flush table {table}" for table in POLICY_TABLES)]
            self.machine.run([*ip, "-force", "-batch", "-"], "\n".join(usual) + "\n", check=False)
            self._routed.add(family)
            self.machine.run([*ip, "-batch", "-"], "\n".join(case.routing.get(family, [])) + "\n")
        self._routed = set(case.routing)

    def clear(self) -> None:
        """No rules but those that observe."""
        self.machine.run(["nft", "-f", "-"], "flush ruleset\n" + OBSERVE)
        if self._legacy:
            for tool in ("iptables-legacy-restore", "ip6tables-legacy-restore"):
                text = _EMPTY_LEGACY
                self.machine.run([tool], text)
            self._legacy = False
        if self._ipset:
            self._destroy_sets()
            self._ipset = False

    def _destroy_sets(self) -> None:
        """nftables lets go of the rules of a flushed ruleset, and of the sets that they hold, a little later."""
        self.machine.run(["ipset", "flush"])  # takes lists' members out, which holds these as well
        for attempt in range(100):
            try:
                self.machine.run(["ipset", "destroy"])
                return
            except LoadError:
                if attempt == 99:
                    raise
                time.sleep(0.01)

    def snapshot(self, case: Case) -> dict[str, bytes]:
        """The files of a snapshot of the machine, without the table that observes. Raises LoadError."""
        files: dict[str, bytes] = {}
        for name, argv in _SAVE.items():
            tool = name.split("/")[1].split(".")[0]
            if tool == "legacy" and name.split("/")[1] not in case.rules:
                continue
            if tool == "save" and "ipset" not in case.rules:
                continue
            files[name] = self.machine.run(argv)
        try:
            document = json.loads(self.machine.run(["nft", "-j", "list", "ruleset"]))
        except ValueError as error:  # nft 1.0.6 may break off at the flags of a table
            raise LoadError(f"nft -j list ruleset: {error}") from None
        if any("native" in name for name in case.rules):
            complete(document, self.machine.run(["nft", "list", "ruleset"]).decode())
        document["nftables"] = [entry for entry in document["nftables"] if not _is_ours(entry)]
        files["nft/ruleset.json"] = json.dumps(document).encode()
        if self._net is None:
            self._net = {name: self.machine.run(argv) for name, argv in _NET.items()}
            self._net["sysctl"] = self._settings()
        files.update(self._net)
        files.update(_NO_CONTAINERS)
        files.update({f"sockets/{name}": _NO_SOCKETS for name in ("tcp", "tcp6", "udp", "udp6")})
        return files

    def _settings(self) -> bytes:
        root = Path("/proc/sys")
        lines = []
        with self.machine.inside():
            for pattern in _SYSCTL_KEYS:
                for path in sorted(root.glob(pattern)):
                    parts = path.relative_to(root).parts
                    key = ".".join(part.replace(".", "/") for part in parts)
                    lines.append(f"{key} = {path.read_text().strip()}\n")
        return "".join(lines).encode()

    # ---- packets ----------------------------------------------------------------------------------------------------

    def ask(self, packets: Sequence[Packet], chunk: int = 400) -> list[Verdict]:
        """What the kernel does with each packet."""
        out: list[Verdict] = []
        with one_cpu():  # frames of one processor stay in order, so that the last one tells that all are through
            for start in range(0, len(packets), chunk):
                out += self._ask(packets[start : start + chunk])
        return out

    def _ask(self, packets: Sequence[Packet]) -> list[Verdict]:
        base = self.tag + 1
        self.tag += len(packets) + 1
        if self.tag > 0xF0000000:
            self.tag, base = len(packets) + 1, 1
        looped = False
        for tag, packet in enumerate(packets, base):
            self._send(packet, tag)
            looped |= not packet.iif
        verdicts = [Verdict("lost")] * len(packets)
        for logged in self._until(self.tag):
            parsed = frames.parse(logged.data)
            if parsed is None or parsed.tag is None:
                continue
            place = parsed.tag - base
            if not 0 <= place < len(packets):
                continue
            verdicts[place] = self._verdict(logged, parsed, verdicts[place])
        if looped:
            with self.machine.inside():
                flush_conntrack()
        return verdicts

    def let_through(self) -> None:
        """Until the next case, what arrives is shown, and goes on."""
        self.machine.run(["nft", "-f", "-"], f"delete table inet {TABLE}\n" + OBSERVE.replace(
            f'"A" group {GROUP} drop', f'"A" group {GROUP}'))

    def watch(self, packets: Sequence[Packet]) -> dict[int, Verdict]:
        """Where packets arrive, by their tag, which begin behind `tag`; ports are told as well. For rules that let
        packets through, so that their connections are confirmed."""
        base = self.tag + 1
        self.tag += len(packets) + 1
        for tag, packet in enumerate(packets, base):
            self._send(packet, tag)
        seen: dict[int, Verdict] = {}
        for logged in self._until(self.tag):
            parsed = frames.parse(logged.data)
            if parsed is None or parsed.tag is None or parsed.answer is not None or logged.prefix != b"A":
                continue
            if base <= parsed.tag < self.tag:
                found = self._verdict(logged, parsed, Verdict("lost"))
                seen[parsed.tag] = found._replace(sport=parsed.sport)
        return seen

    def _verdict(self, logged: Logged, parsed: frames.Parsed, before: Verdict) -> Verdict:
        if logged.prefix == b"R":
            if parsed.answer is None or before.kind != "lost":
                return before
            return Verdict("rejected", how=parsed.answer)
        if parsed.answer is not None:
            return before
        if logged.hook == "input":
            return Verdict("input", "", parsed.src, parsed.dst, parsed.dport)
        return Verdict("out", self.names.get(logged.oif, "?"), parsed.src, parsed.dst, parsed.dport)

    def _until(self, tag: int) -> Iterable[Logged]:
        """What is logged up to a last frame with this tag, which is sent now."""
        last = frames.frame(Packet(4, SYNC, 1, 2, frames.UDP, 1, 1), tag, self._macs[SYNC], self._sender)
        for _ in range(QUEUE):  # fills the queue of NFLOG, so that it is sent at once
            self._sockets[SYNC].send(last)
        while True:
            found = self.log.receive(5.0)
            if not found:
                raise TimeoutError("the kernel did not show the last frame")
            for logged in found:
                if logged.prefix == b"S":
                    parsed = frames.parse(logged.data)
                    if parsed is not None and parsed.tag == tag:
                        return
                else:
                    yield logged

    def _send(self, packet: Packet, tag: int) -> None:
        if packet.iif:
            data = frames.frame(packet, tag, self._macs[packet.iif], self._sender, self.broadcast[packet.iif])
            self._sockets[packet.iif].send(data)
        else:
            self._send_own(packet, tag)

    def _send_own(self, packet: Packet, tag: int) -> None:
        data = frames.datagram(packet, tag)
        address = str(ipaddress.ip_address(packet.dst.to_bytes(4 if packet.family == 4 else 16, "big")))
        with suppress(OSError):  # refused at once: no route, or an output rule that drops (EPERM)
            self._raw[packet.family].sendto(data, (address, 0))


_NO_CONTAINERS = {"docker/version.json": b'{"Version": "28.5.2"}', "docker/info.json": b"{}",
                  "docker/containers.json": b"[]", "docker/networks.json": b"[]"}
_NO_SOCKETS = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def _is_ours(entry: Mapping[str, Any]) -> bool:
    for kind, value in entry.items():
        if isinstance(value, dict) and TABLE in (value.get("table"), value.get("name") if kind == "table" else ""):
            return True
    return False


__all__ = ["BRIDGE", "LINKS", "Case", "LoadError", "Packet", "Verdict", "World"]
