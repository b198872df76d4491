"""Ways in that are open to a special source port only, such as 53 or 20: rules that were meant for answers.

A sender chooses his source port, so what only such a port reaches is as open as anything else. Policy is what ordinary
clients are told; an INPUT rule that takes a source port counts as policy where it names the service's port as well
(DHCP: ``--sport 67 --dport 68``), and not where it lets that source port in to everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fwaudit.model.report import Way
from fwaudit.model.verdict import Answerer, Query
from fwaudit.packet.fields import MAX_PORT
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.engine import Engine
from fwaudit.path.source_ports import unnamed_neighbour

Reached = tuple[IntervalSet, IntervalSet, Answerer | None]
Allowed = tuple[IntervalSet, IntervalSet]


def special_ways(engine: Engine, query: Query, way: Way, reached: Callable[[Query], Reached],
                 allowed: Callable[[Query], Allowed]) -> list[Way]:
    """What is open beyond ``way``, an ordinary client's, for each kind of source port that rules ask about.

    ``reached``: sources that certainly and possibly get in; ``allowed``: those that INPUT lets in.
    """
    found: dict[tuple[object, ...], Way] = {}
    for ports in engine.special_source_ports(query.family, query.proto, query.iif):
        special = replace(query, sport=ports.lowest())
        certainly, possibly, to = reached(special)
        more, perhaps = certainly - way.certainly, possibly - way.possibly
        if not more and not perhaps:
            continue
        named, named_maybe = _named(engine, special, allowed)
        key = (more, perhaps, named, named_maybe, to)
        known = found.get(key)
        sports = ports if known is None else _set(known.sports) | ports
        found[key] = replace(way, certainly=more, possibly=more | perhaps, allowed=way.allowed | named,
                             allowed_possibly=way.allowed_possibly | named_maybe, to=to,
                             sports=tuple(sports.ranges(MAX_PORT)))
    return list(found.values())


def _named(engine: Engine, special: Query, allowed: Callable[[Query], Allowed]) -> Allowed:
    """Sources that INPUT lets in to this very port: not those that it lets in to a port that nobody names, too."""
    certainly, possibly = allowed(special)
    other = unnamed_neighbour(engine.tables, special.family, special.iif, special.dport)
    if not possibly or other is None:
        return certainly, possibly
    if other == special.dport:
        return EMPTY, EMPTY
    anyhow, _ = allowed(replace(special, dport=other))
    return certainly - anyhow, possibly - anyhow


def _set(ranges: tuple[tuple[int, int], ...]) -> IntervalSet:
    return IntervalSet.from_ranges(ranges)
