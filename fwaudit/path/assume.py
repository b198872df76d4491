"""What is assumed about facts that a snapshot does not tell, while a packet is walked once.

A walk asks for a fact when it comes to it. `runs` walks again and again until every combination of answers that
matters was given once, so each run is one consistent world: a fact that was asked twice has one answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.smallest import Key, Values
from fwaudit.path.state import CLIENT_PORTS

YES, NO = frozenset({"yes"}), frozenset({"no"})
_CLIENT = IntervalSet.range(*CLIENT_PORTS)
_MOST_ASKED = 400
"""Facts that one run may ask for, and be worth following."""


class TooManyFacts(Exception):
    """A run asks for more facts than can be followed."""


class Assumed:
    """The answers of one run. ``values``: what it takes for true; ``words``: each fact in words.

    ``apart``: no fact is the same as another, however alike they look. ``changing``: names of sets that rules write to,
    so that whoever looks twice may see different things. ``asked``: how many times a fact was asked for.
    """

    def __init__(self, script: Sequence[int] = (), *, apart: bool = False,
                 changing: frozenset[str] = frozenset()) -> None:
        self.values: dict[Key, Values] = {}
        self.words: dict[Key, str] = {}
        self.apart = apart
        self.changing = changing
        self.asked = 0
        self.mark_changes = 0
        self.mark_set_by = ""
        self.taken: list[tuple[int, int]] = []
        self._script = script
        self._meetings: dict[Key, int] = {}

    def holds(self, key: Key, words: str, *, same: bool) -> bool:
        """Whether a fact is true. ``same``: wherever ``key`` is asked about in this run, it is one fact."""
        return self._decide(key, words, (YES, NO), same=same) == YES

    def among(self, key: Key, words: str, ports: IntervalSet, *, same: bool) -> bool:
        """Whether a client's port is one of ``ports``."""
        known = self.values.get(key, _CLIENT) if same and not self.apart else _CLIENT
        inside, outside = known & ports, known - ports  # type: ignore[operator]
        self.asked += 1
        if not inside or not outside:
            return bool(inside)
        if same and not self.apart:
            self.values.pop(key, None)
        return self._decide(key, words, (inside, outside), same=same) == inside

    def one_of(self, key: Key, words: str, labels: Sequence[str]) -> int:
        """Which of several the kernel takes: a place in ``labels``."""
        if len(set(labels)) < len(labels):
            labels = [f"{label} ({place})" for place, label in enumerate(labels, 1)]
        taken = self._decide(key, words, [frozenset({label}) for label in labels], same=False)
        return next(place for place, label in enumerate(labels) if taken == frozenset({label}))

    def mark_changed(self, by: str) -> None:
        """A mark is another one from here on; ``by``: the target that made it unknown."""
        self.mark_changes += 1
        self.mark_set_by = by or self.mark_set_by

    def _decide(self, key: Key, words: str, options: Sequence[Values], *, same: bool) -> Values:
        self.asked += 1
        if not same or self.apart:
            count = self._meetings[key] = self._meetings.get(key, 0) + 1
            key = (key, count)
        known = self.values.get(key)
        if known is not None:
            return known
        if len(self.taken) >= _MOST_ASKED:
            raise TooManyFacts
        place = len(self.taken)
        choice = self._script[place] if place < len(self._script) else 0
        self.taken.append((choice, len(options)))
        self.words[key] = words
        self.values[key] = options[choice]
        return options[choice]


def following(taken: Sequence[tuple[int, int]]) -> list[int] | None:
    """The choices of the next run: the last one that has another option takes it; None behind the last run."""
    for place in range(len(taken) - 1, -1, -1):
        choice, options = taken[place]
        if choice + 1 < options:
            return [each for each, _ in taken[:place]] + [choice + 1]
    return None


def runs(most: int, *, apart: bool, changing: frozenset[str]) -> Iterator[Assumed]:
    """An `Assumed` for each run; the caller walks with it before it asks for the next. Raises TooManyFacts."""
    script: Sequence[int] | None = ()
    while script is not None:
        if not most:
            raise TooManyFacts
        most -= 1
        assumed = Assumed(script, apart=apart, changing=changing)
        yield assumed
        script = following(assumed.taken)
