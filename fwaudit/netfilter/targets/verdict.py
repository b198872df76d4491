"""ACCEPT, DROP, RETURN and REJECT: the ends of a packet's way through a chain."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.ruleset import Accept, Drop, Reject, Return, Target
from fwaudit.netfilter.matches._option import Option
from fwaudit.netfilter.targets._target import TargetKind, only

_DEFAULT = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


def _reject(options: Sequence[Option], family: int) -> Target:
    """The default is libipt_REJECT.c's and libip6t_REJECT.c's."""
    found = only(options, ["--reject-with"])
    return Reject(found["--reject-with"][0] if found else _DEFAULT[family])


def _plain(target: Target) -> TargetKind:
    def parse(options: Sequence[Option], family: int) -> Target:
        only(options, ())
        return target

    return TargetKind({}, parse)


ACCEPT = _plain(Accept())
DROP = _plain(Drop())
RETURN = _plain(Return())
REJECT = TargetKind({"--reject-with": 1}, _reject)
