"""addrtype: what kind of address the host takes it for (xt_addrtype.c)."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import AddressType, Condition, Unknown
from fwaudit.netfilter.matches._option import Match, Option, all_of, negate
from fwaudit.packet.fields import Field

_TYPES = frozenset({"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable",
                    "prohibit", "throw", "nat", "xresolve"})
_BY_LOOKUP6 = frozenset({"anycast", "local", "prohibit", "unreachable"})
_FIELDS: dict[str, Field] = {"--src-type": "src", "--dst-type": "dst"}
_LIMITS = {"--limit-iface-in": "iif", "--limit-iface-out": "oif"}


def _condition(option: Option, interface: str, family: int) -> Condition:
    """The types of an IPv4 lookup exclude each other, so that several mean *one of*. For IPv6 (match_type6) the
    multicast, unicast and unspec bits are each a demand of their own, and only the rest is one lookup."""
    kinds = frozenset(option.arguments[0].lower().split(","))
    if not kinds <= _TYPES:
        raise ValueError(f"not an address type: {sorted(kinds - _TYPES)[0]!r}")
    field = _FIELDS[option.name]
    if family == 4:
        return AddressType(field, kinds, interface)
    parts: list[Condition] = [AddressType(field, frozenset({kind}), "") for kind in sorted(kinds - _BY_LOOKUP6)]
    if kinds & _BY_LOOKUP6:
        parts.append(AddressType(field, kinds & _BY_LOOKUP6, interface))
    return all_of(parts)


def _parse(options: Sequence[Option], family: int) -> Condition:
    interface = next((_LIMITS[option.name] for option in options if option.name in _LIMITS), "")
    parts: list[Condition] = []
    for option in options:
        if option.name in _LIMITS:
            continue
        if option.name not in _FIELDS or len(option.arguments) != 1:
            parts.append(Unknown(option.text, "option not known"))
            continue
        try:
            condition = _condition(option, interface, family)
        except ValueError as error:
            parts.append(Unknown(option.text, f"does not read: {error}"))
            continue
        parts.append(negate(condition) if option.negated else condition)
    return all_of(parts)


ADDRTYPE: Match = Match({**dict.fromkeys(_FIELDS, 1), **dict.fromkeys(_LIMITS, 0)}, _parse)
