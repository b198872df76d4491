"""Packets for a ruleset that somebody else wrote: drawn from the addresses and ports in its rules, and beside them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from grammar_pool import CONTAINERS, HOSTS, ODD, PEERS
from oracle_frames import ICMP, ICMPV6, TCP, UDP, Packet
from oracle_world import LINKS, Link

_ADDRESS = re.compile(r"(?<![\w.:])((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}:[0-9a-f:]*:[0-9a-f]{0,4})(/\d+)?(?![\w.])")
_PREFIX = re.compile(r'"addr": "([^"]+)", "len": (\d+)')
_PORTS = re.compile(r'(?:ports?"?,? |ports?"}}, "right": |]:|\d:|-ports? )"?(\d+)(?:[:,-](\d+))?')
_NAMES = re.compile(r'-[io] (\S+)|"right": "([\w.-]+)"')
_COMMON_PORTS = (22, 53, 80, 443, 5353, 8080)
_Span = tuple[int, int]


class Aim:
    """Draws packets. ``focus``: rules (as text) whose values are drawn more often than the others'."""

    def __init__(self, rules: dict[str, str], links: Sequence[Link] | None, rng: random.Random,
                 focus: str = "") -> None:
        self.links = tuple(links or LINKS)
        self.rng = rng
        text = "\n".join(rules[name] for name in sorted(rules))
        self._ports, self._near_ports = ports_in(text) or [80], ports_in(focus)
        self._own = {family: [int(ip_interface(each).ip) for link in self.links for each in link.addresses
                              if (":" in each) == (family == 6)] for family in (4, 6)}
        self._spans = {family: spans_in(text, family) for family in (4, 6)}
        self._near = {family: spans_in(focus, family) for family in (4, 6)}
        named = {one or other for one, other in _NAMES.findall(focus)}
        self._near_links = [link for link in self.links if link.name in named]
        self._protos = [proto for word, proto in (("tcp", TCP), ("udp", UDP)) if word in focus]
        ruled = {int(name[-1]) for name in rules if name[-2:] in ("v4", "v6")}
        self._families = [family for family in (4, 6)
                          if self._own[family] and (family in ruled or not ruled or "native.json" in rules)] or [4]
        if self._near[4] and not self._near[6]:
            self._families = [4]
        elif self._near[6] and not self._near[4] and 6 in self._families:
            self._families = [6]

    def packets(self, count: int) -> list[Packet]:
        """``count`` packets, in bunches that are alike but for their source."""
        out: list[Packet] = []
        while len(out) < count:
            first = self._packet()
            if first is None:
                continue
            out.append(first)
            for _ in range(self.rng.choice((0, 1, 2))):
                out.append(first._replace(src=self._source(first.family, first.iif)))
        return out[:count]

    def _packet(self) -> Packet | None:
        rng = self.rng
        family = rng.choice(self._families)
        link = rng.choice(self._near_links if self._near_links and rng.random() < 0.5 else self.links)
        dst = self._destination(family)
        if link.kind and dst not in self._own[family] and any(
                int(network[0]) <= dst <= int(network[-1]) for network in _networks(link, family)):
            return None  # a neighbour on a bridge does not send to another through us
        proto = rng.choices((TCP, UDP, ICMP), (6, 3, 1))[0]
        if self._protos and rng.random() < 0.8:
            proto = rng.choice(self._protos)
        src = self._source(family, link.name)
        sport = rng.randint(32768, 60999)
        if proto == ICMP:
            kind = 8 if family == 4 else 128
            return Packet(family, link.name, src, dst, ICMP if family == 4 else ICMPV6, rng.randint(1, 65535), 0, kind)
        return Packet(family, link.name, src, dst, proto, sport, self._port())

    def _port(self) -> int:
        rng = self.rng
        if self._near_ports and rng.random() < 0.7:
            return _clip(rng.choice(self._near_ports) + rng.choice((0, 0, 0, 0, 1, -1)))
        if rng.random() < 0.8:
            return _clip(rng.choice(self._ports) + rng.choice((0, 0, 0, 0, 0, 1, -1)))
        return rng.choice(_COMMON_PORTS)

    def _destination(self, family: int) -> int:
        rng = self.rng
        draw = rng.random()
        if self._near[family] and draw < 0.4:
            return self._beside(rng.choice(self._near[family]), family)
        if draw < 0.7:
            return rng.choice(self._own[family])
        if draw < 0.85 and self._spans[family]:
            return self._beside(rng.choice(self._spans[family]), family)
        if draw < 0.97:
            inside = [network for link in self.links for network in _networks(link, family)]
            network = rng.choice(inside)
            return int(network.network_address) + rng.choice((2, 2, 3, 4, 9))
        return int(ip_address(rng.choice(ODD[family])))

    def _source(self, family: int, iif: str) -> int:
        rng = self.rng
        draw = rng.random()
        near = self._near[family] if rng.random() < 0.5 else self._spans[family]
        if near and draw < 0.4:
            return self._beside(rng.choice(near), family)
        peers = PEERS[family].get(iif)
        if peers and draw < 0.9:
            return int(ip_address(rng.choice(peers)))
        own = [network for link in self.links if link.name == iif for network in _networks(link, family)]
        if own and draw < 0.97:
            return int(rng.choice(own).network_address) + rng.choice((2, 3, 20, 50))
        return int(ip_address(rng.choice((*HOSTS[family], *CONTAINERS[family], *ODD[family]))))

    def _beside(self, span: _Span, family: int) -> int:
        low, high = span
        top = (1 << (32 if family == 4 else 128)) - 1
        draw = self.rng.random()
        if draw < 0.1:
            return max(0, low - 1)
        if draw < 0.2:
            return min(top, high + 1)
        return low if draw < 0.45 else high if draw < 0.7 else self.rng.randint(low, high)


def spans_in(text: str, family: int) -> list[_Span]:
    """The addresses and networks that a text names."""
    found = [f"{address}{prefix}" for address, prefix in _ADDRESS.findall(text)]
    found += [f"{address}/{length}" for address, length in _PREFIX.findall(text)]
    out: dict[_Span, None] = {}
    for each in found:
        try:
            network = ip_network(each, strict=False)
        except ValueError:
            continue
        if network.version == family and network.prefixlen:
            out[int(network.network_address), int(network.broadcast_address)] = None
    return list(out)


def ports_in(text: str) -> list[int]:
    """The ports that a text names, and the ends of ranges."""
    out: dict[int, None] = {}
    for ends in _PORTS.findall(text):
        for end in ends:
            if end and 0 < int(end) < 65536:
                out[int(end)] = None
    return list(out)


def _networks(link: Link, family: int) -> list[IPv4Network | IPv6Network]:
    return [ip_interface(each).network for each in link.addresses if (":" in each) == (family == 6)]


def _clip(port: int) -> int:
    return min(65535, max(1, port))
