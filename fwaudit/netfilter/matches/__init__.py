"""What matches say: the registry of match modules, by the name that ``-m`` gives.

A match that is not here is Unknown with its whole text: nothing of a rule is ever dropped. To add one, write a module
with a `Match`, name it here, and give it a table in tests/tables/matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fwaudit.netfilter.matches._option import Match
from fwaudit.netfilter.matches.addrtype import ADDRTYPE
from fwaudit.netfilter.matches.comment import COMMENT
from fwaudit.netfilter.matches.conntrack import CONNTRACK
from fwaudit.netfilter.matches.devgroup import DEVGROUP
from fwaudit.netfilter.matches.header import HEADER
from fwaudit.netfilter.matches.icmp import ICMP, ICMP6
from fwaudit.netfilter.matches.iprange import IPRANGE
from fwaudit.netfilter.matches.mark import CONNMARK, MARK
from fwaudit.netfilter.matches.multiport import MULTIPORT
from fwaudit.netfilter.matches.physdev import PHYSDEV
from fwaudit.netfilter.matches.pkttype import PKTTYPE
from fwaudit.netfilter.matches.policy import POLICY
from fwaudit.netfilter.matches.process import CGROUP, OWNER
from fwaudit.netfilter.matches.rpfilter import RPFILTER
from fwaudit.netfilter.matches.set import SET
from fwaudit.netfilter.matches.stateful import STATEFUL
from fwaudit.netfilter.matches.transport import DCCP, SCTP, TCP, UDP
from fwaudit.netfilter.matches.undecidable import UNDECIDABLE

MATCHES: Final[Mapping[str, Match]] = {
    "addrtype": ADDRTYPE,
    "cgroup": CGROUP,
    "comment": COMMENT,
    "connmark": CONNMARK,
    "conntrack": CONNTRACK,
    "dccp": DCCP,
    "devgroup": DEVGROUP,
    "icmp": ICMP,
    "icmp6": ICMP6,
    "icmpv6": ICMP6,
    "iprange": IPRANGE,
    "mark": MARK,
    "multiport": MULTIPORT,
    "owner": OWNER,
    "physdev": PHYSDEV,
    "pkttype": PKTTYPE,
    "policy": POLICY,
    "rpfilter": RPFILTER,
    "sctp": SCTP,
    "set": SET,
    "state": CONNTRACK,
    "tcp": TCP,
    "udp": UDP,
    "udplite": UDP,
    **HEADER,
    **STATEFUL,
    **UNDECIDABLE,
}
