"""What one base chain does to all peers at once: for each peer the set of what may happen.

A chain's result is a step function over the peer's address whose values are sets of outcomes: one outcome is certain,
several mean that the ruleset does not decide between them. Each rule is such a function, too, and a chain is its rules
one behind the other, put together by halves, so that 10,000 rules cost 14 rounds over their borders and not 10,000.

Results are remembered under what the chain's subtree reads of the packet (`CompiledChain.key`). Losing that memory
costs a factor of 250 (docs/performance.md), so the number of chain evaluations is counted and tested.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import Goto
from fwaudit.packet.bounds import MAYBE, NO, YES, Bounds
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.packet.steps import StepFunction
from fwaudit.path.compiled import CompiledChain, CompiledRules
from fwaudit.path.match import among, match
from fwaudit.path.outcome import GO_ON, TOO_MANY, change_of, changed
from fwaudit.path.outcome_steps import OutcomeSteps
from fwaudit.path.special import CompiledRule, Reached, Specialised
from fwaudit.path.state import PacketState

_MOST_RULES = 300_000
"""Rules that may be met again in one question because a mark was changed in front of them: some seconds' worth."""
_MOST_WAITING = 100_000

_FEW = 4
"""Up to so many areas are laid over one another one by one, which is quicker than to sort their borders."""

_Request = tuple[CompiledChain, PacketState, int]
_Work = Generator[_Request, StepFunction, StepFunction]
"""Asks for chain results that it needs (chain, state, first rule), and returns its own."""


