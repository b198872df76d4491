"""What an engine wrote into the ruleset itself: all that tells of its containers where it cannot be asked.

A dockerd that was killed leaves its rules, its bridges and its containers as they were; only docker-proxy dies with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.model.condition import In
from fwaudit.model.ruleset import Chain, Dnat, Inline, Rule, Ruleset
from fwaudit.packet.fields import MAX_PORT
from fwaudit.records import NamedTuple

_BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|(cni-)?podman\d+")
_CHAINS = ("DOCKER", "DOCKER-INGRESS")
"""Chains of table nat that moby writes (libnetwork/iptables, DOCKER-INGRESS for swarm)."""
_TABLE = "docker-bridges"
"""The table of Docker's native nftables backend, in families ip and ip6."""
_MOST_PORTS = 64


class EngineForward(NamedTuple):
    """A published port as the engine's DNAT rule tells it. ``dst``: of one address, None: of every one."""

    family: int
    proto: int
    dst: int | None
    port: int
    address: int
    to_port: int


def is_engine_bridge(name: str) -> bool:
    """Whether a bridge has one of the names that Docker and Podman give."""
    return _BRIDGE.fullmatch(name) is not None


def is_engine_chain(backend: str, table: str, chain: str) -> bool:
    """Whether the engine writes the DNAT rules of that chain itself; what stands there is rewritten when it starts."""
    return table == _TABLE if backend == "native" else table == "nat" and chain in _CHAINS


def engine_forwards(ruleset: Ruleset) -> Iterator[EngineForward]:
    """The published ports that the engine's own rules name, in the order of the rules."""
    for table in ruleset.tables:
        family = {"ip": 4, "ip6": 6}.get(table.family)
        if family is None or table.dormant:
            continue
        for chain in table.chains.values():
            if is_engine_chain(table.backend, table.name, chain.name):
                for rule in _rules(chain):
                    yield from _forward(rule, family)


def _rules(chain: Chain) -> Iterator[Rule]:
    for rule in chain.rules:
        if isinstance(rule.target, Inline):
            yield from rule.target.rules
        else:
            yield rule


def _forward(rule: Rule, family: int) -> Iterator[EngineForward]:
    target = rule.target
    if not isinstance(target, Dnat) or target.addresses is None or target.addresses[0] != target.addresses[1]:
        return
    low, high = target.ports or (None, None)
    for proto in _named(rule, "proto"):
        for port in _named(rule, "dport"):
            if low == high:
                for dst in _named(rule, "dst") or (None,):
                    yield EngineForward(family, proto, dst, port, target.addresses[0], port if low is None else low)


def _named(rule: Rule, field: str) -> list[int]:
    for condition in rule.conditions:
        if isinstance(condition, In) and condition.field == field:
            top = MAX_PORT if field != "dst" else (1 << 128) - 1
            if condition.values.size(top) <= _MOST_PORTS:
                return [value for low, high in condition.values.ranges(top) for value in range(low, high + 1)]
    return []
