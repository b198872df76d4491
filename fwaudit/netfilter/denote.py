"""Resolve conditions against the facts of a host, so that only questions about the packet are left.

AddressType, ReversePath and InSet become sets of addresses and ports, or Unknown with the reason why not.
"""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.model.condition import (
    FALSE,
    TRUE,
    AddressType,
    All,
    AnyOf,
    Condition,
    In,
    InGroup,
    InSet,
    Masked,
    Named,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.model.ruleset import Backend
from fwaudit.netfilter.facts import MULTICAST, Facts
from fwaudit.netfilter.set_lookup import in_set
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

_LINK_LOCAL6 = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))
_UNSPECIFIED6 = IntervalSet((0, 1))
_MAPPED6 = IntervalSet((0xFFFF << 32, 0x10000 << 32))


def resolve(condition: Condition, facts: Facts, family: int, backend: Backend = "nft") -> Condition:
    """The same condition for packets of ``family``, without AddressType, InGroup, ReversePath and InSet."""
    if isinstance(condition, All):
        return All(tuple(resolve(part, facts, family, backend) for part in condition.parts))
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(resolve(part, facts, family, backend) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(resolve(condition.part, facts, family, backend))
    if isinstance(condition, AddressType):
        return _address_type(condition, facts, family, backend)
    if isinstance(condition, InSet):
        return in_set(condition, facts, family)
    if isinstance(condition, ReversePath):
        return _reverse_path(condition, facts, family, backend)
    if isinstance(condition, InGroup):
        return _in_group(condition, facts)
    if isinstance(condition, In) and condition.field in ("iif_index", "oif_index"):
        name: Field = "iif" if condition.field == "iif_index" else "oif"
        return AnyOf(tuple(Named(name, facts.indexes[i]) for i in facts.indexes if i in condition.values))
    return condition


def _in_group(condition: InGroup, facts: Facts) -> Condition:
    unknown = Unknown(f"the group of the {condition.field}", "the groups of the interfaces are not known")
    parts: list[Condition] = []
    for name, group in facts.groups.items():
        if group is None:
            parts.append(All((Named(condition.field, name), unknown)))
        elif group & condition.mask in condition.values:
            parts.append(Named(condition.field, name))
    return AnyOf(tuple(parts)) if facts.groups else unknown


# ---- address types --------------------------------------------------------------------------------------------------


def _address_type(condition: AddressType, facts: Facts, family: int, backend: Backend) -> Condition:
    if family not in facts.known:
        return Unknown(f"the type of the {condition.field} address", "the addresses of the host are not known")
    if family == 6 and condition.types & (_REFUSALS if backend != "native" else _ROUTED) and (
            backend != "native" or family not in facts.routing):
        return Unknown(f"the type of the {condition.field} address", "IPv6 asks the whole routing table for it")
    if not condition.interface:
        return In(condition.field, _types(condition.types, facts, family, "", backend))
    name: Field = "iif" if condition.interface == "iif" else "oif"
    interfaces = sorted(set(facts.types[family]) | set(facts.indexes.values()))
    listed = [
        All((Named(name, interface), In(condition.field, _types(condition.types, facts, family, interface, backend))))
        for interface in interfaces if interface
    ]
    return AnyOf(tuple(listed))


_REFUSALS = frozenset({"unreachable", "prohibit", "blackhole"})
_ROUTED = _REFUSALS | {"unicast", "unspec"}


def _types(kinds: Iterable[str], facts: Facts, family: int, interface: str, backend: Backend) -> IntervalSet:
    out = EMPTY
    for kind in kinds:
        if kind == "unicast":
            out = out | _unicast(facts, family, interface, backend)
        elif kind in _REFUSALS and family == 6:
            out = out | facts.routing[6].refused[kind] - MULTICAST[6]
        elif kind == "unspec":
            out = out | (_UNSPECIFIED6 if family == 6 and backend != "native" else _untyped(facts, family, interface))
        else:
            any_interface = family == 6 and kind == "anycast" and backend == "native"  # nft_fib_ipv6.c
            out = out | facts.addresses(family, kind, "" if any_interface else interface)
    return out


def _unicast(facts: Facts, family: int, interface: str, backend: Backend) -> IntervalSet:
    """IPv4: what the local table does not know. IPv6 addrtype goes by the form of the address alone, so that local
    addresses are unicast as well (xt_addrtype.c match_type6); nft's fib asks the routing tables before the form
    (nft_fib_ipv6.c). An IPv4-mapped address has the form of none (ipv6_addr_type)."""
    if family == 6 and backend != "native":
        return ~(MULTICAST[6] | _UNSPECIFIED6 | _MAPPED6)
    out = ~_typed(facts, family, interface)
    return out - _UNSPECIFIED6 - _MAPPED6 if family == 6 else out


def _untyped(facts: Facts, family: int, interface: str) -> IntervalSet:
    """What nft's fib calls unspec."""
    return (_UNSPECIFIED6 | _MAPPED6) - _typed(facts, family, interface) if family == 6 else EMPTY


def _typed(facts: Facts, family: int, interface: str) -> IntervalSet:
    """Addresses of which the routing tables say another type than unicast."""
    out = EMPTY
    for kind in ("local", "broadcast", "multicast", "anycast"):
        out = out | facts.addresses(family, kind, "" if family == 6 and kind == "anycast" else interface)
    if family == 6:
        for area in facts.routing[6].refused.values():
            out = out | area
    return out


# ---- the way back ---------------------------------------------------------------------------------------------------


def _reverse_path(condition: ReversePath, facts: Facts, family: int, backend: Backend) -> Condition:
    """Sources: net/ipv4/netfilter/nft_fib_ipv4.c and ipt_rpfilter.c, their IPv6 siblings.

    What comes in by lo always passes. Of several IPv6 routes of one prefix, ip6t_rpfilter prefers that of the
    interface, and nft takes the first; a link-local source has to have a route over it.
    """
    routing = facts.routing.get(family)
    if routing is None:
        return Unknown("rpfilter", "the route back depends on policy routing or was not read")
    sure: list[Condition] = [Named("iif", "lo")]
    unsure: list[Condition] = []
    for name, area in sorted(routing.best.items()):
        if family == 6:
            linked = routing.strict[name] & _LINK_LOCAL6
            others = routing.near[name] - _LINK_LOCAL6
            unsure.append(All((Named("iif", name), In("src", others - area))))
            area = linked | (area - _LINK_LOCAL6 if backend == "native" else others)
        sure.append(All((Named("iif", name), In("src", area))))
    if condition.loose:
        everywhere = EMPTY
        for area in routing.best.values():
            everywhere = everywhere | area
        sure.append(In("src", everywhere - _LINK_LOCAL6 if family == 6 else everywhere))
        unsure = []
    if family == 4:
        unsure.append(In("src", IntervalSet((0, 1)) | facts.addresses(4, "broadcast")))
    elif backend != "native":
        sure.append(In("src", _UNSPECIFIED6))
    if condition.accept_local:
        unsure.append(In("src", facts.addresses(family, "local")))
    doubt = Unknown("rpfilter", "which of several routes is taken back")
    return AnyOf((*sure, All((AnyOf(tuple(unsure)), doubt))))


def simplify(condition: Condition) -> Condition:
    """The same condition with constants folded away and nested conjunctions flattened."""
    if isinstance(condition, All):
        out: list[Condition] = []
        for part in condition.parts:
            part = simplify(part)
            if part == FALSE:
                return FALSE
            out += part.parts if isinstance(part, All) else (part,)
        return out[0] if len(out) == 1 else All(tuple(out))
    if isinstance(condition, AnyOf):
        any_of: list[Condition] = []
        for part in condition.parts:
            part = simplify(part)
            if part == TRUE:
                return TRUE
            any_of += part.parts if isinstance(part, AnyOf) else (part,)
        return any_of[0] if len(any_of) == 1 else AnyOf(tuple(any_of))
    if isinstance(condition, Not):
        part = simplify(condition.part)
        if isinstance(part, Not):
            return part.part
        if isinstance(part, In):
            return In(part.field, ~part.values)
        if part == TRUE:
            return FALSE
        if part == FALSE:
            return TRUE
        return Not(part)
    if isinstance(condition, In):
        if condition.values == ALL:
            return TRUE
        return condition if condition.values else FALSE
    if isinstance(condition, Masked) and condition.mask == 0:
        return TRUE if condition.value == 0 else FALSE
    return condition
