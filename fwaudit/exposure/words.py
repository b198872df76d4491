"""Sets of sources in words: *anywhere*, *the local network 192.168.1.0/24*, *10.0.0.0/8 except 10.9.0.0/16*."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from fwaudit.model.report import Exposure, Way
from fwaudit.packet.address import format_address, parse_address, to_cidrs
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import IntervalSet

_NO_HOST = {
    4: IntervalSet.from_ranges([(0, 0x00FFFFFF), (0x7F000000, 0x7FFFFFFF), (0xE0000000, 0xFFFFFFFF)]),
    6: IntervalSet.from_ranges([(0, 1), (0xFE80 << 112, (0xFEC0 << 112) - 1), (0xFF << 120, (1 << 128) - 1)]),
}
"""Sources that do not come from afar: 0/8, loopback, multicast, class E; for IPv6 also link-local."""
_NEARLY = 16
"""So many addresses may be missing from *the local network*: the host's own, the network's and the broadcast one."""
_LINK_LOCAL = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))
_STRANGERS = {4: ("198.51.100.7", "8.8.8.8"), 6: ("2001:db8:99::7", "2001:4860:4860::8888")}
_WIDTH = {4: 32, 6: 128}
_LARGE = 200
"""Borders of a set, and networks, with which words are not kept, since these would be kept as well."""
Networks = tuple[tuple[int, int, int], ...]


def sources_in_words(family: int, sources: IntervalSet, networks: Networks = (), inside: Networks = (),
                     limit: int = 3) -> str:
    """The sources in a few words.

    ``networks`` (family, low, prefix) are those of the interface that the packets come in by. ``inside`` are all
    networks and addresses of this host: those of other interfaces, and its own addresses, come from nowhere else.
    """
    say = _kept_words if len(sources.bounds) + len(inside) < _LARGE else _words
    return say(family, sources, networks, inside, limit)


def _words(family: int, sources: IntervalSet, networks: Networks, inside: Networks, limit: int) -> str:
    if not sources:
        return "nobody"
    top = max_address(family)
    elsewhere = _elsewhere(family, networks, inside)
    missing = IntervalSet((0, top + 1)) - _NO_HOST[family] - sources - elsewhere
    if not missing:
        return "anywhere"
    for of, low, prefix in networks:
        own = _union(family, [(of, low, prefix)])
        if own and sources <= own and (own - sources).size(top) <= _NEARLY:
            return f"the local network {format_address(family, low)}/{prefix}"
    plain = min(sources, _without_holes(family, sources, elsewhere, _own(family, inside)),
                key=lambda area: _count(family, area))
    if _count(family, missing) <= min(limit, _count(family, plain) - 1):
        return f"anywhere except {', '.join(to_cidrs(family, missing))}"
    if _count(family, plain) > 1 and (hull := _hull(family, plain)):
        holes = _union(family, [(family, *hull)]) - plain
        if _count(family, holes) <= min(limit, _count(family, plain) - 1):
            return f"{format_address(family, hull[0])}/{hull[1]} except {', '.join(to_cidrs(family, holes))}"
    return _listed(family, plain, limit)


_kept_words = lru_cache(maxsize=64)(_words)
"""A finding, another and a row of a fleet say the same of the same port."""


def ports_in_words(way: Way) -> str:
    """``source port 53``, ``source ports 20, 53, 67-68``: of a way that only they open."""
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in way.sports]
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    one = len(shown) == 1 and way.sports[0][0] == way.sports[0][1]
    return f"source port{'' if one else 's'} {', '.join(shown[:4])}{more}"


def where_from(exposure: Exposure, networks: Mapping[str, Networks], inside: Networks = ()) -> str:
    """From where an exposure is reached, over which interfaces: ``anywhere (eth0, eth1)``; *nobody* where it is not.

    ``networks``: each interface's own.
    """
    by_words: dict[str, list[str]] = {}
    areas = [(way, area_of(exposure, way)) for way in exposure.ways]
    afar = any(area for way, area in areas if not way.neighbours_only)
    for way, area in areas:
        if not area or (way.neighbours_only and afar):
            continue
        words = sources_in_words(exposure.family, area, networks.get(way.iif, ()), inside)
        if way.neighbours_only:
            words = "neighbours" if words == "anywhere" else f"neighbours as {words}"
        if way.sports:
            words += f" from {ports_in_words(way)}"
        if way.iif not in by_words.setdefault(words, []):
            by_words[words].append(way.iif)
    return "; ".join(f"{words} ({', '.join(names)})" for words, names in by_words.items()) or "nobody"


def area_of(exposure: Exposure, way: Way) -> IntervalSet:
    """The sources that a way adds to its exposure's verdict."""
    if exposure.verdict in ("bypass", "neighbours"):
        return way.bypass
    return way.doubtful if exposure.verdict == "undecided" else way.possibly


