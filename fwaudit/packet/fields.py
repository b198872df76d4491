"""The dimensions of a packet that rules can ask about, and how wide they are.

Every field is an unsigned integer but the interface names. One address (the *peer*: the source of a packet that comes
in, the destination of the answer to it) stays a set while rules are walked; all other fields are single values. Rules
ask "from where", and the peer is that "where".
"""

from __future__ import annotations

from typing import Final, Literal

Field = Literal[
    "src", "dst", "sport", "dport", "proto",          # the packet as it is now
    "icmp_type", "icmp_code", "tcp_flags",
    "iif", "oif", "physin", "physout", "iif_index", "oif_index",
    "family",                                         # 4 or 6
    "mark", "ct_mark",
    "ct_state", "ct_direction", "ct_snat", "ct_dnat",  # ct_state: one of the STATE_ values; ct_snat/ct_dnat: 0 or 1
    "orig_src", "orig_dst", "orig_sport", "orig_dport",
    "reply_src", "reply_dst", "reply_sport", "reply_dport",
    "bridged",                                        # 1 while the packet crosses a bridge without being routed
    "pkttype",                                        # 0 to this host, 1 broadcast, 2 multicast
    "locally_made",                                   # 1 for a packet that a socket of this host sends
    "in_sets",                                        # a bit for each named set that a rule has changed for it
]

STATE_INVALID: Final = 0
STATE_ESTABLISHED: Final = 1
STATE_RELATED: Final = 2
STATE_NEW: Final = 3
STATE_UNTRACKED: Final = 4

ICMP: Final = 1
IGMP: Final = 2
TCP: Final = 6
UDP: Final = 17
DCCP: Final = 33
GRE: Final = 47
ESP: Final = 50
AH: Final = 51
ICMPV6: Final = 58
SCTP: Final = 132
UDPLITE: Final = 136

PROTOCOLS: Final[dict[str, int]] = {
    "icmp": ICMP, "igmp": IGMP, "ipencap": 4, "ipv4": 4, "tcp": TCP, "egp": 8, "igp": 9, "udp": UDP, "dccp": DCCP,
    "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": GRE, "esp": ESP, "ah": AH, "icmpv6": ICMPV6,
    "ipv6-icmp": ICMPV6, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ipip": 94, "pim": 103,
    "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": SCTP, "mobility-header": 135, "ipv6-mh": 135, "mh": 135,
    "udplite": UDPLITE, "hopopt": 0,
}
"""Protocol names as iptables and nft print them (from /etc/protocols and their own tables)."""

PROTOCOL_NAMES: Final[dict[int, str]] = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMPV6: "icmpv6",
                                         DCCP: "dccp", UDPLITE: "udplite"}
PORT_PROTOCOLS: Final = frozenset({TCP, UDP, DCCP, SCTP, UDPLITE})

MAX_PORT: Final = 65535


def max_address(family: int) -> int:
    """The highest address of a family, 4 or 6."""
    return 0xFFFFFFFF if family == 4 else (1 << 128) - 1
