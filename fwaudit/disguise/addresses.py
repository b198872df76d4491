"""Addresses replaced so that networks stay networks: a keyed mapping that preserves prefixes.

Two addresses that share their first n bits share the first n bits of what stands for them (Xu et al.,
"Prefix-preserving IP address anonymization", 2002), so subnets, routes and rules about networks hold
between the replacements as before.
Each node of the tree of prefixes either swaps its two halves, as the key says, or not; where nothing above has, the
fourth one that may does, so that no address and no network stays itself by chance. Nodes are *pinned*, and then never
swap, where meaning hangs on the bits themselves:

- at the edges of blocks that mean something everywhere (private, shared, link-local, multicast, loopback, …), so that
  what was private stays private, in the same block, and nothing else becomes so. Loopback, multicast and the reserved
  blocks stay as they are;
- along both ends of a range ``a-b``, which stays a range, and along the first and last address of an IPv4 network
  that the host stands in, which stay its own and its broadcast address.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from fwaudit.packet.intervals import IntervalSet

_KEPT = {
    4: ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
    6: ("::/64", "ff00::/8"),
}
"""Their addresses are the same on every host, and say nothing of this one."""
_BLOCKS = {
    4: (*_KEPT[4], "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
    6: (*_KEPT[6], "fc00::/7", "fd00::/8", "fe80::/10", "fe80::/64", "fec0::/10", "2000::/3"),
}
"""Whoever is in one stays in it (RFC 1918, 3927, 4193, 4291, 6598)."""
_EMBEDDING = (0xFFFF, 0x64FF9B << 64)
"""The upper 96 bits of IPv6 addresses that hold an IPv4 one: ``::ffff:0:0/96``, ``64:ff9b::/96`` (RFC 6052)."""
WIDTH = {4: 32, 6: 128}
_UNCHANGED = 3
"""So many nodes on the way down may go by without a swap where all of them could have. The next one swaps, and so does
the last bit: that one depends on the way down alone, so that the mapping still preserves prefixes."""


class Addresses:
    """The mapping that belongs to a key. ``pin`` before the first ``of``: later it would change answers given."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._pinned: dict[int, set[tuple[int, int]]] = {4: set(), 6: set()}
        self._kept: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        self._swapped: dict[tuple[int, int, int], bool] = {}
        self._known: dict[tuple[int, int, int], int] = {}
        self.seen: dict[tuple[int, int], int] = {}
        """(family, address) → what stands for it, for each single address that was asked about."""
        for family, blocks in _BLOCKS.items():
            for text in blocks:
                value, length = _network(text)
                self._pin(family, value, 0, length)
                if text in _KEPT[family]:
                    self._kept[family].append((value >> WIDTH[family] - length, length))

    def pin(self, family: int, low: int, high: int) -> None:
        """A range of addresses that has to stay one, from the replacement of ``low`` to that of ``high``."""
        shared = WIDTH[family] - (low ^ high).bit_length()
        for end in (low, high):
            self._pin(family, end, shared, WIDTH[family])

    def of(self, family: int, value: int, length: int | None = None) -> int:
        """What stands for an address, or for a network of that prefix length (its bits below stay as they are)."""
        width = WIDTH[family]
        length = width if length is None else length
        if family == 6 and value >> 32 in _EMBEDDING and length >= 96:
            return value >> 32 << 32 | self.of(4, value & 0xFFFFFFFF, length - 96)
        known = self._known.get((family, value, length))
        if known is None:
            known = self._known[family, value, length] = self._mapped(family, value, length)
            if length == width:
                self.seen[family, value] = known
        return known

    def set_of(self, family: int, values: IntervalSet) -> IntervalSet:
        """What stands for a set of addresses, exactly."""
        ranges = []
        for low, high in values.ranges((1 << WIDTH[family]) - 1):
            for first, length in _networks(low, high, WIDTH[family]):
                size = 1 << WIDTH[family] - length
                begin = self.of(family, first, length) if length else 0
                ranges.append((begin, begin + size - 1))
        return IntervalSet.from_ranges(ranges)

    def is_kept(self, family: int, value: int) -> bool:
        """Whether the address is in a block whose addresses mean the same on every host."""
        return any(value >> WIDTH[family] - length == bits for bits, length in self._kept[family])

    def _pin(self, family: int, value: int, above: int, length: int) -> None:
        self._pinned[family] |= {(depth, value >> WIDTH[family] - depth) for depth in range(above, length)}

    def _mapped(self, family: int, value: int, length: int) -> int:
        width, pinned = WIDTH[family], self._pinned[family]
        if self.is_kept(family, value):
            return value
        flips = passed = 0
        for depth in range(length):
            above = value >> width - depth
            if (depth, above) in pinned:
                continue
            due = not flips and (passed == _UNCHANGED or depth == width - 1)
            if due or self._swaps(family, depth, above):
                flips |= 1 << width - depth - 1
            passed += 1
        return value ^ flips

    def _swaps(self, family: int, depth: int, above: int) -> bool:
        known = self._swapped.get((family, depth, above))
        if known is None:
            known = self._swapped[family, depth, above] = self._asked(family, depth, above)
        return known

    def _asked(self, family: int, depth: int, above: int) -> bool:
        return bool(hmac.digest(self._key, b"%d %d %d" % (family, depth, above), "sha256")[0] & 1)


def _networks(low: int, high: int, width: int) -> Iterable[tuple[int, int]]:
    """A range as networks (first address, prefix length)."""
    while low <= high:
        size = low & -low or 1 << width
        while size > high - low + 1:
            size >>= 1
        yield low, width - size.bit_length() + 1
        low += size


def _network(text: str) -> tuple[int, int]:
    from fwaudit.packet.address import parse_address

    address, _, length = text.partition("/")
    return parse_address(address)[1], int(length)
