"""What becomes of all the packets that a question speaks of, a way for each outcome."""

from __future__ import annotations

from dataclasses import replace

from fwaudit.model.verdict import Answer, Query
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.engine import Engine

_OPEN_FIRST = ("delivered", "accepted", "undecided", "not-listening", "rejected", "dropped", "no-route")


def trace_all(engine: Engine, query: Query) -> list[Answer]:
    """What becomes of every source that a question speaks of: an answer for each outcome, with one packet's way."""
    single = query.sources.size(1 << 128) == 1 or not query.iif
    if single:
        return [Answer(query.sources, True, engine.trace(query))]
    answers = []
    left = query.sources
    for outcome in engine.reach(query).outcomes:
        area = outcome.certainly if outcome.disposition != "undecided" else outcome.possibly
        left = left - area
        if area:
            certainly = outcome.disposition != "undecided"
            answers.append(Answer(area, certainly, engine.example(_from(query, area), certainly)))
    left = left & engine.fibs[query.family].universe
    if left:
        answers.append(Answer(left, False, engine.example(_from(query, left), False)))
    return sorted(answers, key=lambda answer: _OPEN_FIRST.index(answer.trace.disposition))


def _from(query: Query, area: IntervalSet) -> Query:
    return replace(query, sources=IntervalSet.of(area.lowest()))
