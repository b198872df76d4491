"""owner and cgroup: which process of this host sends the packet. One that comes in from outside has no such process."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import TRUE, Condition, In, Unknown
from fwaudit.netfilter.matches._option import Match, Option, all_of, any_of, text_of
from fwaudit.packet.intervals import IntervalSet

_LOCAL, _NOT_LOCAL = In("locally_made", IntervalSet.of(1)), In("locally_made", IntervalSet.of(0))
_OWNER = {"--uid-owner": 1, "--gid-owner": 1, "--socket-exists": 0, "--suppl-groups": 0}


def _parse_owner(options: Sequence[Option], family: int) -> Condition:
    """Without a socket, owner_mt is true if and only if every option is negated (``(match ^ invert) == 0``)."""
    asked = [option for option in options if option.name != "--suppl-groups"]
    unknown = Unknown(text_of("owner", options), "which user or process sends it")
    if not asked:
        return TRUE if not options else unknown
    if any(option.name not in _OWNER for option in options):
        return unknown
    if [option.text for option in options] == ["--socket-exists"]:
        return _LOCAL
    if all(option.negated for option in asked):
        return any_of([_NOT_LOCAL, unknown])
    return all_of([_LOCAL, unknown])


def _parse_cgroup(options: Sequence[Option], family: int) -> Condition:
    """cgroup_mt fails without a full socket, negated or not (xt_cgroup.c)."""
    return all_of([_LOCAL, Unknown(text_of("cgroup", options), "which control group sends it")])


OWNER: Match = Match(_OWNER, _parse_owner)
CGROUP: Match = Match({"--path": 1, "--cgroup": 1}, _parse_cgroup)
