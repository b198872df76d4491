"""What one base chain does to all peers at once: for each peer the set of what may happen.

A chain's result is a step function over the peer's address whose values are sets of outcomes: one outcome is certain,
several mean that the ruleset does not decide between them. Results are remembered under what the chain's subtree reads
of the packet (`CompiledChain.key`); losing that memory costs a factor of 250 (docs/performance.md), so the number of
chain evaluations is counted and tested.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import (
    Accept,
    CopyMark,
    Dnat,
    Drop,
    Goto,
    NetmapDnat,
    NoTrack,
    Redirect,
    Reject,
    Return,
    SetMark,
    Snat,
    Target,
    Undecidable,
)
from fwaudit.packet.bounds import YES, Bounds
from fwaudit.packet.fields import STATE_INVALID, STATE_UNTRACKED
from fwaudit.packet.steps import StepFunction, StepPool
from fwaudit.path.compiled import CompiledChain, CompiledRule, ends_chain
from fwaudit.path.match import match
from fwaudit.path.state import PacketState

_MAX_DEPTH = 200
Change = tuple[tuple[str, int | bool | None], ...]


class Outcome(NamedTuple):
    """One way out of a chain. ``verdict``: accept, drop, reject, nat, undecided, or fall (off the chain's end).

    ``detail`` is the Target of nat, the manner of a reject, the text of undecided. ``change``: state fields that rules
    set on the way, sorted by name.
    """

    verdict: str
    detail: object = None
    change: Change = ()


FALL = Outcome("fall")
ACCEPT = Outcome("accept")
DROP = Outcome("drop")
TOO_DEEP = Outcome("undecided", "chains nested more than 200 deep")


class ChainEvaluator:
    """Evaluates compiled chains. One per engine: pools and memories are shared by all chains."""

    def __init__(self) -> None:
        self.pool = StepPool()
        self.evaluations = 0
        self._outcome_sets: list[frozenset[Outcome]] = []
        self._ids: dict[frozenset[Outcome], int] = {}
        self._memo: dict[tuple[object, ...], StepFunction] = {}
        self._joined: dict[tuple[int, int], int] = {}
        self._composed: dict[tuple[int, int], StepFunction] = {}

    def outcomes(self, value: int) -> frozenset[Outcome]:
        """What a step function's value stands for."""
        return self._outcome_sets[value]

    def evaluate(self, chain: CompiledChain, state: PacketState, depth: int = 0, start: int = 0) -> StepFunction:
        """Peer → set of outcomes, for the rules of ``chain`` from position ``start`` on."""
        key = (start, *chain.key(state))
        found = self._memo.get(key)
        if found is None:
            if depth > _MAX_DEPTH:
                return self._constant(TOO_DEEP)
            self.evaluations += 1
            found = self._memo[key] = self._fold(chain, state, depth, start)
        return found

    def _fold(self, chain: CompiledChain, state: PacketState, depth: int, start: int) -> StepFunction:
        """Backwards over the rules that may match: what is behind a rule is what happens where it does not match."""
        special = chain.special(state)
        reached: list[tuple[CompiledRule, int, Bounds]] = []
        for place in special.candidates(state):
            position, conditions, compiled = special.rules[place]
            if position < start:
                continue
            bounds = _conjunction(conditions, state)
            if not bounds.possibly:
                continue
            reached.append((compiled, position, bounds))
            if bounds is YES and ends_chain(compiled.target):
                break
        result = self._constant(FALL)
        i = len(reached)
        while i:
            i -= 1
            compiled, position, bounds = reached[i]
            plain = plain_outcome(compiled.target)
            if plain is not None and bounds.certainly == bounds.possibly:
                first = i
                while first and _is_plain(reached[first - 1]):
                    first -= 1
                layers = [(b.certainly, self._id_of(plain_outcome(c.target))) for c, _, b in reached[first : i + 1]]
                result = self.pool.paint(layers, result)
                i = first
                continue
            matched = self._matched(chain, compiled, position, state, depth, result)
            hit = self.pool.choose(bounds.certainly, matched, result)
            doubtful = bounds.possibly - bounds.certainly
            if doubtful:
                hit = self.pool.choose(doubtful, self.pool.combine(matched, result, self._join), hit)
            result = hit
        return result

    def _matched(self, chain: CompiledChain, compiled: CompiledRule, position: int, state: PacketState, depth: int,
                 rest: StepFunction) -> StepFunction:
        """What happens where the rule matches; ``rest`` is what happens behind it in the same state."""
        target = compiled.target
        if compiled.body is not None:
            inner = self.evaluate(compiled.body, state, depth + 1)
            if isinstance(target, Goto):
                return inner  # its end is the end of this chain
            return self._then(inner, chain, position, state, depth, rest)
        plain = plain_outcome(target)
        if plain is not None:
            return self._constant(plain)
        change = change_of(target, state)
        after = self.evaluate(chain, changed(state, change), depth + 1, position + 1)
        return self._changed(after, change)

    def _then(self, inner: StepFunction, chain: CompiledChain, position: int, state: PacketState, depth: int,
              rest: StepFunction) -> StepFunction:
        """``inner``, with what is behind the rule in place of falling off the inner chain's end."""
        memo_key = (id(inner), id(rest))
        plain = True
        for value in set(inner.values):
            for outcome in self._outcome_sets[value]:
                if outcome.verdict == "fall" and outcome.change:
                    plain = False
        if plain:
            found = self._composed.get(memo_key)
            if found is None:
                found = self._composed[memo_key] = self.pool.combine(inner, rest, self._join_fall)
            return found
        out = inner
        changes = {o.change for v in set(inner.values) for o in self._outcome_sets[v] if o.verdict == "fall"}
        result: StepFunction | None = None
        for change in sorted(changes, key=repr):
            if change:
                after = self._changed(
                    self.evaluate(chain, changed(state, change), depth + 1, position + 1), change)
            else:
                after = rest
            part = self.pool.combine(out, after, lambda a, b, c=change: self._join_change(a, b, c))  # type: ignore[misc]
            result = part if result is None else self.pool.combine(result, part, self._join)
        assert result is not None
        return result

    # ---- outcome sets as numbers -----------------------------------------------------------------------------------

    def _constant(self, outcome: Outcome) -> StepFunction:
        return self.pool.constant(self._id_of(outcome))

    def _id_of(self, outcome: Outcome | None) -> int:
        assert outcome is not None
        return self._id(frozenset((outcome,)))

    def _id(self, outcomes: frozenset[Outcome]) -> int:
        found = self._ids.get(outcomes)
        if found is None:
            found = self._ids[outcomes] = len(self._outcome_sets)
            self._outcome_sets.append(outcomes)
        return found

    def _join(self, a: int, b: int) -> int:
        if a == b:
            return a
        key = (a, b)
        found = self._joined.get(key)
        if found is None:
            found = self._joined[key] = self._id(self._outcome_sets[a] | self._outcome_sets[b])
        return found

    def _join_fall(self, inner: int, rest: int) -> int:
        outcomes = self._outcome_sets[inner]
        if FALL not in outcomes:
            return inner
        if len(outcomes) == 1:
            return rest
        return self._id((outcomes - {FALL}) | self._outcome_sets[rest])

    def _join_change(self, inner: int, after: int, change: Change) -> int:
        """The outcomes of ``inner`` that end here, and ``after`` where it falls with just this change."""
        outcomes = self._outcome_sets[inner]
        ended = frozenset(o for o in outcomes if o.verdict != "fall")
        falls = any(o.verdict == "fall" and o.change == change for o in outcomes)
        return self._id(ended | self._outcome_sets[after] if falls else ended)

    def _changed(self, after: StepFunction, change: Change) -> StepFunction:
        """``after``, each outcome with ``change`` put before its own changes."""
        if not change:
            return after
        return self.pool.build(
            (start, self._id(frozenset(o._replace(change=merge(change, o.change)) for o in self._outcome_sets[value])))
            for start, _, value in after.cells()
        )


def changed(state: PacketState, change: Change) -> PacketState:
    """The state after rules have changed it."""
    fields: dict[str, Any] = dict(change)
    return state._replace(**fields) if fields else state


def merge(first: Change, then: Change) -> Change:
    """Both changes, the later one winning."""
    return tuple(sorted({**dict(first), **dict(then)}.items()))


def _conjunction(conditions: tuple[Condition, ...], state: PacketState) -> Bounds:
    out = YES
    for condition in conditions:
        bounds = match(condition, state)
        if not bounds.possibly:
            return bounds
        if bounds is not YES:
            out = bounds if out is YES else out.both(bounds)
    return out


def _is_plain(reached: tuple[CompiledRule, int, Bounds]) -> bool:
    compiled, _, bounds = reached
    return compiled.body is None and plain_outcome(compiled.target) is not None and (
        bounds.certainly == bounds.possibly)


def plain_outcome(target: Target) -> Outcome | None:
    """The outcome of a target that ends the chain; None where the packet goes on."""
    kind = target.__class__
    if kind is Accept:
        return ACCEPT
    if kind is Drop:
        return DROP
    if kind is Return:
        return FALL
    if isinstance(target, Reject):
        return Outcome("reject", target.how)
    if isinstance(target, Dnat | Redirect | NetmapDnat | Snat):
        return Outcome("nat", target)
    if isinstance(target, Undecidable) and target.terminal:
        return Outcome("undecided", f"{target.text} ({target.why})")
    return None


def change_of(target: Target, state: PacketState) -> Change:
    """What a target that goes on changes in the packet's state, given what it is now.

    Without a connection there is no mark of it to read or to write (xt_CONNMARK.c, nft_ct.c).
    """
    if (isinstance(target, CopyMark) or (isinstance(target, SetMark) and target.field == "ct_mark")) and (
            state.ct_state in (STATE_INVALID, STATE_UNTRACKED)):
        return ()
    if isinstance(target, NoTrack):
        return (("notrack", True),)
    if isinstance(target, SetMark):
        old = state.mark if target.field == "mark" else state.ct_mark
        keep = ~target.mask & 0xFFFFFFFF
        if old is None and keep:
            return ((target.field, None),)
        return ((target.field, ((old or 0) & keep) ^ target.value),)
    if isinstance(target, CopyMark):
        old, new = (state.mark, state.ct_mark) if target.to == "mark" else (state.ct_mark, state.mark)
        if old is None or new is None:
            return ((target.to, None),)
        return ((target.to, (old & ~target.to_mask & 0xFFFFFFFF) ^ (new & target.from_mask)),)
    if isinstance(target, Undecidable):
        return (("ct_mark", None), ("mark", None))
    return ()
