"""The kernel's own trace of packets through nftables: every rule that matched, by its handle, over a netlink socket.

Sources: include/uapi/linux/netfilter/nf_tables.h (enum nft_trace_attributes), net/netfilter/nf_tables_trace.c and
nf_tables_core.c: a rule is told when all of its expressions passed, whatever its verdict; then the chain policy, or the
return, that ended a base chain. iptables-nft's rules are nftables rules, and told alike; iptables-legacy's are not.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import oracle_frames as frames
from oracle_world import LINKS, SYNC, TABLE, World

from fwaudit.netfilter.hooks import IP_FAMILIES, BaseChain

_NETFILTER, _GROUP_NFTRACE, _TRACE = 12, 9, 10 << 8 | 17
_ADD_MEMBERSHIP, _SOL_NETLINK, _RCVBUFFORCE = 1, 270, 33
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _NETWORK, _TRANSPORT = 1, 2, 3, 4, 5, 8, 9
_NFPROTO, _POLICY, _ID = 15, 16, 6
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_DROP = 0
_NEVER = (1 << 62, 0)

SWITCH = f"""
table inet {TABLE} {{
  chain watch_in {{ type filter hook prerouting priority -1999; policy accept;
    iifname != "{SYNC}" meta nftrace set 1;
  }}
  chain watch_out {{ type filter hook output priority -1999; policy accept; meta nftrace set 1; }}
}}
table netdev {TABLE} {{
  chain watch {{ type filter hook ingress devices = {{ {", ".join(link.name for link in LINKS)} }} priority -1999;
    policy accept; meta nftrace set 1;
  }}
}}
"""
"""Loaded behind the rules; it is in the oracle's own tables, which the engine does not see."""


class Event(NamedTuple):
    """One line of the kernel's trace. ``kind``: rule, policy or return. ``drops``: a policy that drops."""

    tag: int
    family: str
    table: str
    chain: str
    handle: int
    kind: str
    drops: bool


class Tracer:
    """Listens to the traces of the namespace that it is made in."""

    def __init__(self, world: World) -> None:
        with world.machine.inside():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 256 << 20)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTRACE)
        self._socket.setblocking(False)

    def events(self) -> Iterator[Event]:
        """What has been told so far. Raises OSError where the kernel had to leave some out."""
        tags: dict[tuple[int, str, str], int] = {}
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return
            at = 0
            while at + 20 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == _TRACE:
                    event = _event(_attributes(data, at + 20, at + size), tags)
                    if event is not None:
                        yield event
                at += size + (-size % 4)

    def close(self) -> None:
        self._socket.close()


def _event(found: dict[int, bytes], tags: dict[tuple[int, str, str], int]) -> Event | None:
    """One event. The packet's bytes come with the first of a base chain only, so ``tags`` remembers them by the id."""
    table = found[_TABLE].rstrip(b"\0").decode()
    family = _FAMILIES.get(int.from_bytes(found[_NFPROTO], "big"), "?") if _NFPROTO in found else "?"
    number = int.from_bytes(found[_ID], "big")
    if _NETWORK in found:
        parsed = frames.parse(found[_NETWORK] + found.get(_TRANSPORT, b""))
        tags[number, family, table] = parsed.tag if parsed is not None and parsed.tag and not parsed.answer else 0
    tag = tags.get((number, family, table), 0)
    if table == TABLE or not tag:
        return None
    kind = {1: "policy", 2: "return", 3: "rule"}[int.from_bytes(found[_TYPE], "big")]
    handle = int.from_bytes(found.get(_HANDLE, b""), "big")
    if kind == "rule" and not handle:
        return None  # the end of a chain
    drops = kind == "policy" and int.from_bytes(found[_POLICY], "big") == _DROP
    return Event(tag, family, table, found[_CHAIN].rstrip(b"\0").decode(), handle, kind, drops)


def _attributes(data: bytes, at: int, end: int) -> dict[int, bytes]:
    found = {}
    while at + 4 <= end:
        size, kind = struct.unpack_from("=HH", data, at)
        found[kind & 0x3FFF] = data[at + 4 : at + size]
        at += max(4, size + (-size % 4))
    return found


class Listing:
    """Which rule an event is about, by the ruleset that is in force.

    The kernel tells the packet's family, not the table's; a table of that family goes before one of family inet.
    The rules have been loaded at once, so that handles tell in which order base chains were registered.
    """

    def __init__(self, world: World) -> None:
        document = json.loads(world.machine.run(["nft", "-j", "-a", "list", "ruleset"]))
        self._families: dict[tuple[str, str], set[str]] = {}
        self._numbers: dict[tuple[str, str, str, int], int] = {}
        self._registered: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._nat = {4: _NEVER, 6: _NEVER}
        tables: dict[tuple[str, str], int] = {}
        counted: dict[tuple[str, str, str], int] = {}
        for entry in document["nftables"]:
            (kind, value), = entry.items()
            if kind == "table":
                tables[value["family"], value["name"]] = value["handle"]
            elif kind == "chain":
                place = tables[value["family"], value["table"]], value["handle"]
                self._registered[value["family"], value["table"], value["name"]] = place
                if value.get("type") == "nat":
                    for family, names in IP_FAMILIES.items():
                        if value["family"] in names:
                            self._nat[family] = min(self._nat[family], place)
                self._families.setdefault((value["table"], value["name"]), set()).add(value["family"])
            elif kind == "rule":
                chain = value["family"], value["table"], value["chain"]
                counted[chain] = counted.get(chain, 0) + 1
                self._numbers[(*chain, value["handle"])] = counted[chain]

    def family(self, event: Event) -> str:
        """The family of the table that the event is of."""
        families = self._families[event.table, event.chain]
        if event.handle:
            families = {each for each in families if (each, event.table, event.chain, event.handle) in self._numbers}
        return next(each for each in (event.family, "inet", "netdev") if each in families)

    def number(self, event: Event) -> int:
        """The number of the rule in its chain, from 1, as iptables and the engine count."""
        return self._numbers[self.family(event), event.table, event.chain, event.handle]

    def ordered(self, chains: Sequence[BaseChain], family: int) -> tuple[BaseChain, ...]:
        """Base chains of one hook as the kernel runs them: of one priority, the last one registered goes first
        (net/netfilter/core.c, nf_hook_entries_grow), and NAT's own hooks came with the first chain of type nat
        (nf_nat_core.c, nf_nat_register_fn)."""
        def place(base: BaseChain) -> tuple[int, ...]:
            own = self._registered[base.table.family, base.table.name, base.chain.name]
            hook = self._nat[family] if base.chain.kind == "nat" else own
            return (base.place[0], *(-number for number in hook), base.chain.priority, *(-number for number in own))
        return tuple(sorted(chains, key=place))
