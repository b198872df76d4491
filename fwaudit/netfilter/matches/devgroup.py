"""devgroup: the group of the interface (xt_devgroup.c).

A number, or a name of the host's /etc/iproute2/group, of which 0 is *default* everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from fwaudit.model.condition import Condition, InGroup
from fwaudit.netfilter.matches._option import Match, Reader, by_option, mark_and_mask
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet


def _group(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    def read(arguments: tuple[str, ...], family: int) -> Condition:
        if arguments[0].isalpha() and arguments[0] != "default":
            raise ValueError("a group by a name that only the host knows")
        value, mask = mark_and_mask(arguments[0].replace("default", "0"))
        return InGroup(field, IntervalSet.of(value), mask)

    return read


DEVGROUP: Match = by_option({"--src-group": Reader(1, _group("iif")), "--dst-group": Reader(1, _group("oif"))})
