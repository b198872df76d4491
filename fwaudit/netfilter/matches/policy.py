"""policy: IPsec. A plain packet went through none, so it matches ``--pol none`` alone (xt_policy.c policy_mt)."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import FALSE, TRUE, Condition, Unknown
from fwaudit.netfilter.matches._option import Match, Option, text_of

_OPTIONS = {"--dir": 1, "--pol": 1, "--strict": 0, "--next": 0, "--reqid": 1, "--spi": 1, "--proto": 1, "--mode": 1,
            "--tunnel-src": 1, "--tunnel-dst": 1}


def _parse(options: Sequence[Option], family: int) -> Condition:
    policy = next((option.arguments for option in options if option.name == "--pol" and not option.negated), ())
    if policy == ("none",) and len(options) == 2:
        return TRUE
    if policy == ("ipsec",) and all(option.name in _OPTIONS for option in options):
        return FALSE
    return Unknown(text_of("policy", options), "IPsec policies")


POLICY: Match = Match(_OPTIONS, _parse)
