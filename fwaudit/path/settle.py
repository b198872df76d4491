"""Does a packet match, when what the snapshot does not tell is assumed? Two-valued: conditions → true or false."""

from __future__ import annotations

from fwaudit.model.condition import All, AnyOf, Condition, In, Masked, Named, Not, Unknown
from fwaudit.packet.address import format_address
from fwaudit.packet.bounds import YES
from fwaudit.path.assume import Assumed
from fwaudit.path.fact_words import mark_words, unknown_words
from fwaudit.path.match import match
from fwaudit.path.smallest import Key
from fwaudit.path.state import ADDRESS_FIELDS, FIELD_INDEX, PORT_FIELDS, UNKNOWN_PORT, PacketState
from fwaudit.records import NamedTuple

CLIENT_PORT = "source port"
_ALIKE = ("-m cgroup ", "-m geoip ", "-m mac ", "-m owner ", "-m time ")
"""Matches that say the same of one packet whatever rule asks, as long as its addresses are the same: who sends it,
from which country and hardware, and when."""


class Place(NamedTuple):
    """A rule: what names it apart from all others, and in words (``filter ufw-user-input rule 4``)."""

    rule: Key
    words: str


def settle(condition: Condition, state: PacketState, peer: int, assumed: Assumed, place: Place) -> bool:
    """Whether the condition holds for one packet; a fact that nobody knows is asked for only where it matters."""
    bounds = match(condition, state)
    if bounds is YES or peer in bounds.certainly:
        return True
    if peer not in bounds.possibly:
        return False
    if isinstance(condition, All):
        return all(settle(part, state, peer, assumed, place) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(settle(part, state, peer, assumed, place) for part in condition.parts)
    if isinstance(condition, Not):
        return not settle(condition.part, state, peer, assumed, place)
    if isinstance(condition, Unknown):
        return _unknown(condition, state, peer, assumed, place)
    if isinstance(condition, In) and condition.field in PORT_FIELDS:
        words = "the source port" if _is_clients(condition.field, state) else "the port that NAT gives the client"
        return assumed.among(CLIENT_PORT, words, condition.values, same=_is_clients(condition.field, state))
    if isinstance(condition, Named) and state[FIELD_INDEX[condition.field]] == UNKNOWN_PORT:
        return assumed.holds(("bridge port", condition, state.ct_direction),
                             f"whether the bridge port is {condition.name}", same=True)
    if isinstance(condition, In | Masked) and condition.field in ("mark", "ct_mark"):
        return assumed.holds((condition, assumed.mark_changes), mark_words(condition, assumed.mark_set_by), same=True)
    return assumed.holds(place.rule, f"whether the rule matches ({place.words})", same=False)


def _unknown(condition: Unknown, state: PacketState, peer: int, assumed: Assumed, place: Place) -> bool:
    if condition.of and assumed.changing.isdisjoint(condition.of):
        values = _values(condition, state, peer)
        if values is not None:
            return assumed.holds((condition.of, values), _member_words(condition, state, peer), same=True)
    if condition.text.startswith(_ALIKE):
        ends = tuple(peer if each is None else each for each in (state.src, state.dst))
        return assumed.holds((condition.text, ends, state.locally_made), unknown_words(condition), same=True)
    return assumed.holds((place.rule, condition.text), f"{unknown_words(condition)} ({place.words})", same=False)


def _values(condition: Unknown, state: PacketState, peer: int) -> tuple[object, ...] | None:
    """What the packet has in the fields that the fact is about; None where one of them is not known."""
    out: list[object] = []
    for field in condition.about:
        value = state[FIELD_INDEX[field]]
        if value is None and field in ADDRESS_FIELDS:
            value = peer
        elif value is None and field in PORT_FIELDS and _is_clients(field, state):
            value = CLIENT_PORT
        if value is None or value == UNKNOWN_PORT:
            return None
        out.append(value)
    return tuple(out)


def _member_words(condition: Unknown, state: PacketState, peer: int) -> str:
    said = []
    for field in dict.fromkeys(condition.about):
        if field in ADDRESS_FIELDS:
            value = state[FIELD_INDEX[field]]
            said.append(format_address(state.family, value if isinstance(value, int) else peer))
    who = " and ".join(said) if said else "the packet"
    return f"whether {who} {'are' if len(said) > 1 else 'is'} in {condition.text} ({condition.why})"


def _is_clients(field: str, state: PacketState) -> bool:
    """True for a port that is the one which the client chose; false where source NAT may have changed it."""
    if field in ("orig_sport", "sport") and not state.ct_direction:
        return True
    translated = bool(state.ct_snat or (state.answers is not None and state.answers[0]))
    return field == "orig_sport" or not translated


def holds(conditions: tuple[Condition, ...], state: PacketState, peer: int, assumed: Assumed, place: Place) -> bool:
    """Whether all conditions of a rule hold; what is known is looked at before anything is asked."""
    open_ones = []
    for condition in conditions:
        bounds = match(condition, state)
        if bounds is YES or peer in bounds.certainly:
            continue
        if peer not in bounds.possibly:
            return False
        open_ones.append(condition)
    return all(settle(condition, state, peer, assumed, place) for condition in open_ones)

