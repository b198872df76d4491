"""pkttype: how the frame was addressed on its wire (xt_pkttype.c; values of linux/if_packet.h)."""

from __future__ import annotations

from fwaudit.model.condition import Condition, In
from fwaudit.netfilter.matches._option import Match, Reader, by_option
from fwaudit.packet.intervals import IntervalSet

_TYPES = {"unicast": 0, "host": 0, "broadcast": 1, "bcast": 1, "multicast": 2, "mcast": 2, "otherhost": 3}


def _read(arguments: tuple[str, ...], family: int) -> Condition:
    if arguments[0] not in _TYPES:
        raise ValueError(f"not a packet type: {arguments[0]!r}")
    return In("pkttype", IntervalSet.of(_TYPES[arguments[0]]))


PKTTYPE: Match = by_option({"--pkt-type": Reader(1, _read)})
