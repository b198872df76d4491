"""What random rules and packets are made of: the addresses, ports, interfaces and marks that play a part in a case.

Rules draw from few values and note what they drew; packets are drawn from the same values and their neighbours, so that
they fall on both sides of the boundaries that the rules have.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from typing import TypeVar

from oracle_world import BRIDGE, LINKS

T = TypeVar("T")

HOSTS = {
    4: ("203.0.113.10", "203.0.113.11", "192.168.50.10", "10.8.0.1", "172.17.0.1", "172.18.0.1"),
    6: ("2001:db8:1::10", "2001:db8:1::11", "fd00:50::10", "fd00:8::1", "fd00:17::1", "fd00:18::1"),
}
CONTAINERS = {
    4: ("172.17.0.2", "172.17.0.3", "172.18.0.2", "172.18.0.9"),
    6: ("fd00:17::2", "fd00:17::3", "fd00:18::2", "fd00:18::9"),
}
PEERS = {
    4: {"eth0": ("198.51.100.7", "203.0.113.50", "8.8.8.8", "10.9.8.7", "172.17.0.2", "100.64.1.1"),
        "eth1": ("192.168.50.20", "192.168.50.21", "10.77.0.5", "203.0.113.50"),
        "wg0": ("10.8.0.2", "10.8.0.77", "192.168.50.20"),
        "docker0": ("172.17.0.2", "172.17.0.3", "172.17.200.1"),
        BRIDGE: ("172.18.0.2", "172.18.0.9", "172.17.0.2")},
    6: {"eth0": ("2001:db8:99::7", "2001:db8:1::50", "2600::1", "fd00:17::2", "fe80::1234"),
        "eth1": ("fd00:50::20", "fd00:50::21", "fd00:77::5", "fe80::7"),
        "wg0": ("fd00:8::2", "fd00:8::77", "fd00:50::20"),
        "docker0": ("fd00:17::2", "fd00:17::3"),
        BRIDGE: ("fd00:18::2", "fd00:18::9", "fd00:17::2")},
}
ODD = {
    4: ("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "255.255.255.255", "203.0.113.255", "172.17.255.255",
        "192.168.50.255", "224.0.0.251", "239.255.255.250", "10.99.1.1", "10.98.1.1", "203.0.113.0", "240.0.0.1"),
    6: ("::1", "::", "ff02::1", "ff02::fb", "ff05::2", "fe80::1", "fd00:98::1", "2001:db8:1::", "fd00:17::",
        "::ffff:1.2.3.4"),
}
NETWORKS = {
    4: ("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "172.17.0.0/16", "172.18.0.0/16",
        "203.0.113.0/24", "198.51.100.0/24", "127.0.0.0/8", "224.0.0.0/4", "192.168.50.0/24", "10.8.0.0/24"),
    6: ("::/0", "fd00::/8", "fe80::/10", "2000::/3", "2001:db8::/32", "2001:db8:1::/64", "fd00:17::/64",
        "fd00:18::/64", "ff00::/8", "::1/128", "fd00:50::/64"),
}
PORTS = (22, 53, 80, 443, 5432, 8080, 8443, 33000, 40000, 65535)
MARKS = (0x1, 0x2, 0x10, 0x40000, 0xFF, 0x80000000, 0xFFFFFFFF)
MASKS = (0xFFFFFFFF, 0xFF, 0xF0, 0xFF0000, 0x1, 0x80000001)
INTERFACES = tuple(link.name for link in LINKS)


class Pool:
    """Draws values for one case. ``few``: a small share of them, so that rules and packets meet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        self.ports: list[int] = list(rng.sample(PORTS, 4))
        self.marks = rng.sample(MARKS, 3)
        self.used_ports: list[int] = []

    def chance(self, part: float) -> bool:
        return self.rng.random() < part

    def one(self, values: Sequence[T]) -> T:
        return self.rng.choice(values)

    # ---- addresses --------------------------------------------------------------------------------------------------

    def _note(self, family: int, low: int, high: int) -> None:
        self.spans[family].append((low, high))

    def host_or_peer(self, family: int) -> str:
        """An address without noting it."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.3:
            return rng.choice(HOSTS[family])
        if draw < 0.55:
            return rng.choice(CONTAINERS[family])
        if draw < 0.9:
            return rng.choice(PEERS[family][rng.choice(INTERFACES)])
        return rng.choice(ODD[family])

    def address(self, family: int) -> str:
        text = self.host_or_peer(family)
        value = int(ipaddress.ip_address(text))
        self._note(family, value, value)
        return text

    def network(self, family: int) -> str:
        """An address or a network, in CIDR."""
        rng = self.rng
        if rng.random() < 0.35:
            return self.address(family)
        if rng.random() < 0.5:
            text = rng.choice(NETWORKS[family][1:] if rng.random() < 0.97 else NETWORKS[family])
            network = ipaddress.ip_network(text)
        else:
            width = 32 if family == 4 else 128
            lengths = (8, 12, 16, 20, 24, 25, 28, 30, 31) if family == 4 else (16, 32, 48, 56, 64, 65, 112, 126)
            length = rng.choice(lengths)
            value = int(ipaddress.ip_address(self.host_or_peer(family))) >> (width - length) << (width - length)
            network = (ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network)((value, length))
        self._note(family, int(network.network_address), int(network.broadcast_address))
        return str(network)

    def span(self, family: int) -> tuple[str, str]:
        """A range of addresses."""
        kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
        top = (1 << (32 if family == 4 else 128)) - 1
        low = max(0, int(ipaddress.ip_address(self.host_or_peer(family))) - self.rng.randrange(4))
        high = min(top, low + self.rng.choice((0, 1, 3, 17, 300)))
        self._note(family, low, high)
        return str(kind(low)), str(kind(high))

    def near(self, family: int) -> int | None:
        """An address at or beside a boundary of the rules; None where there are none."""
        if not self.spans[family]:
            return None
        low, high = self.rng.choice(self.spans[family])
        top = (1 << (32 if family == 4 else 128)) - 1
        draw = self.rng.random()
        if draw < 0.2:
            return max(0, low - 1)
        if draw < 0.4:
            return min(top, high + 1)
        if draw < 0.6:
            return low
        if draw < 0.8:
            return high
        return self.rng.randint(low, high)

    # ---- ports, marks, interfaces -----------------------------------------------------------------------------------

    def port(self) -> int:
        value = self.rng.choice(self.ports) if self.chance(0.8) else self.rng.choice(PORTS)
        self.used_ports.append(value)
        return value

    def port_span(self) -> tuple[int, int]:
        low = self.port()
        high = min(65535, low + self.rng.choice((0, 1, 9, 400, 20000)))
        if self.chance(0.1):
            low, high = (0, low) if self.chance(0.5) else (low, 65535)
        self.used_ports += (low, high)
        return low, high

    def packet_port(self) -> int:
        draw = self.rng.random()
        if draw < 0.55 and self.used_ports:
            return min(65535, max(0, self.rng.choice(self.used_ports) + self.rng.choice((0, 0, 0, 0, 1, -1))))
        if draw < 0.9:
            return self.rng.choice(self.ports)
        return self.rng.randint(1, 65535)

    def mark(self) -> int:
        return self.rng.choice(self.marks)

    def mask(self) -> int:
        return self.rng.choice(MASKS)

    def interface(self) -> str:
        return self.rng.choice(INTERFACES) if self.chance(0.93) else self.rng.choice(("lo", "tun7"))
