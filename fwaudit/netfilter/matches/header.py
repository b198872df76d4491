"""Parts of the packet's header that no service decides by: lifetimes, lengths, extension headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fwaudit.model.condition import FALSE, Condition
from fwaudit.netfilter.matches._option import Match, Option, undecided


def _no_routing_header(options: Sequence[Option], family: int) -> Condition:
    """A plain packet has no routing header, and rt_mt6 fails without one, negated or not (ip6t_rt.c)."""
    return FALSE


_RT = {"--rt-type": 1, "--rt-segsleft": 1, "--rt-len": 1, "--rt-0-res": 0, "--rt-0-addrs": 1, "--rt-0-not-strict": 0}

HEADER: Mapping[str, Match] = {
    "rt": Match(_RT, _no_routing_header),
    "hl": undecided("hop limit of the packet", {"--hl-eq": 1, "--hl-lt": 1, "--hl-gt": 1}, "hl"),
    "ttl": undecided("time to live of the packet", {"--ttl-eq": 1, "--ttl": 1, "--ttl-lt": 1, "--ttl-gt": 1}, "ttl"),
    "length": undecided("length of the packet", {"--length": 1}, "length"),
    "dscp": undecided("service class of the packet (DSCP)", {"--dscp": 1, "--dscp-class": 1}, "dscp"),
    "tos": undecided("service class of the packet (TOS)", {"--tos": 1}, "tos"),
    "ecn": undecided("congestion marks of the packet (ECN)",
                     {"--ecn-tcp-cwr": 0, "--ecn-tcp-ece": 0, "--ecn-ip-ect": 1}, "ecn"),
    "frag": undecided("fragments", {"--fragid": 1, "--fraglen": 1, "--fragres": 0, "--fragfirst": 0, "--fragmore": 0,
                                    "--fraglast": 0}, "frag"),
    "ipv6header": undecided("extension headers of the packet", {"--header": 1, "--soft": 0}, "ipv6header"),
    "hbh": undecided("hop-by-hop options of the packet", {"--hbh-len": 1, "--hbh-opts": 1}, "hbh"),
    "dst": undecided("destination options of the packet", {"--dst-len": 1, "--dst-opts": 1}, "dst"),
    "srh": undecided("segment routing header of the packet", None, "srh"),
    "mh": undecided("mobility header of the packet", {"--mh-type": 1}, "mh"),
    "eui64": undecided("whether the address is made from the sender's hardware address", {}, "eui64"),
    "ah": undecided("IPsec numbers of the packet", {"--ahspi": 1, "--ahlen": 1, "--ahres": 0}, "ah"),
    "esp": undecided("IPsec numbers of the packet", {"--espspi": 1}, "esp"),
    "ipcomp": undecided("IPsec numbers of the packet", {"--ipcompspi": 1, "--compres": 0}, "ipcomp"),
    "tcpmss": undecided("segment size of the packet", {"--mss": 1}, "tcpmss"),
    "ipv4options": undecided("IP options of the packet", None, "ipv4options"),
}
