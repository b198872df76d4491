"""Matches that nft may have merged: what its listing says of them is not what the kernel does.

nft joins matches on neighbouring fields of one header into one comparison (nftables src/rule.c, stmt_reduce), and does
so for ``!=`` as well: ``tcp sport != 22 tcp dport != 80`` is loaded as "the four bytes are not 22 and 80", which lets a
packet pass that differs in one of the two. Its listing takes the comparison apart again and prints two matches, in the
order of the header. Whether they are one or two in the kernel, where another program may have put two, cannot be seen
(nft 1.0.6; the kernel's own trace shows it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fwaudit.model.condition import Condition, Unknown
from fwaudit.netfilter.nft_condition import both, either

_PORTS: Final = {"sport": (0, 16), "dport": (16, 16)}
_TYPES: Final = {"type": (0, 8), "code": (8, 8)}
_FIELDS: Final[dict[str, dict[str, tuple[int, int]]]] = {
    **dict.fromkeys(("tcp", "udp", "udplite", "sctp", "dccp", "th"), _PORTS),
    "icmp": _TYPES, "icmpv6": _TYPES,
    "ip": {"length": (16, 16), "id": (32, 16), "ttl": (64, 8), "protocol": (72, 8), "saddr": (96, 32),
           "daddr": (128, 32)},
    "ip6": {"length": (32, 16), "nexthdr": (48, 8), "hoplimit": (56, 8), "saddr": (64, 128), "daddr": (192, 128)},
}
"""Where fields lie in their header: (offset, length) in bits. RFC 791, 8200, 9293, 792, 4443."""
_WHY: Final = "nft joins such matches into one, which holds where any of them does; its listing does not tell"


def merged_run(statements: Sequence[Any], position: int) -> int:
    """How many statements from ``position`` on may be one comparison in the kernel: at least 2, or 0."""
    count, place = 0, _place(statements[position])
    while place is not None:
        count += 1
        following = _place(statements[position + count]) if position + count < len(statements) else None
        header, offset, length = place
        place = following if following is not None and following[:2] == (header, offset + length) else None
    return count if count > 1 else 0


def in_either_way(conditions: list[Condition], text: str) -> Condition:
    """The conditions of such a run: all hold where none is merged, one is enough where they are."""
    return either([both(conditions), both([either(conditions), Unknown(text, _WHY)])])


def _place(statement: Any) -> tuple[str, int, int] | None:
    """(header, offset, length) of the field that a plain ``field != constant`` asks for; None for any other."""
    body = statement.get("match") if isinstance(statement, dict) and len(statement) == 1 else None
    if not isinstance(body, dict) or body.get("op") != "!=" or not isinstance(body.get("left"), dict):
        return None
    right, payload = body.get("right"), body["left"].get("payload")
    if not isinstance(right, str | int) or str(right).startswith("@") or not isinstance(payload, dict):
        return None
    base, offset, length = payload.get("base"), payload.get("offset"), payload.get("len")
    if isinstance(base, str) and isinstance(offset, int) and isinstance(length, int):
        return f"@{base}", offset, length
    header, field = payload.get("protocol"), payload.get("field")
    if not isinstance(header, str) or not isinstance(field, str):
        return None
    found = _FIELDS.get(header, {}).get(field)
    return None if found is None else (header, *found)
