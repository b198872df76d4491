"""Sets of sources in words: *anywhere*, *the local network 192.168.1.0/24*, *10.0.0.0/8 except 10.9.0.0/16*."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.packet.address import format_address, to_cidrs
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import IntervalSet

_NO_HOST = {
    4: IntervalSet.from_ranges([(0, 0x00FFFFFF), (0x7F000000, 0x7FFFFFFF), (0xE0000000, 0xFFFFFFFF)]),
    6: IntervalSet.from_ranges([(0, 1), (0xFE80 << 112, (0xFEC0 << 112) - 1), (0xFF << 120, (1 << 128) - 1)]),
}
"""Sources that do not come from afar: 0/8, loopback, multicast, class E; for IPv6 also link-local."""
_FEW_OWN = 4096
"""So many single addresses may be missing from *anywhere*: the host's own ones, which nobody else can use."""
Networks = Sequence[tuple[int, int, int]]


def sources_in_words(family: int, sources: IntervalSet, networks: Networks = (), limit: int = 3) -> str:
    """The sources in a few words; ``networks`` (family, low, prefix) are the interface's own."""
    if not sources:
        return "nobody"
    top = max_address(family)
    universe = IntervalSet((0, top + 1)) - _NO_HOST[family]
    missing = universe - sources
    if missing.size(top) <= _FEW_OWN and all(high - low < 256 for low, high in missing.ranges(top)):
        return "anywhere"
    for of, low, prefix in networks:
        if of != family:
            continue
        width = 32 if family == 4 else 128
        own = IntervalSet((low, low + (1 << (width - prefix))))
        if sources <= own and (own - sources).size(top) <= 16:
            return f"the local network {format_address(family, low)}/{prefix}"
    if missing.size(top) < sources.size(top) // 2 and (left_out := to_cidrs(family, missing, limit + 1)):
        shown = [cidr for cidr in left_out if not cidr.endswith(("/32", "/128"))] or left_out
        if len(shown) <= limit:
            return f"anywhere except {', '.join(shown)}"
    listed = to_cidrs(family, sources, limit + 1)
    if len(listed) <= limit:
        return ", ".join(listed)
    return f"{', '.join(listed[:limit])} and more"
