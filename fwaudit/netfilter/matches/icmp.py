"""icmp and icmp6: types and codes. IPv4's type 255 means any (ip_tables.c icmp_type_code_match)."""

from __future__ import annotations

from collections.abc import Mapping

from fwaudit.model.condition import TRUE, Condition, In
from fwaudit.netfilter.matches._option import Match, Reader, all_of, by_option, number
from fwaudit.packet.intervals import IntervalSet

TYPES4: dict[str, tuple[int, int | None]] = {
    "any": (255, None), "echo-reply": (0, None), "pong": (0, None), "destination-unreachable": (3, None),
    "network-unreachable": (3, 0), "host-unreachable": (3, 1), "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3), "fragmentation-needed": (3, 4), "source-route-failed": (3, 5),
    "network-unknown": (3, 6), "host-unknown": (3, 7), "network-prohibited": (3, 9), "host-prohibited": (3, 10),
    "tos-network-unreachable": (3, 11), "tos-host-unreachable": (3, 12), "communication-prohibited": (3, 13),
    "host-precedence-violation": (3, 14), "precedence-cutoff": (3, 15), "source-quench": (4, None),
    "redirect": (5, None), "network-redirect": (5, 0), "host-redirect": (5, 1), "tos-network-redirect": (5, 2),
    "tos-host-redirect": (5, 3), "echo-request": (8, None), "ping": (8, None), "router-advertisement": (9, None),
    "router-solicitation": (10, None), "time-exceeded": (11, None), "ttl-exceeded": (11, None),
    "ttl-zero-during-transit": (11, 0), "ttl-zero-during-reassembly": (11, 1), "parameter-problem": (12, None),
    "ip-header-bad": (12, 0), "required-option-missing": (12, 1), "timestamp-request": (13, None),
    "timestamp-reply": (14, None), "address-mask-request": (17, None), "address-mask-reply": (18, None),
}
TYPES6: dict[str, tuple[int, int | None]] = {
    "destination-unreachable": (1, None), "no-route": (1, 0), "communication-prohibited": (1, 1),
    "beyond-scope": (1, 2), "address-unreachable": (1, 3), "port-unreachable": (1, 4), "failed-policy": (1, 5),
    "reject-route": (1, 6), "packet-too-big": (2, None), "time-exceeded": (3, None), "ttl-exceeded": (3, None),
    "ttl-zero-during-transit": (3, 0), "ttl-zero-during-reassembly": (3, 1), "parameter-problem": (4, None),
    "bad-header": (4, 0), "unknown-header-type": (4, 1), "unknown-option": (4, 2), "echo-request": (128, None),
    "ping": (128, None), "echo-reply": (129, None), "pong": (129, None), "router-solicitation": (133, None),
    "router-advertisement": (134, None), "neighbour-solicitation": (135, None), "neighbor-solicitation": (135, None),
    "neighbour-advertisement": (136, None), "neighbor-advertisement": (136, None), "redirect": (137, None),
}


def type_and_code(text: str, names: Mapping[str, tuple[int, int | None]]) -> tuple[int, int | None]:
    """A name of ``names``, ``type`` or ``type/code``; no code: None. Raises ValueError."""
    found = names.get(text.lower())
    if found is not None:
        return found
    kind, slash, code = text.partition("/")
    return number(kind, 255), number(code, 255) if slash else None


def _condition(kind: int, code: int | None) -> Condition:
    parts: list[Condition] = [In("icmp_type", IntervalSet.of(kind))]
    if code is not None:
        parts.append(In("icmp_code", IntervalSet.of(code)))
    return all_of(parts)


def _icmp4(arguments: tuple[str, ...], family: int) -> Condition:
    kind, code = type_and_code(arguments[0], TYPES4)
    return TRUE if kind == 255 else _condition(kind, code)


def _icmp6(arguments: tuple[str, ...], family: int) -> Condition:
    return _condition(*type_and_code(arguments[0], TYPES6))


ICMP: Match = by_option({"--icmp-type": Reader(1, _icmp4)})
ICMP6: Match = by_option({"--icmpv6-type": Reader(1, _icmp6)})
