"""Random cases: a ruleset with its settings, and packets that ask about it. Everything follows from a seed."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence

from grammar_ipset import random_sets
from grammar_iptables import IptablesGrammar
from grammar_nft import NftGrammar
from grammar_pool import CONTAINERS, HOSTS, INTERFACES, ODD, PEERS, Pool
from grammar_routing import random_routing
from oracle_frames import ICMP, ICMPV6, TCP, UDP, Packet
from oracle_world import LINKS, Case

RULESETS: tuple[str, ...] = ("iptables", "legacy", "filter", "native", "mixed")
"""``iptables`` and ``legacy``: one backend; ``filter``: table filter alone; ``native``: nft's own tables; ``mixed``:
two of the three side by side, or all."""
PROFILES: tuple[str, ...] = (*RULESETS, "routing")
"""``routing``: few rules, which set marks and translate addresses, and policy routing behind them."""
_NETWORKS = {
    link.name: [ipaddress.ip_interface(address).network for address in link.addresses]
    for link in LINKS if link.kind == "bridge"
}

_BUILTIN_PLACES = frozenset(
    (hook, priority) for hook in ("prerouting", "input", "forward", "postrouting")
    for priority in (-300, -150, 0, 50))
"""Where iptables' chains stand, but those of nat; native ones there would run in an order that no dump tells."""


