"""comment: true for every packet. Its text goes into ``Rule.comment``; it is the rule author's, so it is hostile."""

from __future__ import annotations

from fwaudit.model.condition import TRUE
from fwaudit.netfilter.matches._option import Match, Reader, by_option

COMMENT: Match = by_option({"--comment": Reader(1, lambda arguments, family: TRUE)})
