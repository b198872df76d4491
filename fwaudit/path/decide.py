"""One packet whose end is open: the smallest set of facts that would decide it, and what each of them leads to.

The packet is walked once for every combination of facts that matters (`fwaudit.path.assume`); the ends of all these
walks say which facts have to be known (`fwaudit.path.smallest`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace

from fwaudit.model.verdict import Ending, Fact, Trace
from fwaudit.packet.fields import MAX_PORT
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.assume import Assumed, TooManyFacts, runs
from fwaudit.path.smallest import Case, Key, Values, deciding, endings
from fwaudit.path.walk import End, Walk

_AS_IF_NOT, _ALONE = frozenset({"lets it go on"}), frozenset({"decides"})


def decided_by(walk: Callable[[Assumed], Walk], known: Trace, most: int, *, apart: bool,
               changing: frozenset[str]) -> Trace:
    """``known``, an undecided trace with every doubt that was met, with the fewest facts in their place.

    Decided, where one fact that several rules ask about leaves one end only. ``walk`` puts the packet through the
    rules with facts assumed, at most ``most`` times. ``apart``: take no fact for the same as another.
    """
    cases: list[Case] = []
    words: dict[Key, str] = {}
    walks: list[Walk] = []
    try:
        for assumed in runs(most, apart=apart, changing=changing):
            done = walk(assumed)
            walks.append(done)
            words |= {key: text for key, text in assumed.words.items() if key not in words}
            cases += _cases(done, assumed, words, len(walks))
    except TooManyFacts:
        return replace(known, smallest=False)
    ends = {case.end for case in cases}
    end = next(iter(ends)) if len(ends) == 1 else None
    if isinstance(end, Ending) and not apart:
        (_, worlds), *_ = walks[0].ends.items()
        return Trace(end.disposition, end.to, (), worlds[0].steps)
    keys = deciding(cases, list(words))
    if not keys:
        return replace(known, smallest=False)
    facts = tuple(_fact(key, words[key], cases) for key in keys)
    whom = {reached.to for done in walks for reached in done.ends}
    to = next(iter(whom)) if len(whom) == 1 else None
    return replace(known, to=to, undecided_on=tuple(dict.fromkeys(fact.words for fact in facts)), facts=facts)


def _cases(walk: Walk, assumed: Assumed, words: dict[Key, str], number: int) -> Iterator[Case]:
    """The cases that one run stands for. What nobody models may decide by itself, or let the packet go on."""
    facts = dict(assumed.values)
    real = [end for end in walk.ends if end.disposition != "undecided"]
    open_ones = [end for end in walk.ends if end.disposition == "undecided"]
    for end in open_ones:
        key = ("not modelled", end.reason)
        words.setdefault(key, end.reason)
        yield Case({**facts, key: _ALONE}, (end, "decides"))
        facts[key] = _AS_IF_NOT
    if not real:
        yield Case(facts, (open_ones[-1] if open_ones else None, "goes on"))
    if len(real) > 1:
        words.setdefault(("run", number), "which of several ways the kernel takes")
    for place, end in enumerate(real):
        more: dict[Key, Values] = {("run", number): frozenset({str(place)})} if len(real) > 1 else {}
        yield Case({**facts, **more}, Ending(end.disposition, end.to))


def _fact(key: Key, words: str, cases: list[Case]) -> Fact:
    if isinstance(key, tuple) and key[0] == "not modelled":
        return Fact(words)
    return Fact(words, tuple((_value_words(value), _endings(ends)) for value, ends in endings(cases, key)))


def _endings(ends: tuple[Hashable, ...]) -> tuple[Ending, ...]:
    out: dict[Ending, None] = {}
    for end in ends:
        if isinstance(end, Ending):
            out[end] = None
        elif isinstance(end, tuple) and isinstance(end[0], End):
            out[Ending("undecided", end[0].to)] = None
    return tuple(out)


def _value_words(value: Values) -> str:
    if isinstance(value, IntervalSet):
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in value.ranges(MAX_PORT))
    return " or ".join(sorted(value))
