"""Lookups in named sets, ipsets and nft's, as conditions on the packet."""

from __future__ import annotations

from fwaudit.model.condition import FALSE, All, AnyOf, Condition, In, InSet, Masked, Named, Not, Unknown
from fwaudit.model.ruleset import Element, NamedSet
from fwaudit.netfilter.facts import Facts
from fwaudit.packet.fields import ICMP, ICMPV6, Field
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

_MAX_LIST_DEPTH = 8
_ICMP = IntervalSet.of(ICMP, ICMPV6)


def in_set(condition: InSet, facts: Facts, family: int) -> Condition:
    """What a lookup in a named set comes to for packets of ``family``, by the elements that the snapshot has."""
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
