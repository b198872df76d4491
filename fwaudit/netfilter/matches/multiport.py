"""multiport: up to 15 ports and ranges (xt_multiport.c ports_match_v1)."""

from __future__ import annotations

from collections.abc import Callable

from fwaudit.model.condition import AnyOf, Condition, In
from fwaudit.netfilter.matches._option import Match, Reader, by_option, port_range
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet


def _ports(text: str) -> IntervalSet:
    return IntervalSet.from_ranges(port_range(part) for part in text.split(","))


def _in(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    return lambda arguments, family: In(field, _ports(arguments[0]))


def _either(arguments: tuple[str, ...], family: int) -> Condition:
    ports = _ports(arguments[0])
    return AnyOf((In("sport", ports), In("dport", ports)))


_SPORTS, _DPORTS = Reader(1, _in("sport")), Reader(1, _in("dport"))

MULTIPORT: Match = by_option({
    "--sports": _SPORTS, "--source-ports": _SPORTS, "--dports": _DPORTS, "--destination-ports": _DPORTS,
    "--ports": Reader(1, _either),
})
