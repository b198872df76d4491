"""Random ipsets: every hash and bitmap type that the kernel here has, lists of sets, and elements with nomatch."""

from __future__ import annotations

from typing import NamedTuple

from grammar_pool import INTERFACES, Pool


class IpSet(NamedTuple):
    """A set as rules need to know it: how many directions it takes, and its family (0: any)."""

    name: str
    family: int
    dimensions: int
    kind: str


_DIMENSIONS = {
    "hash:ip": 1, "hash:net": 1, "hash:ip,port": 2, "hash:net,port": 2, "hash:ip,port,ip": 3, "hash:ip,port,net": 3,
    "hash:net,iface": 2, "bitmap:port": 1, "bitmap:ip": 1, "list:set": 1,
}


def random_sets(pool: Pool, families: tuple[int, ...]) -> tuple[list[IpSet], str]:
    """Some sets, and the text that makes them (``ipset restore``)."""
    made: list[IpSet] = []
    lines: list[str] = []
    for number in range(pool.rng.randint(1, 4)):
        family = pool.one(families)
        kind = pool.one([kind for kind in _DIMENSIONS if kind != "bitmap:ip" or family == 4])
        name = f"s{number}"
        if kind == "list:set":
            members = [each for each in made if each.kind != "list:set"]
            if not members:
                continue
            lines.append(f"create {name} list:set")
            chosen = pool.rng.sample(members, pool.rng.randint(1, len(members)))
            lines += [f"add {name} {member.name}" for member in chosen]
            made.append(IpSet(name, 0, max(member.dimensions for member in chosen), kind))
            continue
        lines.append(_create(name, kind, family))
        lines += dict.fromkeys(f"add {name} {_element(pool, kind, family)}" for _ in range(pool.rng.randint(0, 7)))
        made.append(IpSet(name, 0 if kind == "bitmap:port" else family, _DIMENSIONS[kind], kind))
    return made, "".join(f"{line}{' -exist' if line.startswith('add') else ''}\n" for line in lines)


def _create(name: str, kind: str, family: int) -> str:
    if kind == "bitmap:port":
        return f"create {name} bitmap:port range 0-65535"
    if kind == "bitmap:ip":
        return f"create {name} bitmap:ip range 172.17.0.0/16"
    return f"create {name} {kind} family {'inet' if family == 4 else 'inet6'}"


def _element(pool: Pool, kind: str, family: int) -> str:
    excluded = pool.chance(0.3)
    if kind == "bitmap:port":
        low, high = pool.port_span()
        return f"{low}-{high}" if pool.chance(0.5) else str(low)
    if kind == "bitmap:ip":
        return pool.one(("172.17.0.2", "172.17.0.0/28", "172.17.0.3-172.17.1.9", "172.17.0.1"))
    parts = []
    for part in kind.removeprefix("hash:").split(","):
        if part == "ip":
            parts.append(_host(pool, family))
        elif part == "net":
            parts.append(_network(pool, family))
        elif part == "port":
            parts.append(_port(pool, family))
        else:
            parts.append(pool.one(INTERFACES))
    return ",".join(parts) + (" nomatch" if excluded and "net" in kind else "")


def _host(pool: Pool, family: int) -> str:
    while True:
        text = pool.address(family)
        if text not in ("0.0.0.0", "::"):  # not storable in hash:ip
            return text


def _network(pool: Pool, family: int) -> str:
    while True:
        text = pool.network(family)
        if not text.endswith("/0"):
            return text


def _port(pool: Pool, family: int) -> str:
    if pool.chance(0.15):
        return "icmp:echo-request" if family == 4 else "icmpv6:echo-request"
    proto = pool.one(("tcp", "udp"))
    if pool.chance(0.3):
        low = pool.port()
        return f"{proto}:{low}-{min(65535, low + 5)}"
    return f"{proto}:{pool.port()}"
