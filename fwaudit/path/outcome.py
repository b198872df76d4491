"""Ways out of a chain, and the changes that rules make to a packet on the way there."""

from __future__ import annotations

from typing import Any

from fwaudit.model.ruleset import (
    Accept,
    CopyMark,
    Dnat,
    Drop,
    NetmapDnat,
    NoTrack,
    Redirect,
    Reject,
    Return,
    SetMark,
    Snat,
    Target,
    Template,
    Undecidable,
)
from fwaudit.packet.fields import STATE_INVALID, STATE_UNTRACKED
from fwaudit.path.state import PacketState
from fwaudit.records import NamedTuple

_ALL_BITS = 0xFFFFFFFF
Change = tuple[tuple[str, int, int | None], ...]
"""(field, keep, value) of each field that is changed, sorted by name: ``field = (field & keep) ^ value``, or, where the
value is None, nobody knows what. In this form a change does not depend on what the field was before."""


class Outcome(NamedTuple):
    """One way out of a chain. ``verdict``: accept, drop, reject, nat, undecided, fall (off the chain's end), or on (to
    the next rule: only while a chain is being evaluated).

    ``detail`` is the Target of nat, the manner of a reject, the text of undecided. ``change``: of the packet's state on
    the way.
    """

    verdict: str
    detail: object = None
    change: Change = ()


FALL = Outcome("fall")
GO_ON = Outcome("on")
ACCEPT = Outcome("accept")
DROP = Outcome("drop")
TOO_MANY = Outcome("undecided", "more ways through the rules than can be followed")


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
    """What a target that goes on changes in the packet's state.

    Without a connection there is no mark of it to read or to write (xt_CONNMARK.c, nft_ct.c).
    """
    untracked = state.ct_state in (STATE_INVALID, STATE_UNTRACKED)
    if isinstance(target, NoTrack):
        return (("ct_state", 0, STATE_UNTRACKED),) if untracked else ()
    if isinstance(target, Template):  # rules see its state and its empty addresses, which nobody asks about
        reached = untracked and (target.anew or state.ct_state == STATE_INVALID)
        return (("ct_state", 0, None),) if reached else ()
    untracked = untracked or state.ct_state is None  # marks of a template are lost with it
    if isinstance(target, SetMark):
        if target.field == "ct_mark" and untracked:
            return ()
        return ((target.field, ~target.mask & _ALL_BITS, target.value),)
    if isinstance(target, CopyMark):
        if untracked:
            return (("mark", 0, None),) if state.ct_state is None and target.to == "mark" else ()
        new = state.ct_mark if target.to == "mark" else state.mark
        if new is None:
            return ((target.to, 0, None),)
        return ((target.to, ~target.to_mask & _ALL_BITS, new & target.from_mask),)
    if isinstance(target, Undecidable):
        return (("ct_mark", 0, None), ("mark", 0, None))
    return ()


def changed(state: PacketState, change: Change) -> PacketState:
    """The state after rules have changed it."""
    if not change:
        return state
    fields: dict[str, Any] = {}
    for name, keep, value in change:
        old = getattr(state, name)
        fields[name] = None if value is None or (old is None and keep) else ((old or 0) & keep) ^ value
    return state._replace(**fields)


def merge(first: Change, then: Change) -> Change:
    """Both changes, one after the other."""
    if not first or not then:
        return first or then
    out = {name: (keep, value) for name, keep, value in first}
    for name, keep, value in then:
        before, old = out.get(name, (_ALL_BITS, 0))
        if value is None or (old is None and keep):
            out[name] = 0, None
        else:
            out[name] = before & keep, ((old or 0) & keep) ^ value
    return tuple([(name, *out[name]) for name in sorted(out)])
