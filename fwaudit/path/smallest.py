"""Which facts decide how something ends, and which of them suffice: no packets here, only cases and their ends.

A *case* says of some facts which values they have, and how it ends then; the cases cover everything that is possible.
Facts decide if, whatever they turn out to be, all cases that are left end alike. So two cases with different ends must
disagree about a fact that is known: a smallest deciding set is a smallest set that meets, for every such pair, the
facts that they disagree about (a minimum hitting set).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import NamedTuple

Key = Hashable
Values = frozenset[str] | IntervalSet
"""The values of a fact that a case leaves open: words (``yes``), or port numbers."""

_MOST_STEPS = 20_000
"""Steps of a search: some tenths of a second's worth. Real rulesets need fewer than a hundred."""


class Case(NamedTuple):
    """``facts`` that are not named may be anything."""

    facts: Mapping[Key, Values]
    end: Hashable


def deciding(cases: Sequence[Case], order: Sequence[Key]) -> tuple[Key, ...] | None:
    """A smallest set of facts that decides between the cases, in ``order``; of several the one that comes first.

    None where the search would take too long.
    """
    found = _Search(order).smallest(_disagreements(cases))
    return None if found is None else tuple(sorted(found, key=order.index))


def endings(cases: Iterable[Case], key: Key) -> list[tuple[Values, tuple[Hashable, ...]]]:
    """What each value of a fact leads to: the ends of the cases that are left then, each once, in order."""
    cases = list(cases)
    out: list[tuple[Values, tuple[Hashable, ...]]] = []
    for value in _apart(list(dict.fromkeys(case.facts[key] for case in cases if key in case.facts))):
        left = (case.end for case in cases if key not in case.facts or case.facts[key] & value)  # type: ignore[operator]
        ends = tuple(dict.fromkeys(left))
        same = next((place for place, (known, theirs) in enumerate(out)
                     if theirs == ends and isinstance(known, IntervalSet)), None)
        if same is None:
            out.append((value, ends))
        else:  # ranges of ports that lead to the same
            out[same] = out[same][0] | value, ends  # type: ignore[operator]
    return out


def _apart(values: list[Values]) -> list[Values]:
    """The same values, cut so that no two overlap."""
    out: list[Values] = []
    for value in values:
        cut: list[Values] = []
        for known in out:
            cut += [known & value, known - value]  # type: ignore[operator]
            value = value - known  # type: ignore[operator]
        out = [each for each in [*cut, value] if each]
    return out


def _disagreements(cases: Sequence[Case]) -> list[frozenset[Key]]:
    """For each two cases that end differently the facts that tell them apart; without those that others imply."""
    found: dict[frozenset[Key], None] = {}
    for place, case in enumerate(cases):
        for other in cases[:place]:
            if case.end != other.end:
                found[frozenset(key for key, values in case.facts.items() if key in other.facts
                                and not values & other.facts[key])] = None  # type: ignore[operator]
    least: list[frozenset[Key]] = []
    for each in sorted(found, key=len):
        if not any(known <= each for known in least):
            least.append(each)
    return least


class _Search:
    """Minimum hitting set by iterative deepening: exact, and quick where few facts matter."""

    def __init__(self, order: Sequence[Key]) -> None:
        self._place = {key: place for place, key in enumerate(order)}
        self._steps = 0

    def smallest(self, sets: list[frozenset[Key]]) -> tuple[Key, ...] | None:
        if not all(sets):
            return None  # two cases that nothing tells apart
        for size in range(len(self._place) + 1):
            found = self._hit(sets, size)
            if found is not None or self._steps > _MOST_STEPS:
                return found
        return None

    def _hit(self, sets: list[frozenset[Key]], size: int) -> tuple[Key, ...] | None:
        self._steps += 1
        if not sets:
            return ()
        if size < _disjoint(sets) or self._steps > _MOST_STEPS:
            return None
        for key in sorted(sets[0], key=self._place.__getitem__):  # the first is one of the smallest
            found = self._hit([each for each in sets if key not in each], size - 1)
            if found is not None:
                return (key, *found)
        return None


def _disjoint(sets: list[frozenset[Key]]) -> int:
    """So many of the sets have nothing in common, and each needs a fact of its own."""
    used: set[Key] = set()
    count = 0
    for each in sets:
        if used.isdisjoint(each):
            used |= each
            count += 1
    return count
