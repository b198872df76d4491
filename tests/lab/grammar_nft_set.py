"""Values of native rulesets: constants, anonymous and named sets and maps, with intervals and concatenations.

Elements of one set do not overlap: nft refuses that where they are mapped to something.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from grammar_pool import CONTAINERS, Pool

TYPES = {"addr4": "ipv4_addr", "addr6": "ipv6_addr", "port": "inet_service", "mark": "mark", "iface": "ifname",
         "proto": "inet_proto"}


class Constant(NamedTuple):
    """A constant as nft writes it, and the numbers that it stands for (of a name: its own text twice)."""

    text: str
    low: int | str
    high: int | str

    def meets(self, other: Constant) -> bool:
        """Whether some value is one of both."""
        if isinstance(self.low, str) or isinstance(other.low, str):
            return str(self.low).startswith(str(other.low)) or str(other.low).startswith(str(self.low))
        return self.low <= int(other.high) and int(other.low) <= int(self.high)


@dataclass
class NamedPlan:
    """A named set or map. ``types``: keys of TYPES. ``data``: what a map gives: verdict, mark, addr4, addr6, port or
    ``addr4 . port``; empty for sets. ``jumps``: chains that its verdicts lead to."""

    name: str
    types: tuple[str, ...]
    interval: bool
    data: str = ""
    elements: list[tuple[str, str]] = field(default_factory=list)
    dynamic: bool = False
    jumps: frozenset[str] = frozenset()

    def lines(self) -> list[str]:
        """The declaration."""
        kind = " . ".join(TYPES[each] for each in self.types)
        data = " . ".join(TYPES.get(each, each) for each in self.data.split(" . ")) if self.data else ""
        flags = [*(["interval"] if self.interval else []), *(["dynamic"] if self.dynamic else [])]
        parts = [f"type {kind}{' : ' + data if data else ''}", *([f"flags {', '.join(flags)}"] if flags else [])]
        if self.elements:
            texts = [f"{key} : {value}" if data else key for key, value in self.elements]
            parts.append(f"elements = {{ {', '.join(texts)} }}")
        return [f"  {'map' if data else 'set'} {self.name} {{", *(f"    {part}" for part in parts), "  }"]


class Values:
    """Draws constants and sets for one table."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    # ---- constants --------------------------------------------------------------------------------------------------

    def constant(self, kind: str, interval: bool) -> Constant:
        """One constant; a prefix or a range where ``interval`` allows it."""
        pool = self.pool
        wide = interval and pool.chance(0.5)
        if kind in ("addr4", "addr6"):
            version = int(kind[-1])
            if wide and pool.chance(0.3):
                low, high = pool.span(version)
                return Constant(low if low == high else f"{low}-{high}", *(int(ipaddress.ip_address(each))
                                                                           for each in (low, high)))
            network = ipaddress.ip_network(pool.network(version) if wide else pool.address(version))
            text = str(network) if network.num_addresses > 1 else str(network.network_address)
            return Constant(text, int(network.network_address), int(network.broadcast_address))
        if kind == "port":
            if wide:
                first, last = pool.port_span()
                return Constant(str(first) if first == last else f"{first}-{last}", first, last)
            number = pool.port()
            return Constant(str(number), number, number)
        if kind == "mark":
            number = pool.mark() if pool.chance(0.75) else 0
            last = min(0xFFFFFFFF, number + pool.one((1, 15, 0x1000))) if wide else number
            return Constant(f"{number:#x}" if last == number else f"{number:#x}-{last:#x}", number, last)
        if kind == "proto":
            name, number = pool.one((("tcp", 6), ("udp", 17), ("icmp", 1), ("ipv6-icmp", 58), ("sctp", 132)))
            return Constant(name, number, number)
        return self.interface(wide)

    def interface(self, prefix: bool = False) -> Constant:
        name = self.pool.interface()
        if prefix:
            name = name[: self.pool.rng.randint(1, min(14, len(name)))]
            return Constant(f'"{name}*"', name, name)
        return Constant(f'"{name}"', name + "\0", name)

    def elements(self, types: Sequence[str], most: int, interval: bool) -> list[str]:
        """Up to ``most`` keys that do not overlap (at least one)."""
        taken: list[list[Constant]] = []
        for _ in range(self.pool.rng.randint(1, most)):
            parts = [self.constant(kind, interval and (kind != "iface" or len(types) == 1)) for kind in types]
            if not any(all(a.meets(b) for a, b in zip(parts, other, strict=True)) for other in taken):
                taken.append(parts)
        return [" . ".join(part.text for part in parts) for parts in taken]

    def data(self, kind: str) -> str:
        """What a map gives for one element (of verdict maps: nothing yet)."""
        pool = self.pool
        if kind == "mark":
            return f"{pool.mark():#x}"
        if kind == "port":
            return str(pool.port())
        if kind in ("addr4", "addr6"):
            return pool.one(CONTAINERS[int(kind[-1])])
        if " . " in kind:
            return " . ".join(self.data(each) for each in kind.split(" . "))
        return ""

    # ---- named sets and maps ----------------------------------------------------------------------------------------

    def named(self, name: str, families: tuple[int, ...], chains: Sequence[str]) -> NamedPlan:
        """A set, a map or a verdict map, whose verdicts may lead to one of ``chains``."""
        pool = self.pool
        address = f"addr{pool.one(families)}"
        types = pool.one(((address,), (address,), ("port",), ("iface",), ("mark",), ("proto",), (address, "port"),
                          ("iface", address), ("proto", "port"), (address, "proto", "port"), (address, address)))
        interval = pool.chance(0.5)
        data = ""
        if pool.chance(0.4):
            data = pool.one(("verdict", "verdict", "mark", address, "port", f"{address} . port"))
        keys = [] if pool.chance(0.05) else self.elements(types, 6, interval)
        dynamic = not data and not interval and len(types) == 1 and pool.chance(0.1)
        jump = [pool.one(chains)] if data == "verdict" and chains and pool.chance(0.6) else []
        elements = [(key, self.verdict(jump) if data == "verdict" else self.data(data)) for key in keys]
        return NamedPlan(name, types, interval, data, elements, dynamic, frozenset(jump))

    def verdict(self, chains: Sequence[str]) -> str:
        """A verdict for an element of a map."""
        pool = self.pool
        if chains and pool.chance(0.5):
            return f"{pool.one(('jump', 'jump', 'goto'))} {pool.one(chains)}"
        return pool.one(("accept", "accept", "drop", "drop", "return", "continue"))
