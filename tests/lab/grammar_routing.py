"""Random policy routing: ``ip rule`` with tables of its own, and routes for them, in either family.

Only what `oracle_world` takes back: rules, and routes in tables of their own.
"""

from __future__ import annotations

from grammar_pool import INTERFACES, Pool
from oracle_world import POLICY_TABLES

_GATEWAYS = {
    4: (("203.0.113.1", "eth0"), ("192.168.50.20", "eth1"), ("10.8.0.2", "wg0"), ("172.17.0.3", "docker0")),
    6: (("2001:db8:1::1", "eth0"), ("fd00:50::20", "eth1"), ("fd00:8::2", "wg0"), ("fd00:17::3", "docker0")),
}
_REFUSALS = ("blackhole", "unreachable", "prohibit")


def random_routing(pool: Pool, family: int) -> list[str]:
    """Lines for ``ip -4 -batch`` or ``ip -6 -batch``."""
    rng = pool.rng
    routes = {f"route append {_route(pool, family)} table {table}": None
              for table in POLICY_TABLES for _ in range(rng.randint(0, 6))}
    places = sorted(rng.sample(range(100, 200), rng.randint(1, 8)))
    return [*routes, *(f"rule add pref {place} {_rule(pool, family, place, places)}" for place in places)]


def _route(pool: Pool, family: int) -> str:
    rng = pool.rng
    network = pool.network(family) if pool.chance(0.75) else "default"
    metric = f" metric {rng.choice((1, 5, 100))}"
    sender = f" from {pool.network(family)}" if family == 6 and pool.chance(0.12) else ""
    draw = rng.random()
    if draw < 0.2:
        return f"{rng.choice(_REFUSALS)} {network}{sender}{metric}"
    if draw < 0.3:
        return f"throw {network}{metric}"
    if draw < 0.36 and family == 4:
        return f"local {network} dev lo"
    gateway, device = rng.choice(_GATEWAYS[family])
    return f"{network}{sender} via {gateway} dev {device}{metric}"


def _rule(pool: Pool, family: int, place: int, places: list[int]) -> str:
    rng = pool.rng
    words = []
    if pool.chance(0.12):
        words.append("not")
    if pool.chance(0.45):
        words.append(f"from {pool.network(family)}")
    if pool.chance(0.35):
        words.append(f"to {pool.network(family)}")
    if pool.chance(0.25):
        words.append(f"iif {rng.choice((*INTERFACES, 'lo', 'tun7'))}")
    if pool.chance(0.04):
        words.append(f"oif {rng.choice(INTERFACES)}")
    if pool.chance(0.3):
        value = pool.mark()
        words.append(f"fwmark {value:#x}" if pool.chance(0.5) else f"fwmark {value & 0xFF:#x}/0xff")
    if pool.chance(0.03):
        words.append(f"ipproto tcp dport {pool.port()}")
    draw = rng.random()
    later = [each for each in places if each > place]
    if draw < 0.14:
        words.append(f"goto {rng.choice((*later, 32766, 9999))}")
    elif draw < 0.24:
        words.append(rng.choice(_REFUSALS))
    elif draw < 0.27:
        words.append("nop")
    else:
        words.append(f"lookup {rng.choice((*POLICY_TABLES, *POLICY_TABLES, 'main'))}")
        if pool.chance(0.2):
            words.append(f"suppress_prefixlength {rng.choice((0, 8, 16))}")
    return " ".join(words)
