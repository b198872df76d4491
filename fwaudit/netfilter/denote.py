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
from fwaudit.model.ruleset import Backend, Element, NamedSet
from fwaudit.netfilter.facts import MULTICAST, Facts
from fwaudit.packet.fields import ICMP, ICMPV6, Field
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

_MAX_LIST_DEPTH = 8
_LINK_LOCAL6 = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))
_UNSPECIFIED6 = IntervalSet((0, 1))
_MAPPED6 = IntervalSet((0xFFFF << 32, 0x10000 << 32))
_ICMP = IntervalSet.of(ICMP, ICMPV6)


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
        return _in_set(condition, facts, family)
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


# ---- named sets -----------------------------------------------------------------------------------------------------


def _in_set(condition: InSet, facts: Facts, family: int) -> Condition:
    name = condition.set_key[-1]
    found = facts.sets.get(condition.set_key)
    if found is None:
        about = _asked_by(condition.fields) if condition.set_key[0] == "ipset" else condition.fields
        return Unknown(f"set {name}", "the set is not in the snapshot", ("set", *condition.set_key), about)
    if condition.set_key[0] == "ipset":
        return _in_ipset(found, condition.fields, facts, family, 0)
    return _changing(found, _in_nft_set(found, condition.fields, family), facts)


def _changing(found: NamedSet, now: Condition, facts: Facts) -> Condition:
    """``now``, or unknown for a packet that a rule has put into the set or taken out of it on its way: there may have
    been no room, and it may have changed since."""
    bit = facts.changes.bits.get(found.key, 0)
    if not bit:
        return now
    met = Not(Masked("in_sets", bit, 0))
    then = All((met, Unknown(f"set {found.key[-1]}", "a rule in front of it changes the set")))
    return AnyOf((All((Not(met), now)) if found.key in facts.changes.removing else now, then))


def _in_ipset(found: NamedSet, directions: tuple[Field, ...], facts: Facts, family: int, depth: int) -> Condition:
    if found.unread:
        return Unknown(f"set {found.key[-1]}", found.unread, ("set", *found.key), _asked_by(directions))
    return _changing(found, _by_elements(found, directions, facts, family, depth), facts)


def _by_elements(found: NamedSet, directions: tuple[Field, ...], facts: Facts, family: int, depth: int) -> Condition:
    """Whether the packet is in an ipset by the elements that it has."""
    if found.kinds == ("set",):
        if depth >= _MAX_LIST_DEPTH:
            return Unknown(f"set {found.key[-1]}", "lists of sets nested too deeply")
        parts: list[Condition] = []
        for member in found.members:
            inner = facts.sets.get(("ipset", member))
            parts.append(
                _in_ipset(inner, directions, facts, family, depth + 1) if inner is not None
                else Unknown(f"set {member}", "the set is not in the snapshot", ("set", "ipset", member),
                             _asked_by(directions))
            )
        return AnyOf(tuple(parts))
    if found.family not in (0, family):
        return FALSE
    fields = _fields_of_kinds(found.kinds, directions)
    return FALSE if fields is None else _elements(found, fields, family)


def _asked_by(directions: tuple[Field, ...]) -> tuple[Field, ...]:
    """Everything that the flags of a match may ask of a packet, whatever the set's kind is."""
    src: tuple[Field, ...] = ("src", "sport", "iif", "mark")
    dst: tuple[Field, ...] = ("dst", "dport", "oif", "mark")
    return tuple(field for direction in directions for field in (src if direction == "src" else dst))


def _fields_of_kinds(kinds: tuple[str, ...], directions: tuple[Field, ...]) -> tuple[Field | None, ...] | None:
    """The packet's field for each kind of an ipset's elements, None for one that a packet's record does not have.

    A protocol takes no direction flag of its own. A match with fewer flags than the set has dimensions is never true,
    one with more looks at the first ones (ip_set_core.c ip_set_test).
    """
    ports: dict[str, Field] = {"src": "sport", "dst": "dport"}
    names: dict[str, Field] = {"src": "iif", "dst": "oif"}
    out: list[Field | None] = []
    left = list(directions)
    for kind in kinds:
        if kind == "proto":
            out.append("proto")
            continue
        if not left:
            return None
        direction = left.pop(0)
        if kind == "addr":
            out.append(direction)
        elif kind == "port":
            out.append(ports[direction])
        elif kind == "iface":
            out.append(names[direction])
        else:
            out.append("mark" if kind == "mark" else None)
    return tuple(out)


def _in_nft_set(found: NamedSet, fields: tuple[Field, ...], family: int) -> Condition:
    if found.unread:
        return Unknown(f"set {found.key[-1]}", found.unread, ("set", *found.key), fields)
    return _elements(found, fields, family)


def _elements(found: NamedSet, fields: tuple[Field | None, ...], family: int) -> Condition:
    first = fields[0]
    if not found.elements and len(fields) == 1 and first is not None:
        own = family if first in ("src", "dst", "orig_src", "orig_dst", "reply_src", "reply_dst") else 0
        return In(first, found.values.get(own, EMPTY))
    taken = [_element(found, element, fields) for element in found.elements if not element.excluded]
    refused = [_element(found, element, fields) for element in found.elements if element.excluded]
    inside: Condition = AnyOf(tuple(taken))
    if refused:
        inside = All((inside, Not(AnyOf(tuple(refused)))))
    return inside


def _element(found: NamedSet, element: Element, fields: tuple[Field | None, ...]) -> Condition:
    parts: list[Condition] = []
    before: IntervalSet | str = ""
    for value, name in zip(element.values, fields, strict=False):
        if name is None:
            parts.append(Unknown(f"set {found.key[-1]}", "it holds hardware addresses"))
        elif isinstance(value, str):
            parts.append(Named(name, value.rstrip("*"), value.endswith("*")))
        elif name in ("sport", "dport") and isinstance(before, IntervalSet) and before <= _ICMP:
            parts.append(_icmp_message(value))
        elif value != ALL:
            parts.append(In(name, value))
        before = value
    return All(tuple(parts))


def _icmp_message(values: IntervalSet) -> Condition:
    """Type and code of ICMP, which stand in a port's place as type × 256 + code."""
    return AnyOf(tuple(All((In("icmp_type", IntervalSet.of(value >> 8)), In("icmp_code", IntervalSet.of(value & 255))))
                       for low, high in values.ranges(0xFFFF) for value in range(low, high + 1)))


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
