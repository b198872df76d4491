"""Constants of nft's JSON: addresses, ports, protocols, marks, flags, names. See libnftables-json(5), EXPRESSIONS.

A constant is a number, a string, a prefix, a range, flags joined by ``|`` or an element with extras around it; all of
them are read into an IntervalSet. What does not read raises `Unreadable`, and the caller says *unknown*.

The names are those that nft prints (its src/datatype.c and src/proto.c), as seen in the output of nft 1.0.6.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import ALL, IntervalSet

TEXT_LIMIT: Final = 500
_INVALID_TYPE: Final = " [invalid type]"
"""Behind numbers whose type nft has lost, as ports of ``ct original proto-dst`` in 1.0.6."""

Symbol = Callable[[str], int]
"""A name as nft prints it → its number. Raises ValueError for one that is not known."""


class Unreadable(ValueError):
    """A constant or expression that is not understood; the message is its JSON text, bounded."""


def json_text(value: Any) -> str:
    """The JSON of something not understood, at most 500 characters of it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def number(text: str) -> int:
    """A decimal or 0x number. Raises ValueError for anything else, and for absurdly long ones."""
    if not text.isascii() or len(text) > 64 or "_" in text:
        raise ValueError("not a number")
    return int(text, 16) if text[:2].lower() == "0x" else int(text)


def named(names: Mapping[str, int]) -> Symbol:
    """A reader of one of ``names``, or a plain number."""

    def read(text: str) -> int:
        value = names.get(text)
        return number(text) if value is None else value

    return read


def address(family: int) -> Symbol:
    """A reader of addresses of one family, 4 or 6."""

    def read(text: str) -> int:
        found, value = parse_address(text)
        if found != family:
            raise ValueError("an address of another family")
        return value

    return read


def unwrap(value: Any) -> Any:
    """The constant inside an ``elem`` (comment, timeout and counter are around it)."""
    while isinstance(value, dict) and isinstance(value.get("elem"), dict) and "val" in value["elem"]:
        value = value["elem"]["val"]
    return value


def read_number(value: Any, width: int, symbol: Symbol) -> int:
    """One constant, or several flags joined (a list, or ``|``). Raises Unreadable."""
    value = unwrap(value)
    if isinstance(value, str) and value.endswith(_INVALID_TYPE):
        value = value.removesuffix(_INVALID_TYPE)
    if isinstance(value, int):
        result = int(value)
    elif isinstance(value, str):
        try:
            result = symbol(value)
        except ValueError:
            raise Unreadable(json_text(value)) from None
    elif isinstance(value, dict) and len(value) == 1 and isinstance(value.get("|"), list) and value["|"]:
        return _joined(value["|"], width, symbol)
    elif isinstance(value, list) and value:
        return _joined(value, width, symbol)
    else:
        raise Unreadable(json_text(value))
    if not 0 <= result < 1 << width:
        raise Unreadable(json_text(value))
    return result


def _joined(values: list[Any], width: int, symbol: Symbol) -> int:
    result = 0
    for value in values:
        result |= read_number(value, width, symbol)
    return result


def read_values(value: Any, width: int, symbol: Symbol) -> IntervalSet:
    """Every value that one constant stands for: a number, a prefix, a range, ``*`` (all). Raises Unreadable."""
    value = unwrap(value)
    if isinstance(value, str) and value == "*":
        return ALL
    return IntervalSet.range(*read_range(value, width, symbol))


def read_range(value: Any, width: int, symbol: Symbol) -> tuple[int, int]:
    """The first and last value of one constant. Raises Unreadable."""
    value = unwrap(value)
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(value.get("range"), list) and len(value["range"]) == 2:
            low, high = (read_number(end, width, symbol) for end in value["range"])
            if low > high:
                raise Unreadable(json_text(value))
            return low, high
        if isinstance(value.get("prefix"), dict):
            prefix = value["prefix"]
            base, length = read_number(prefix.get("addr"), width, symbol), prefix.get("len")
            if not isinstance(length, int) or not 0 <= length <= width:
                raise Unreadable(json_text(value))
            low = base >> (width - length) << (width - length)
            return low, low + (1 << (width - length)) - 1
    if isinstance(value, str) and "/" in value:
        base_text, _, length_text = value.partition("/")
        return read_range({"prefix": {"addr": base_text, "len": _length(length_text)}}, width, symbol)
    low = read_number(value, width, symbol)
    return low, low


def _length(text: str) -> int:
    try:
        return number(text)
    except ValueError:
        raise Unreadable(json_text(text)) from None


def members(value: Any) -> list[Any] | None:
    """The elements of an anonymous set (``{"set": …}``); None where it is something else."""
    if isinstance(value, dict) and len(value) == 1 and "set" in value:
        return value["set"] if isinstance(value["set"], list) else [value["set"]]
    return None


TCP_FLAGS: Final = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}

CT_STATES: Final = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}

CT_STATUS: Final = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32,
                    "dying": 512}

CT_DIRECTIONS: Final = {"original": 0, "reply": 1}

NFPROTO: Final = {"ipv4": 2, "ipv6": 10, "unspec": 0, "inet": 1, "arp": 3, "netdev": 5, "bridge": 7}

ETHERTYPES: Final = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806, "vlan": 0x8100, "8021q": 0x8100, "8021ad": 0x88A8}

PKTTYPES: Final = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3, "otherhost": 3}

IP_PROTOCOLS: Final = {**PROTOCOLS, "ip": 0, "comp": 108, "ipcomp": 108, "fc": 133, "mptcp": 262, "tlsp": 56,
                       "encap": 98, "rsvp": 46, "idp": 22, "tp": 29, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142}

ICMP_TYPES: Final = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
    "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
    "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
    "address-mask-request": 17, "address-mask-reply": 18,
}

ICMP_CODES: Final = {"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
                     "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13}

ICMPV6_TYPES: Final = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
    "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
    "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}

ICMPV6_CODES: Final = {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
                       "policy-fail": 5, "reject-route": 6}
