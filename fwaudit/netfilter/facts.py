"""Facts: what conditions need to know of the host: which addresses are local, and what the named sets hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from fwaudit.model.host import Host
from fwaudit.model.ruleset import NamedSet
from fwaudit.netfilter.set_changes import NO_CHANGES, SetChanges, set_changes
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.records import dataclass

MULTICAST = {4: IntervalSet((0xE0000000, 0xF0000000)), 6: IntervalSet((0xFF << 120, 1 << 128))}
_ZERONET_AND_BROADCAST = IntervalSet.of(0, 0xFFFFFFFF)
_LOOPBACK = {4: IntervalSet((127 << 24, (128 << 24) - 1)), 6: IntervalSet((1, 2))}


@dataclass(frozen=True, slots=True)
class Routing:
    """Addresses by what the routing tables say of them; the host's own are in none.

    ``best``: by interface, those whose best route is over it; ``near``: those where some route of the longest prefix
    is; ``strict``: those with any route over it. ``refused``: by kind, those that the best route makes unreachable,
    prohibit or blackhole; without a route is unreachable.
    """

    best: Mapping[str, IntervalSet]
    near: Mapping[str, IntervalSet]
    strict: Mapping[str, IntervalSet]
    refused: Mapping[str, IntervalSet]


@dataclass(frozen=True, slots=True)
class Facts:
    """``types[family][interface][type]`` is the set of addresses of that routing type; interface "" is any.

    ``known`` says for which families the addresses of the host are known at all; ``routing`` has those families whose
    routes were read and go by addresses alone. ``groups``: of the
    interfaces, None where it has a name that the snapshot does not explain. ``changes``: the named sets that rules
    change.
    """

    types: Mapping[int, Mapping[str, Mapping[str, IntervalSet]]]
    known: frozenset[int]
    sets: Mapping[tuple[str, ...], NamedSet]
    routing: Mapping[int, Routing] = field(default_factory=dict)
    indexes: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[str, int | None] = field(default_factory=dict)
    changes: SetChanges = NO_CHANGES

    def addresses(self, family: int, kind: str, interface: str = "") -> IntervalSet:
        """The addresses whose routing type is ``kind``, by the rules of fib_table_lookup on the local table.

        Source: net/ipv4/fib_frontend.c inet_addr_type_table; net/netfilter/xt_addrtype.c for IPv6.
        """
        by_kind = self.types.get(family, {}).get(interface, {})
        if kind == "multicast":
            return MULTICAST[family]
        if kind == "broadcast" and family == 4:
            return by_kind.get("broadcast", EMPTY) | _ZERONET_AND_BROADCAST
        return by_kind.get(kind, EMPTY)


def facts_of(host: Host) -> Facts:
    """Gather the facts from routes (table local) and, where these were not read, from the interfaces' addresses."""
    types: dict[int, dict[str, dict[str, IntervalSet]]] = {}
    known: set[int] = set()
    for family in (4, 6):
        ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}

        def add(kind: str, interface: str, low: int, prefix: int, family: int = family,
                ranges: dict[tuple[str, str], list[tuple[int, int]]] = ranges) -> None:
            size = 1 << ((32 if family == 4 else 128) - prefix)
            for name in ("", interface):
                ranges.setdefault((name, kind), []).append((low, low + size - 1))

        routes = host.routes.get(family)
        if routes is not None:
            known.add(family)
            for route in routes:
                if route.table == "local" and route.kind in ("local", "broadcast", "anycast"):
                    for device in route.devices or ("",):
                        add(route.kind, device, route.low, route.prefix)
        elif host.interfaces:
            known.add(family)
            width = 32 if family == 4 else 128
            for interface in host.interfaces.values():
                for address in interface.addresses:
                    if address.family == family:
                        add("local", interface.name, address.value, width)
            for low, high in _LOOPBACK[family].ranges(max_address(family)):
                ranges.setdefault(("", "local"), []).append((low, high))
                ranges.setdefault(("lo", "local"), []).append((low, high))
        by_interface: dict[str, dict[str, IntervalSet]] = {}
        for (name, kind), pairs in ranges.items():
            by_interface.setdefault(name, {})[kind] = IntervalSet.from_ranges(pairs)
        everybody = by_interface.get("", {}).get("broadcast", EMPTY)
        if everybody:  # 127.255.255.255 is broadcast though 127.0.0.0/8 is local: the longer prefix says
            for name, kinds in by_interface.items():
                if "local" in kinds and kinds["local"] & everybody:
                    hosts = IntervalSet.of(*(low for low, high in ranges[name, "local"] if low == high))
                    kinds["local"] = kinds["local"] - everybody | hosts
        types[family] = by_interface
    return Facts(types, frozenset(known), host.ruleset.sets,
                 indexes={interface.index: interface.name for interface in host.interfaces.values()},
                 groups={name: interface.group if interface.group >= 0 else None
                         for name, interface in host.interfaces.items()},
                 changes=set_changes(host.ruleset))
