"""Named sets and maps of nft's JSON → NamedSet, and their elements for the rules that map by them.

nft 1.0.6 does not print the ``dynamic`` flag of a set in its JSON; a set that a rule adds to, or whose elements have a
timeout, is taken as dynamic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fwaudit.model.ruleset import Element, NamedSet
from fwaudit.netfilter import nft_values as values
from fwaudit.netfilter.nft_values import Symbol, Unreadable, json_text, named, number, read_number, read_range, unwrap
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.records import NamedTuple, dataclass


class SetType(NamedTuple):
    """What one part of a set's elements is. ``kind`` as in NamedSet; ``family`` of addresses, else 0."""

    kind: str
    family: int = 0
    width: int = 32
    symbol: Symbol = number


_TYPES: Final[dict[str, SetType]] = {
    "ipv4_addr": SetType("addr", 4, 32, values.address(4)),
    "ipv6_addr": SetType("addr", 6, 128, values.address(6)),
    "inet_service": SetType("port", 0, 16),
    "inet_proto": SetType("proto", 0, 8, named(values.IP_PROTOCOLS)),
    "mark": SetType("mark"),
    "ifname": SetType("iface"),
    "ether_addr": SetType("mac"),
}
_OTHER: Final = SetType("other")
_RATES: Final = ("limit", "quota", "ct count")
RATED: Final = "each element has a rate limit of its own"


@dataclass(frozen=True, slots=True)
class RawSet:
    """A set or map as the dump has it. ``elements`` are JSON constants, or [key, value] pairs of a map.

    ``rated``: an element may have a limit or a quota, without which a lookup fails (nft_lookup.c, nft_set_elem_expr).
    """

    key: tuple[str, str, str]
    types: tuple[SetType, ...]
    elements: tuple[Any, ...]
    is_map: bool
    dynamic: bool
    rated: bool = False


def read_raw_set(key: tuple[str, str, str], body: Mapping[str, Any], more: list[Any], added_to: bool) -> RawSet:
    """A ``set`` or ``map`` object. ``more``: elements listed elsewhere; ``added_to``: a rule adds elements to it."""
    given = body.get("elem", [])
    listed = given if isinstance(given, list) else [given]
    flags = body.get("flags", [])
    names = {flags} if isinstance(flags, str) else {flag for flag in flags if isinstance(flag, str)} if isinstance(
        flags, list) else set()
    dynamic = added_to or bool(names & {"dynamic", "timeout"}) or "timeout" in body
    elements = (*listed, *more)
    return RawSet(key, _types(body.get("type")), elements, "map" in body, dynamic, _is_rated(body, elements))


def _is_rated(body: Mapping[str, Any], elements: tuple[Any, ...]) -> bool:
    """Whether the set declares a limit for its elements, or one of these shows one."""
    statements = body.get("stmt", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict) and not statement.keys().isdisjoint(_RATES):
            return True
    for element in elements:
        key = element[0] if isinstance(element, list) and element else element
        inner = key.get("elem") if isinstance(key, dict) else None
        if isinstance(inner, dict) and not inner.keys().isdisjoint(_RATES):
            return True
    return False


def _types(declared: Any) -> tuple[SetType, ...]:
    if isinstance(declared, str):
        return tuple(_TYPES.get(name.strip(), _OTHER) for name in declared.split(" . "))
    if isinstance(declared, list):
        return tuple(_TYPES.get(name, _OTHER) if isinstance(name, str) else _typeof(name) for name in declared)
    if isinstance(declared, dict) and "typeof" in declared:
        expression = declared["typeof"]
        if isinstance(expression, dict) and isinstance(expression.get("concat"), list):
            return tuple(_typeof(part) for part in expression["concat"])
        return (_typeof(expression),)
    return (_OTHER,)