def make_case(seed: int | str, profile: str | None = None) -> tuple[Case, Pool]:
    """The case of a seed. ``profile``: one of PROFILES; None: one of RULESETS that the seed draws."""
    rng = random.Random(f"case {seed}")
    pool = Pool(rng)
    profile = profile or rng.choices(RULESETS, (3, 2, 1, 5, 4))[0]
    case = Case()
    families = rng.choice(((4,), (4,), (6,), (4, 6), (4, 6)))
    sets = []
    if profile not in ("filter", "native", "routing") and rng.random() < 0.4:
        sets, case.rules["ipset"] = random_sets(pool, families)
    size = rng.choice((4, 10, 25, 60) if profile != "routing" else (3, 6, 12))
    parts = {"mixed": rng.choice((("nft", "legacy"), ("nft", "native"), ("legacy", "native"),
                                  ("nft", "legacy", "native"))),
             "native": ("native",), "legacy": ("legacy",)}.get(profile, ("nft",))
    for family in families:
        text = IptablesGrammar(pool, family, sets)
        if profile == "routing":
            case.rules[f"nft.v{family}"] = text.ruleset(("mangle", "nat"), size, ("PREROUTING", "POSTROUTING"))
            case.routing[family] = random_routing(pool, family)
            continue
        if profile == "filter":
            backend = rng.choice(("nft", "legacy"))
            text.legacy = backend == "legacy"
            case.rules[f"{backend}.v{family}"] = text.ruleset(("filter",), size)
            continue
        if "nft" in parts and "legacy" in parts:
            tables = list(_tables(rng, 5))
            rng.shuffle(tables)
            cut = rng.randint(0, len(tables))
            shares = (("nft", tables[:cut]), ("legacy", tables[cut:]))
        else:
            shares = tuple((part, list(_tables(rng))) for part in parts if part != "native")
        for backend, some in shares:
            text.legacy = backend == "legacy"
            if some:  # the same hook and priority in both would run in an order that no dump tells
                case.rules[f"{backend}.v{family}"] = text.ruleset(some, max(2, size // len(parts)))
    if "native" in parts:
        taken = set(_BUILTIN_PLACES) if len(parts) > 1 else set()
        case.rules["native"] = NftGrammar(pool, taken).ruleset(families, max(2, size // len(parts)))
        case.families = families
    names = [name for name in case.rules if name != "ipset"]
    rng.shuffle(names)
    case.order = names
    _settings(rng, case)
    return case, pool


def _tables(rng: random.Random, most: int = 4) -> Sequence[str]:
    names = ["filter", *(name for name in ("nat", "mangle", "raw") if rng.random() < 0.6)]
    if rng.random() < 0.1:
        names.append("security")
    return names[:most]


def _settings(rng: random.Random, case: Case) -> None:
    if rng.random() < (0.6 if case.routing else 0.25):
        for name in rng.sample(("all", *INTERFACES), 2):
            case.sysctl[f"net/ipv4/conf/{name}/rp_filter"] = str(rng.choice((1, 2)))
    if rng.random() < 0.2:
        case.sysctl[f"net/ipv4/conf/{rng.choice(('all', *INTERFACES))}/route_localnet"] = "1"
    if rng.random() < 0.05:
        case.sysctl[f"net/ipv4/conf/{rng.choice(('all', *INTERFACES))}/accept_local"] = "1"
    if case.routing and rng.random() < 0.3:
        case.sysctl[f"net/ipv4/conf/{rng.choice(('all', *INTERFACES))}/src_valid_mark"] = "1"
    if rng.random() < 0.05:
        case.sysctl["net/ipv4/ip_forward"] = "0"
    if rng.random() < 0.05:
        case.sysctl["net/ipv6/conf/all/forwarding"] = "0"


def make_packets(seed: int | str, pool: Pool, case: Case, count: int) -> list[Packet]:
    """Packets for a case, in bunches that differ in their source only."""
    rng = random.Random(f"packets {seed}")
    pool.rng = rng
    families = list(case.families) or sorted({int(name[-1]) for name in case.rules if name[-2:] in ("v4", "v6")})
    out: list[Packet] = []
    while len(out) < count:
        first = _packet(pool, rng.choice(families))
        if first is None:
            continue
        out.append(first)
        for _ in range(rng.choice((0, 1, 3, 6))):
            src = _source(pool, first.family, first.iif)
            if src is not None:
                out.append(first._replace(src=src))
    return out[:count]


def _packet(pool: Pool, family: int) -> Packet | None:
    rng = pool.rng
    iif = rng.choice(INTERFACES)
    src = _source(pool, family, iif)
    dst = _destination(pool, family)
    if src is None or any(network.version == family and _inside(network, dst) for network in _NETWORKS.get(iif, ())):
        return None  # a neighbour on a bridge does not send to another through us
    proto = rng.choices((TCP, UDP, ICMP if family == 4 else ICMPV6), (6, 4, 1))[0]
    sport = pool.packet_port() if rng.random() < 0.4 else rng.randint(32768, 60999)
    if proto in (ICMP, ICMPV6):
        return Packet(family, iif, src, dst, proto, rng.randint(1, 65535), 0, 8 if family == 4 else 128)
    return Packet(family, iif, src, dst, proto, sport, pool.packet_port())


def _inside(network: ipaddress.IPv4Network | ipaddress.IPv6Network, address: int) -> bool:
    low, high = int(network.network_address), int(network.broadcast_address)
    return low <= address and (address < high or network.version == 6) and address != low + 1


def _source(pool: Pool, family: int, iif: str) -> int | None:
    rng = pool.rng
    draw = rng.random()
    if draw < 0.5:
        return int(ipaddress.ip_address(rng.choice(PEERS[family][iif])))
    if draw < 0.9:
        near = pool.near(family)
        if near is not None:
            return near
    return int(ipaddress.ip_address(rng.choice((*HOSTS[family], *CONTAINERS[family], *ODD[family]))))


def _destination(pool: Pool, family: int) -> int:
    rng = pool.rng
    draw = rng.random()
    if draw < 0.35:
        near = pool.near(family)
        if near is not None:
            return near
    if draw < 0.65:
        return int(ipaddress.ip_address(rng.choice(HOSTS[family])))
    if draw < 0.88:
        return int(ipaddress.ip_address(rng.choice(CONTAINERS[family])))
    peers = PEERS[family][rng.choice(INTERFACES)]
    return int(ipaddress.ip_address(rng.choice((*peers, *ODD[family]))))
