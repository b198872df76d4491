"""Targets whose outcome the ruleset does not tell."""

from __future__ import annotations

from collections.abc import Mapping

from fwaudit.netfilter.targets._target import TargetKind, undecidable

_PROGRAM = "a program on the host decides (NFQUEUE)"

UNDECIDABLE: Mapping[str, TargetKind] = {
    "CHAOS": undecidable("CHAOS", "one of several targets by chance"),
    "CLUSTERIP": undecidable("CLUSTERIP", "a cluster of hosts shares the address"),
    "DELUDE": undecidable("DELUDE", "answers like a closed or an open port"),
    "DNPT": undecidable("DNPT", "the prefix of the destination is rewritten", terminal=False),
    "ECHO": undecidable("ECHO", "answers in place of a service"),
    "FULLCONENAT": undecidable("FULLCONENAT", "full cone NAT"),
    "HMARK": undecidable("HMARK", "a mark that is a hash of the packet", terminal=False),
    "IPMARK": undecidable("IPMARK", "a mark that is made from the address", terminal=False),
    "NFQUEUE": undecidable("NFQUEUE", _PROGRAM),
    "QUEUE": undecidable("QUEUE", _PROGRAM),
    "RAWDNAT": undecidable("RAWDNAT", "rewrites the destination without connection tracking", terminal=False),
    "RAWSNAT": undecidable("RAWSNAT", "rewrites the source without connection tracking", terminal=False),
    "SNPT": undecidable("SNPT", "the prefix of the source is rewritten", terminal=False),
    "STEAL": undecidable("STEAL", "takes the packet away"),
    "SYNPROXY": undecidable("SYNPROXY", "the kernel answers first (SYNPROXY)"),
    "TARPIT": undecidable("TARPIT", "answers and holds the connection"),
    "TPROXY": undecidable("TPROXY", "a transparent proxy may take the packet"),
}