_TYPEOF: Final = {
    ("payload", "ip saddr"): "ipv4_addr", ("payload", "ip daddr"): "ipv4_addr",
    ("payload", "ip6 saddr"): "ipv6_addr", ("payload", "ip6 daddr"): "ipv6_addr",
    ("payload", "ip protocol"): "inet_proto", ("payload", "ip6 nexthdr"): "inet_proto",
    ("meta", "l4proto"): "inet_proto", ("meta", "mark"): "mark", ("ct", "mark"): "mark",
    ("meta", "iifname"): "ifname", ("meta", "oifname"): "ifname",
    ("ct", "ip saddr"): "ipv4_addr", ("ct", "ip daddr"): "ipv4_addr",
    ("ct", "ip6 saddr"): "ipv6_addr", ("ct", "ip6 daddr"): "ipv6_addr",
    ("ct", "proto-src"): "inet_service", ("ct", "proto-dst"): "inet_service",
}


def _typeof(expression: Any) -> SetType:
    """The type that ``typeof EXPRESSION`` names, which newer versions print in place of the type."""
    if isinstance(expression, dict) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        if isinstance(body, dict):
            name = str(body.get("key")) if kind in ("meta", "ct") else f"{body.get('protocol')} {body.get('field')}"
            if kind == "payload" and body.get("field") in ("sport", "dport"):
                return _TYPES["inet_service"]
            return _TYPES.get(_TYPEOF.get((str(kind), name), ""), _OTHER)
    return _OTHER


def named_set(raw: RawSet) -> NamedSet:
    """The set as the engine takes it: plain addresses and numbers as ``values``, all else as ``elements``."""
    kinds = tuple(part.kind for part in raw.types)
    if raw.rated:
        return NamedSet(raw.key, kinds, dynamic=raw.dynamic, unread=RATED)
    try:
        if len(raw.types) == 1 and raw.types[0].kind in ("addr", "port", "proto", "mark"):
            part = raw.types[0]
            return NamedSet(raw.key, kinds, values={part.family: _plain(raw.elements, part)}, dynamic=raw.dynamic)
        elements = tuple(_element(element, raw.types) for element in raw.elements)
    except Unreadable as error:
        return NamedSet(raw.key, kinds, dynamic=raw.dynamic, unread=f"an element does not read: {error}")
    return NamedSet(raw.key, kinds, elements=elements, dynamic=raw.dynamic)


def _plain(elements: tuple[Any, ...], part: SetType) -> IntervalSet:
    width, symbol = part.width, part.symbol
    ranges: list[tuple[int, int]] = []
    for element in elements:
        if element.__class__ is str and element != "*" and "/" not in element:  # as most are
            value = read_number(element, width, symbol)
            ranges.append((value, value))
            continue
        element = unwrap(element)
        if element == "*":
            return ALL
        ranges.append(read_range(element, width, symbol))
    return IntervalSet.from_ranges(ranges)


def _element(element: Any, types: tuple[SetType, ...]) -> Element:
    expires = isinstance(element, dict) and isinstance(element.get("elem"), dict) and "timeout" in element["elem"]
    element = unwrap(element)
    if element == "*":
        return Element(tuple("*" if part.kind == "iface" else ALL for part in types), expires=expires)
    parts: list[Any]
    if len(types) == 1:
        parts = [element]
    elif isinstance(element, dict) and isinstance(element.get("concat"), list):
        parts = element["concat"]
    else:
        raise Unreadable(json_text(element))
    if len(parts) != len(types):
        raise Unreadable(json_text(element))
    return Element(tuple(_part(value, part) for value, part in zip(parts, types, strict=True)), expires=expires)


def _part(value: Any, part: SetType) -> IntervalSet | str:
    if part.kind == "iface":
        if not isinstance(value, str) or value.endswith("\\*"):
            raise Unreadable(json_text(value))
        return value
    if part.kind in ("mac", "other"):
        return json_text(value)
    return values.read_values(value, part.width, part.symbol)
