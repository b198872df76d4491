"""iprange: addresses from one to another, both included (xt_iprange.c)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fwaudit.model.condition import Condition, In
from fwaudit.netfilter.matches._option import Match, Reader, by_option
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet


@lru_cache(maxsize=4096)
def address_range(text: str, family: int) -> tuple[int, int]:
    """``a`` or ``a-b`` as (low, high). Raises ValueError, also for the other family."""
    low, dash, high = text.partition("-")
    first = parse_address(low)
    last = parse_address(high) if dash else first
    if first[0] != family or last[0] != family or last[1] < first[1]:
        raise ValueError(f"not a range of IPv{family} addresses: {text!r}")
    return first[1], last[1]


def _in(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    return lambda arguments, family: In(field, IntervalSet.range(*address_range(arguments[0], family)))


IPRANGE: Match = by_option({"--src-range": Reader(1, _in("src")), "--dst-range": Reader(1, _in("dst"))})