class ChainEvaluator:
    """Evaluates compiled chains. One per engine, or store of chains: pools and memories are shared by all chains.

    ``evaluations``: how many chains were evaluated; ``gave_up``: whether one was too much work.
    """

    def __init__(self) -> None:
        self.steps = OutcomeSteps()
        self.evaluations = 0
        self._rules_left = 0
        self._memo: dict[tuple[object, ...], StepFunction] = {}
        self._single: dict[tuple[int, IntervalSet], StepFunction] = {}
        self._asked_again = 0
        self.gave_up = False

    @property
    def kept(self) -> int:
        """How much is remembered: an entry for each evaluation, and the borders of its results."""
        return self.evaluations + self.steps.pool.borders

    def evaluate(self, chain: CompiledChain, state: PacketState) -> StepFunction:
        """Peer → set of outcomes, for a chain and every chain below it.

        Chains wait for those below them on a list of our own, since hostile rulesets nest deeply.
        """
        first = chain.key(state)
        result = self._memo.get(first)
        if result is not None:
            return result
        self._rules_left = _MOST_RULES
        waiting: list[tuple[tuple[object, ...], _Work]] = [(first, self._fold(chain, state, 0))]
        while waiting:
            key, work = waiting[-1]
            try:
                request = next(work) if result is None else work.send(result)
            except StopIteration as done:
                waiting.pop()
                result = self._memo[key] = done.value
                continue
            key = _key(request)
            result = self._memo.get(key)
            if result is None:
                if self._rules_left < 0 or len(waiting) > _MOST_WAITING:
                    result = self.steps.constant(TOO_MANY)
                    self.gave_up = True
                else:
                    waiting.append((key, self._fold(*request)))
        assert result is not None
        return result

    # ---- one chain --------------------------------------------------------------------------------------------------

    def _fold(self, chain: CompiledChain, state: PacketState, start: int) -> _Work:
        """A chain's rules from position ``start`` on; backwards, so that what is behind a change is known first."""
        self.evaluations += 1
        rules = chain.rules
        special = rules.special(state)
        reached = special.reached if not start else None
        if reached is None:
            reached = self._reached(rules, special, state, start)
            if start:
                self._rules_left -= len(reached)
            elif rules.is_early:
                special.reached = reached
        if reached is not special.reached:
            return (yield from self._put_together(chain, reached, state))
        # The same rules are met by many packets, which only the chains below tell apart: 1,000 containers and FORWARD.
        below = []
        for compiled, _, _ in reached:
            if compiled.calls >= 0:
                inner = yield chain.children[compiled.calls], state, 0
                below.append(id(inner))
        key = tuple(below)
        result = special.folded.get(key)
        if result is None:
            asked = self._asked_again
            result = yield from self._put_together(chain, reached, state)
            if asked == self._asked_again:
                special.folded[key] = result
        return result

    def _put_together(self, chain: CompiledChain, reached: list[Reached], state: PacketState) -> _Work:
        """The rules that are met, one behind the other."""
        if not reached:
            return self.steps.fall
        compiled, _, bounds = reached[0]
        if bounds is YES and compiled.plain is not None:
            return self._always(compiled)
        steps = [self.steps.fall]
        i = len(reached)
        while i:
            i -= 1
            compiled, position, bounds = reached[i]
            if compiled.plain is not None and _is_decided(bounds):
                first = i
                while first and reached[first - 1][0].plain is not None and _is_decided(reached[first - 1][2]):
                    first -= 1
                steps.append(self._first_match(reached[first : i + 1]))
                i = first
                continue
            if compiled.plain is not None:
                matched = self._always(compiled)
            else:
                matched = yield from self._matched(chain, compiled, position, state, bounds.possibly)
            if bounds is YES or bounds is MAYBE:
                steps.append(matched if bounds is YES else self.steps.in_doubt(matched))
                continue
            step = self.steps.pool.choose(bounds.certainly, matched, self.steps.go_on)
            doubtful = bounds.possibly - bounds.certainly
            if doubtful:
                either = self.steps.in_doubt(matched)
                step = self.steps.pool.choose(doubtful, either, step)
            steps.append(step)
        steps.reverse()
        while len(steps) > 1:
            last = steps[-1:] if len(steps) & 1 else []
            steps = [self.steps.one_after_the_other(f, g) for f, g in zip(steps[::2], steps[1::2], strict=False)] + last
        return steps[0]

    def _first_match(self, plain: list[Reached]) -> StepFunction:
        """Rules that certainly match where they may, with an outcome each: the first that matches decides."""
        last, _, bounds = plain[-1]
        ground = self.steps.go_on
        if bounds is YES:
            ground = self._always(last)
            plain = plain[:-1]
        elif len(plain) == 1:
            return self._where(last, bounds.certainly)
        layers: list[tuple[IntervalSet, int]] = []
        for outcome, same in groupby(plain, lambda each: each[0].plain):
            areas = [bounds.certainly for _, _, bounds in same]
            layers.append((IntervalSet.union(areas) if len(areas) > 1 else areas[0], self.steps.id_of(outcome)))
        if len(layers) > _FEW:
            return self.steps.pool.paint(layers, ground)
        for area, value in reversed(layers):
            ground = self.steps.pool.choose(area, self.steps.pool.constant(value), ground)
        return ground

    @staticmethod
    def _reached(rules: CompiledRules, special: Specialised, state: PacketState, start: int) -> list[Reached]:
        """The rules that may match, with the peers for which they do."""
        rows, texts = special.rows, special.texts
        from_whom, to_whom = state.src, state.dst
        reached: list[Reached] = []
        for position in special.candidates(state):
            if position < start:
                continue
            said, src, dst, _ = rows[position]
            bounds = YES
            if dst is not None:
                bounds = among(dst, to_whom)
                if bounds is NO:
                    continue
            if src is not None:
                there = among(src, from_whom)
                bounds = there if bounds is YES else bounds.both(there)
            conditions, compiled, _, _ = texts[id(said)]
            if conditions and bounds.possibly.bounds:
                bounds = _conjunction(bounds, conditions, state)
            if not bounds.possibly.bounds:
                continue
            reached.append((compiled, position, bounds))
            if bounds is YES and (compiled.ends_chain or (
                    compiled.calls < 0 and rules.asks_later(position, change_of(compiled.target, state)))):
                break
        return reached

    def _matched(self, chain: CompiledChain, compiled: CompiledRule, position: int, state: PacketState,
                 area: IntervalSet) -> _Work:
        """What happens where the rule matches, which may be in ``area``. Where it changes what a later rule asks about,
        all that is behind it is another question, which is asked here; else GO_ON carries the change along."""
        target = compiled.target
        if compiled.calls >= 0:
            inner = yield chain.children[compiled.calls], state, 0
            if isinstance(target, Goto):
                return inner  # its end is the end of this chain
            back, changes = self.steps.coming_back(inner)
            for change in sorted(changes, key=repr):
                if chain.rules.asks_later(position, change):
                    self._asked_again += 1
                    after = yield chain, changed(state, change), position + 1
                    after = self.steps.behind(change, self.steps.pool.choose(area, after, self.steps.go_on))
                    back = self.steps.instead(back, change, after)
            return back
        change = change_of(target, state)
        if chain.rules.asks_later(position, change):
            self._asked_again += 1
            after = yield chain, changed(state, change), position + 1
            return self.steps.behind(change, self.steps.pool.choose(area, after, self.steps.go_on))
        return self.steps.constant(GO_ON._replace(change=change))

    def _where(self, compiled: CompiledRule, area: IntervalSet) -> StepFunction:
        """The outcome of a rule that ends the chain in an area."""
        always = self._always(compiled)
        key = always.values[0], area
        found = self._single.get(key)
        if found is None:
            found = self._single[key] = self.steps.pool.choose(area, always, self.steps.go_on)
        return found

    def _always(self, compiled: CompiledRule) -> StepFunction:
        """The outcome of a rule that matches every packet and ends the chain."""
        if compiled.always is None:
            compiled.always = self.steps.constant(compiled.plain)
        return compiled.always


def _key(request: _Request) -> tuple[object, ...]:
    chain, state, start = request
    key = chain.key(state)
    return (*key, start) if start else key


def _conjunction(out: Bounds, conditions: tuple[Condition, ...], state: PacketState) -> Bounds:
    for condition in conditions:
        bounds = match(condition, state)
        if not bounds.possibly:
            return bounds
        if bounds is not YES:
            out = bounds if out is YES else out.both(bounds)
    return YES if out.certainly.bounds == ALL.bounds else out


def _is_decided(bounds: Bounds) -> bool:
    """Whether it is known of every peer if the rule matches."""
    return bounds.certainly is bounds.possibly or bounds.certainly == bounds.possibly
