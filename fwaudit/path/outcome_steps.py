"""Step functions whose values are sets of outcomes, as numbers: peer → what may happen to its packet.

Each operation remembers its results by the identity of what it was given, since functions that are alike are one.
"""

from __future__ import annotations

from collections.abc import Callable

from fwaudit.packet.steps import StepFunction, StepPool
from fwaudit.path.outcome import ACCEPT, FALL, GO_ON, Change, Outcome, merge

_NO_CHANGES: frozenset[Change] = frozenset()


class OutcomeSteps:
    """The functions of one engine. ``pool`` has them, ``fall`` and ``go_on`` are the same for every peer."""

    def __init__(self) -> None:
        self.pool = StepPool()
        self._outcome_sets: list[frozenset[Outcome]] = []
        self._ids: dict[frozenset[Outcome], int] = {}
        self._sorted: dict[int, tuple[Outcome, ...]] = {}
        self._united: dict[tuple[int, int], int] = {}
        self._followed: dict[tuple[int, int], int] = {}
        self._composed: dict[tuple[int, int], StepFunction] = {}
        self._doubted: dict[int, StepFunction] = {}
        self._came_back: dict[int, tuple[StepFunction, frozenset[Change]]] = {}
        self._going_on: dict[int, bool] = {}
        self._passing: dict[tuple[int, str], bool] = {}
        self.fall = self.constant(FALL)
        self.go_on = self.constant(GO_ON)

    def outcomes(self, value: int) -> tuple[Outcome, ...]:
        """What a step function's value stands for, in an order that is the same in every run."""
        found = self._sorted.get(value)
        if found is None:
            several = self._outcome_sets[value]
            found = self._sorted[value] = tuple(sorted(several, key=repr) if len(several) > 1 else several)
        return found

    def passes(self, value: int, policy: str) -> bool:
        """Whether a step function's value is to be let through alone, by a base chain with that policy."""
        found = self._passing.get((value, policy))
        if found is None:
            wanted = {ACCEPT} if policy == "drop" else {ACCEPT, FALL}
            found = self._passing[value, policy] = self._outcome_sets[value] <= wanted
        return found

    def one_after_the_other(self, f: StepFunction, g: StepFunction) -> StepFunction:
        """``f``, and ``g`` where ``f`` goes on."""
        if f is self.go_on:
            return g
        if len(f.values) == 1 and not self._goes_on(f.values[0]):
            return f
        key = (id(f), id(g))
        found = self._composed.get(key)
        if found is None:
            found = self._composed[key] = self.pool.combine(f, g, self._follow)
        return found

    def in_doubt(self, matched: StepFunction) -> StepFunction:
        """What may happen where it is not known whether a rule matches."""
        found = self._doubted.get(id(matched))
        if found is None:
            found = self._doubted[id(matched)] = self.pool.combine(matched, self.go_on, self._unite)
        return found

    def coming_back(self, inner: StepFunction) -> tuple[StepFunction, frozenset[Change]]:
        """A chain's result as its caller sees it: to fall off its end is to go on; and the changes that come along."""
        if len(inner.values) == 1 and not any(o.verdict == "fall" for o in self._outcome_sets[inner.values[0]]):
            return inner, _NO_CHANGES
        found = self._came_back.get(id(inner))
        if found is None:
            changes = {o.change for v in set(inner.values) for o in self._outcome_sets[v] if o.verdict == "fall"}
            found = self._came_back[id(inner)] = self.pool.map(inner, self._return), frozenset(changes)
        return found

    def behind(self, change: Change, after: StepFunction) -> StepFunction:
        """``after``, each outcome with ``change`` put before its own changes; GO_ON stays as it is."""
        return self.pool.map(after, lambda value: self._id(frozenset(
            o._replace(change=merge(change, o.change)) if o.verdict != "on" else o for o in self._outcome_sets[value])))

    def constant(self, outcome: Outcome | None) -> StepFunction:
        return self.pool.constant(self.id_of(outcome))

    def _goes_on(self, value: int) -> bool:
        found = self._going_on.get(value)
        if found is None:
            found = self._going_on[value] = any(o.verdict == "on" for o in self._outcome_sets[value])
        return found

    # ---- sets of outcomes as numbers --------------------------------------------------------------------------------

    def id_of(self, outcome: Outcome | None) -> int:
        assert outcome is not None
        return self._id(frozenset((outcome,)))

    def _id(self, outcomes: frozenset[Outcome]) -> int:
        found = self._ids.get(outcomes)
        if found is None:
            found = self._ids[outcomes] = len(self._outcome_sets)
            self._outcome_sets.append(outcomes)
        return found

    def _unite(self, a: int, b: int) -> int:
        if a == b:
            return a
        found = self._united.get((a, b))
        if found is None:
            found = self._united[a, b] = self._id(self._outcome_sets[a] | self._outcome_sets[b])
        return found

    def _follow(self, first: int, then: int) -> int:
        """The outcomes of ``first``, with those of ``then`` where it goes on."""
        found = self._followed.get((first, then))
        if found is None:
            out: set[Outcome] = set()
            for outcome in self._outcome_sets[first]:
                if outcome.verdict != "on":
                    out.add(outcome)
                elif outcome.change:
                    out.update(o._replace(change=merge(outcome.change, o.change)) for o in self._outcome_sets[then])
                else:
                    out |= self._outcome_sets[then]
            found = self._followed[first, then] = self._id(frozenset(out))
        return found

    def _return(self, value: int) -> int:
        """To fall off an inner chain's end is to go on."""
        return self._id(frozenset(
            GO_ON._replace(change=o.change) if o.verdict == "fall" else o for o in self._outcome_sets[value]))

    def instead(self, f: StepFunction, went_on: Change, g: StepFunction) -> StepFunction:
        """``f`` with the outcomes of ``g`` in the place of going on with that change."""
        return self.pool.combine(f, g, self._replacing(GO_ON._replace(change=went_on)))

    def _replacing(self, went_on: Outcome) -> Callable[[int, int], int]:
        """Puts the second's outcomes in the place of ``went_on`` in the first's."""

        def replace(first: int, then: int) -> int:
            outcomes = self._outcome_sets[first]
            return self._id((outcomes - {went_on}) | self._outcome_sets[then]) if went_on in outcomes else first

        return replace
