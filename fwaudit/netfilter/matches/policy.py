"""policy: IPsec (xt_policy.c policy_mt).

``--dir in``: a plain packet came through no transformation, so it matches ``--pol none`` alone. ``--dir out`` asks
whether the route that it takes has one (``dst->xfrm``), which the host's IPsec policies decide (xfrm_policy.c,
xfrm_lookup, called by ip_forward and ip_route_output before the rules); no snapshot has these.
"""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import FALSE, TRUE, Condition, Unknown
from fwaudit.netfilter.matches._option import Match, Option, text_of

_OPTIONS = {"--dir": 1, "--pol": 1, "--strict": 0, "--next": 0, "--reqid": 1, "--spi": 1, "--proto": 1, "--mode": 1,
            "--tunnel-src": 1, "--tunnel-dst": 1}


def _parse(options: Sequence[Option], family: int) -> Condition:
    given = {option.name: option.arguments for option in options if not option.negated}
    if given.get("--dir") == ("out",):
        return Unknown(text_of("policy", options), "with --dir out, whether the host's IPsec policies take the packet")
    policy = given.get("--pol")
    if given.get("--dir") == ("in",) and policy == ("none",) and len(options) == 2:
        return TRUE
    if given.get("--dir") == ("in",) and policy == ("ipsec",) and all(option.name in _OPTIONS for option in options):
        return FALSE
    return Unknown(text_of("policy", options), "IPsec policies")


POLICY: Match = Match(_OPTIONS, _parse)
