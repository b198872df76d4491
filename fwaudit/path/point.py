"""One base chain and one packet: rule by rule, in order, noting what was met. The slow, plain sibling of `chain`.

An unknown match forks the packet; forks that are in the same state at the same rule are one again, and a chain that was
walked in a state is not walked in it a second time, so the work is bounded by rules × distinct states. Where facts
are assumed (`fwaudit.path.assume`), nothing is unknown and there is one way.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import Goto, Rule, Table
from fwaudit.packet.bounds import YES
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.assume import Assumed
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.match import match, unknowns
from fwaudit.path.outcome import FALL, TOO_MANY, Change, Outcome, change_of, changed, merge
from fwaudit.path.settle import Place, holds
from fwaudit.path.state import PacketState
from fwaudit.records import NamedTuple

_MOST_CHAINS = 100_000
_MOST_DOUBTS = 100
_MOST_STEPS = 1000
_Key = TypeVar("_Key")


class Met(NamedTuple):
    """A rule that the packet met and matched. ``doubt``: what decides whether it matches, empty where it does."""

    chain: str
    rule: Rule
    doubt: tuple[str, ...] = ()


class Fork(NamedTuple):
    """One way that the packet may have gone: the rules met, and the doubts that it rests on."""

    met: tuple[Met, ...] = ()
    doubts: tuple[str, ...] = ()


Ways = dict[Outcome, Fork]
_Work = Generator[tuple[CompiledChain, PacketState], Ways, Ways]


class Given(NamedTuple):
    """What is assumed while the chains of a table are walked. ``where`` names the table and its hook."""

    assumed: Assumed
    where: str


def walk_chain(chain: CompiledChain, table: Table, state: PacketState, peer: int, given: Given | None = None) -> Ways:
    """Every outcome that one packet may come to in ``chain``, which is of ``table``. ``peer`` is the address that the
    state leaves open.

    Chains wait for those below them on a list of our own, since hostile rulesets nest deeply.
    """
    known: dict[tuple[object, ...], Ways] = {}
    asked = given.assumed.asked if given else 0
    waiting: list[tuple[tuple[object, ...], _Work, int]] = [
        (chain.key(state), _walk(chain, table, state, peer, given), asked)]
    result: Ways | None = None
    while waiting:
        key, work, asked = waiting[-1]
        try:
            below, here = next(work) if result is None else work.send(result)
        except StopIteration as done:
            waiting.pop()
            result = done.value
            if given is None or given.assumed.asked == asked:  # else the next visit may get other answers
                known[key] = done.value
            continue
        key = below.key(here)
        result = known.get(key)
        if result is None:
            if len(known) + len(waiting) > _MOST_CHAINS:
                result = {TOO_MANY: Fork()}
            else:
                asked = given.assumed.asked if given else 0
                waiting.append((key, _walk(below, table, here, peer, given), asked))
    assert result is not None
    return result


def _walk(chain: CompiledChain, table: Table, state: PacketState, peer: int, given: Given | None) -> _Work:
    ended: Ways = {}
    live: dict[Change, Fork] = {(): Fork()}
    special = chain.rules.special(state, each=True)  # without the rules that only log or count
    shown = chain.shown(table)
    for place in special.candidates(state):
        if not live:
            break
        said, src, dst, _ = special.rows[place]
        if not (_is_in(src, state.src, peer) and _is_in(dst, state.dst, peer)):
            continue
        conditions, compiled, _, _ = special.texts[id(said)]
        following: dict[Change, Fork] = {}
        for change, now in live.items():
            here = changed(state, change)
            if given is None:
                hit, doubts = _hits(conditions, here, peer)
            else:
                number = shown[place].number
                where = Place((chain.serial, place), f"{given.where} {chain.name} rule {number}")
                hit, doubts = holds(conditions, here, peer, given.assumed, where), ()
            if not hit:
                _keep(following, change, now)
                continue
            rule = shown[place]
            label = tuple([f"{doubt} [{chain.name} rule {rule.number}]" for doubt in doubts])
            taken = _joined(now, Fork((Met(chain.name, rule, label),), label))
            if doubts:
                _keep(following, change, _joined(now, Fork((), label)))
            if compiled.calls >= 0:
                inner = yield chain.children[compiled.calls], here
                for outcome, way in inner.items():
                    after = merge(change, outcome.change)
                    if given and outcome.change:
                        given.assumed.mark_changed("")
                    if outcome.verdict == "fall" and not isinstance(compiled.target, Goto):
                        _keep(following, after, _joined(taken, way))
                    else:
                        _keep(ended, outcome._replace(change=after), _joined(taken, way))
                continue
            plain = compiled.plain
            if plain is not None:
                _keep(ended, plain._replace(change=change), taken)
            else:
                done = change_of(compiled.target, here)
                if given and done:
                    given.assumed.mark_changed(getattr(compiled.target, "text", ""))
                _keep(following, merge(change, done), taken)
        live = following
        if len(live) > _MOST_CHAINS:
            return {TOO_MANY: Fork()}
    for change, now in live.items():
        _keep(ended, FALL._replace(change=change), now)
    return ended


def _joined(first: Fork, then: Fork) -> Fork:
    """Both, one after the other. Of more steps than anybody reads the later ones are kept, which decide."""
    doubts = first.doubts + then.doubts if then.doubts and len(first.doubts) < _MOST_DOUBTS else first.doubts
    return Fork((first.met + then.met)[-_MOST_STEPS:], doubts[:_MOST_DOUBTS] or then.doubts)


def _keep(ways: dict[_Key, Fork], key: _Key, fork: Fork) -> None:
    """Remember a way; of two that lead to the same place the one with fewer doubts stays."""
    old = ways.get(key)
    if old is None or len(fork.doubts) < len(old.doubts):
        ways[key] = fork


def _is_in(area: IntervalSet | None, address: int | None, peer: int) -> bool:
    """Whether an address, the peer's where it is None, is one that a rule is about."""
    return area is None or (peer if address is None else address) in area


def _hits(conditions: tuple[Condition, ...], state: PacketState, peer: int) -> tuple[bool, tuple[str, ...]]:
    """Whether the rule may match this packet, and what that depends on (empty: it does match)."""
    doubts: list[str] = []
    for condition in conditions:
        bounds = match(condition, state)
        if bounds is YES or peer in bounds.certainly:
            continue
        if peer not in bounds.possibly:
            return False, ()
        doubts += unknowns(condition, state)
    return True, tuple(doubts)
