"""CT and NOTRACK: what connection tracking is told of a packet (xt_CT.c), in table raw.

``--notrack`` leaves the packet without a connection. A zone, a helper or a timeout changes nothing for the first packet
of one, but that a later ``--notrack`` has no effect (xt_ct_target: ``if (skb->_nfct != 0) return``).
"""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.ruleset import NoTrack, Target, Template
from fwaudit.netfilter.matches._option import Option
from fwaudit.netfilter.targets._target import TargetKind, only

_CT = {"--notrack": 0, "--helper": 1, "--timeout": 1, "--ctevents": 1, "--expevents": 1, "--zone": 1,
       "--zone-orig": 1, "--zone-reply": 1}


def _ct(options: Sequence[Option], family: int) -> Target:
    given = only(options, _CT)
    return NoTrack() if "--notrack" in given else Template("CT", zone=any(name.startswith("--zone") for name in given))


def _notrack(options: Sequence[Option], family: int) -> Target:
    only(options, ())
    return NoTrack()


CT = TargetKind(_CT, _ct)
NOTRACK = TargetKind({}, _notrack)
