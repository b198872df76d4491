"""Addresses as integers: reading and writing them. The slow, exact work on CIDR lists is netaddr's."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Literal

from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import IntervalSet

OCTETS = {str(number): number for number in range(256)}
"""The parts of an IPv4 address as they are printed, and what they are. None has leading zeros: inet_aton takes these
for octal, other readers for decimal."""


def parse_address(text: str) -> tuple[int, int]:
    """``(family, value)`` of one IPv4 or IPv6 address; a zone (``%eth0``) is dropped. Raises ValueError."""
    if ":" not in text:
        try:
            a, b, c, d = text.split(".")
            return 4, OCTETS[a] << 24 | OCTETS[b] << 16 | OCTETS[c] << 8 | OCTETS[d]
        except (KeyError, ValueError):
            raise ValueError(f"not an address: {text!r}") from None
    return 6, _ipv6(text.partition("%")[0])


@lru_cache(maxsize=1 << 10)  # a host names each of its addresses in many places
def _ipv6(text: str) -> int:
    return int(ipaddress.IPv6Address(text))


def format_address(family: int, value: int) -> str:
    """The address in its usual spelling."""
    if family == 4:
        return f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
    return str(ipaddress.IPv6Address(value))


def parse_network(text: str) -> tuple[int, IntervalSet]:
    """``(family, addresses)`` of ``a.b.c.d``, ``a.b.c.d/len``, ``a.b.c.d/mask`` or the IPv6 forms. Raises ValueError.

    A mask may have holes (``/255.0.255.0``), as iptables takes it: then the set is many ranges. A mask that would
    make more than 65,536 ranges raises ValueError; the caller says *undecided* then.
    """
    address, slash, mask = text.partition("/")
    family, value = parse_address(address)
    width = 32 if family == 4 else 128
    if not slash:
        return family, IntervalSet((value, value + 1))
    if mask.isdigit() and mask.isascii():
        length = int(mask)
        if length > width:
            raise ValueError(f"prefix length out of range: {text!r}")
        low = value >> (width - length) << (width - length)
        return family, IntervalSet((low, low + (1 << (width - length))))
    mask_family, bits = parse_address(mask)
    if mask_family != family:
        raise ValueError(f"mask of another family: {text!r}")
    return family, masked(value, bits, width)


def masked(value: int, mask: int, width: int) -> IntervalSet:
    """All numbers x of ``width`` bits with ``x & mask == value & mask``. Raises ValueError beyond 65,536 ranges."""
    free = ~mask & ((1 << width) - 1)
    run = 0
    while run < width and free >> run & 1:
        run += 1
    holes = [bit for bit in range(run, width) if free >> bit & 1]
    if len(holes) > 16:
        raise ValueError("a mask with more than 16 holes")
    base, size = value & mask, 1 << run
    starts = [base]
    for bit in holes:
        starts += [start | 1 << bit for start in starts]
    return IntervalSet.from_ranges((start, start + size - 1) for start in starts)


def to_cidrs(family: int, addresses: IntervalSet, limit: int | None = None) -> list[str]:
    """The fewest CIDR networks that are exactly these addresses, in order; at most ``limit`` of them."""
    out: list[str] = []
    for low, high in addresses.ranges(max_address(family)):
        for network in _range_to_cidrs(family, low, high):
            out.append(network)
            if limit is not None and len(out) >= limit:
                return out
    return out


@lru_cache(maxsize=4096)
def _range_to_cidrs(family: int, low: int, high: int) -> tuple[str, ...]:
    from netaddr import IPAddress, iprange_to_cidrs  # 39 ms to import: only when a list is printed

    version: Literal[4, 6] = 4 if family == 4 else 6
    cidrs = iprange_to_cidrs(IPAddress(low, version), IPAddress(high, version))
    width = 32 if family == 4 else 128
    # spelled by us: netaddr writes ::1:0 in the deprecated form ::0.1.0.0
    texts = ((format_address(family, cidr.first), cidr.prefixlen) for cidr in cidrs)
    return tuple(text if length == width else f"{text}/{length}" for text, length in texts)
