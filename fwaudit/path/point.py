"""One base chain and one packet: rule by rule, in order, noting what was met. The slow, plain sibling of `chain`.

An unknown match forks the packet; forks that are in the same state at the same rule are one again, so the work is
bounded by rules × distinct states.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from fwaudit.model.condition import Condition
from fwaudit.model.ruleset import Goto, Rule
from fwaudit.packet.bounds import YES
from fwaudit.path.chain import TOO_DEEP, Change, Outcome, change_of, changed, merge, plain_outcome
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.match import match, unknowns
from fwaudit.path.state import PacketState

_MAX_DEPTH = 200
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


def walk_chain(
    chain: CompiledChain, state: PacketState, peer: int, fork: Fork, depth: int = 0
) -> dict[Outcome, Fork]:
    """Every outcome that one packet may come to in ``chain``. ``peer`` is the address that the state leaves open."""
    if depth > _MAX_DEPTH:
        return {TOO_DEEP: fork}
    ended: dict[Outcome, Fork] = {}
    live: dict[Change, Fork] = {(): fork}
    special = chain.special(state)  # without the rules that only log or count
    for place in special.candidates(state):
        if not live:
            break
        _, conditions, compiled = special.rules[place]
        following: dict[Change, Fork] = {}
        for change, now in live.items():
            here = changed(state, change)
            hit, doubts = _hits(conditions, here, peer)
            if not hit:
                _keep(following, change, now)
                continue
            if doubts:
                label = tuple(f"{doubt} [{chain.name} rule {compiled.rule.number}]" for doubt in doubts)
                _keep(following, change, Fork(now.met, now.doubts + label))
            else:
                label = ()
            taken = Fork((*now.met, Met(chain.name, compiled.rule, label)), now.doubts + label)
            if compiled.body is not None:
                inner = walk_chain(compiled.body, here, peer, taken, depth + 1)
                for outcome, way in inner.items():
                    after = merge(change, outcome.change)
                    if outcome.verdict == "fall" and not isinstance(compiled.target, Goto):
                        _keep(following, after, way)
                    else:
                        _keep(ended, outcome._replace(change=after), way)
                continue
            plain = plain_outcome(compiled.target)
            if plain is not None:
                _keep(ended, plain._replace(change=change), taken)
            else:
                _keep(following, merge(change, change_of(compiled.target, here)), taken)
        live = following
    for change, now in live.items():
        _keep(ended, Outcome("fall", None, change), now)
    return ended


def _keep(ways: dict[_Key, Fork], key: _Key, fork: Fork) -> None:
    """Remember a way; of two that lead to the same place the one with fewer doubts stays."""
    old = ways.get(key)
    if old is None or len(fork.doubts) < len(old.doubts):
        ways[key] = fork


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
