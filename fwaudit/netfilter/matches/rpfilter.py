"""rpfilter: whether a route back to the source exists (ipt_rpfilter.c, ip6t_rpfilter.c)."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import Condition, ReversePath, Unknown
from fwaudit.netfilter.matches._option import Match, Option, all_of, negate

_FLAGS = ("--loose", "--validmark", "--accept-local", "--invert")


def _parse(options: Sequence[Option], family: int) -> Condition:
    given = {option.name for option in options}
    path: Condition = ReversePath("--loose" in given, "--validmark" in given, "--accept-local" in given)
    parts = [negate(path) if "--invert" in given else path]
    parts += [Unknown(option.text, "option not known") for option in options
              if option.name not in _FLAGS or option.negated or option.arguments]
    return all_of(parts)


RPFILTER: Match = Match(dict.fromkeys(_FLAGS, 0), _parse)