def example_source(family: int, sources: IntervalSet, inside: Networks = ()) -> int:
    """One of the sources that stands for them: a stranger's address where there is one, not a martian or our own."""
    for candidate in (parse_address(text)[1] for text in _STRANGERS[family]):
        if candidate in sources:
            return candidate
    for others in (_union(family, inside), _own(family, inside)):
        if plain := sources - _NO_HOST[family] - others:
            return plain.lowest()
    return sources.lowest()


def somebody(family: int, networks: Networks, inside: Networks) -> IntervalSet:
    """The sources that another machine may have which sends by an interface: not the host's own, nor those of its other
    interfaces' networks, nor reserved ones. The parameters are those of `sources_in_words`."""
    elsewhere = _elsewhere(family, networks, inside)
    nobody = (_NO_HOST[family] - _LINK_LOCAL) | _own(family, inside) | elsewhere
    return IntervalSet((0, max_address(family) + 1)) - nobody


def is_nobody(family: int, sources: IntervalSet, inside: Networks = ()) -> bool:
    """True where no other machine has any of these addresses: reserved ones, and this host's own."""
    return sources <= (_NO_HOST[family] - _LINK_LOCAL) | _own(family, inside)


def _without_holes(family: int, sources: IntervalSet, elsewhere: IntervalSet, own: IntervalSet) -> IntervalSet:
    """The sources, and of what comes from nowhere or from elsewhere the holes that it makes in them.

    Nothing is added that stands beside them: it would read as if it got in as well. Single addresses of the host may
    also stand at their edge, as a network's own and its broadcast address do.
    """
    holes = [(low, high) for low, high in (elsewhere - sources).ranges(max_address(family))
             if low - 1 in sources and high + 1 in sources]
    edges = [(low, high) for low, high in (own - sources).ranges(max_address(family))
             if low - 1 in sources or high + 1 in sources]
    return sources | IntervalSet.from_ranges(holes) | IntervalSet.from_ranges(edges)


@lru_cache(maxsize=8)
def _elsewhere(family: int, networks: Networks, inside: Networks) -> IntervalSet:
    """The networks and addresses of the host that are not of the interface with ``networks``."""
    return _union(family, (each for each in inside if each not in networks))


@lru_cache(maxsize=8)
def _own(family: int, inside: Networks) -> IntervalSet:
    """The single addresses among them."""
    return _union(family, (each for each in inside if each[2] == _WIDTH[family]))


def _listed(family: int, area: IntervalSet, limit: int) -> str:
    count = _count(family, area)
    shown = ", ".join(to_cidrs(family, area, limit if count > limit else None))
    if count <= limit:
        return shown
    return f"{shown} and {count - limit:,} more network{'s' if count - limit > 1 else ''}"


def _union(family: int, networks: Iterable[tuple[int, int, int]]) -> IntervalSet:
    width = _WIDTH[family]
    return IntervalSet.from_ranges(
        (low, low + (1 << (width - prefix)) - 1) for of, low, prefix in networks if of == family)


def _hull(family: int, area: IntervalSet) -> tuple[int, int] | None:
    """(low, prefix) of the smallest network around all of the area; None where that is hardly a network any more."""
    width = _WIDTH[family]
    low, high = area.lowest(), max(high for _, high in area.ranges(max_address(family)))
    prefix = width - (low ^ high).bit_length()
    return (low >> (width - prefix) << (width - prefix), prefix) if prefix >= width // 8 else None


def _count(family: int, area: IntervalSet) -> int:
    """How many CIDR networks the area is at the fewest."""
    count = 0
    for low, high in area.ranges(max_address(family)):
        end = high + 1
        while low < end:
            size = low & -low or 1 << 128
            while size > end - low:
                size >>= 1
            low += size
            count += 1
    return count
