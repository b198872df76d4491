"""mark and connmark: ``field & mask == value`` (xt_mark.c, xt_connmark.c)."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import Condition, Masked
from fwaudit.netfilter.matches._option import Match, Option, Reader, all_of, by_option, mark_and_mask, read_option
from fwaudit.netfilter.matches.conntrack import TRACKED


def _mark(arguments: tuple[str, ...], family: int) -> Condition:
    value, mask = mark_and_mask(arguments[0])
    return Masked("mark", mask, value)


def _connmark(arguments: tuple[str, ...], family: int) -> Condition:
    value, mask = mark_and_mask(arguments[0])
    return Masked("ct_mark", mask, value)


def _parse_connmark(options: Sequence[Option], family: int) -> Condition:
    """connmark_mt fails for a packet without a connection, negated or not."""
    readers = {"--mark": Reader(1, _connmark)}
    return all_of([TRACKED, *(read_option(option, readers, family) for option in options)])


MARK: Match = by_option({"--mark": Reader(1, _mark)})
CONNMARK: Match = Match({"--mark": 1}, _parse_connmark)
