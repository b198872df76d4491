"""Does a packet match? Three-valued, for all peers at once: conditions → Bounds over the peer's address."""

from __future__ import annotations

from fwaudit.model.condition import All, AnyOf, Condition, Exists, In, Masked, Named, Not, Unknown
from fwaudit.packet.bounds import MAYBE, NO, YES, Bounds, exactly
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.state import ADDRESS_FIELDS, CLIENT_PORTS, FIELD_INDEX, PORT_FIELDS, UNKNOWN_PORT, PacketState

_CLIENT = IntervalSet.range(*CLIENT_PORTS)


def match(condition: Condition, state: PacketState) -> Bounds:
    """The peers for which ``condition`` certainly and possibly holds. The condition must be resolved."""
    if isinstance(condition, In):
        value = state[FIELD_INDEX[condition.field]]
        if value is not None:
            return YES if value in condition.values else NO  # type: ignore[operator]
        if condition.field in ADDRESS_FIELDS:
            return exactly(condition.values)
        return _unnamed(condition)
    if isinstance(condition, Unknown):
        return MAYBE
    if isinstance(condition, Named):
        name = state[FIELD_INDEX[condition.field]]
        if not isinstance(name, str) or name == UNKNOWN_PORT:
            return MAYBE
        hit = name.startswith(condition.name) if condition.prefix else name == condition.name
        # an interface that the packet does not have matches no name (the kernel compares with an empty one)
        return YES if hit and (name or condition.prefix) else NO
    if isinstance(condition, Masked):
        number = state[FIELD_INDEX[condition.field]]
        if number is None:
            return MAYBE
        return YES if number & condition.mask == condition.value else NO  # type: ignore[operator]
    if isinstance(condition, All):
        out = YES
        for part in condition.parts:
            out = out.both(match(part, state))
            if not out.possibly:
                return NO
        return out
    if isinstance(condition, AnyOf):
        out = NO
        for part in condition.parts:
            out = out.either(match(part, state))
        return out
    if isinstance(condition, Not):
        return match(condition.part, state).neither()
    if isinstance(condition, Exists):
        return YES if state[FIELD_INDEX[condition.field]] else NO
    return MAYBE


def among(values: IntervalSet, address: int | None) -> Bounds:
    """The peers for which an address, which is the peer's where it is None, is one of ``values``."""
    if address is None:
        return exactly(values)
    return YES if address in values else NO


def _unnamed(condition: In) -> Bounds:
    """A port that the question does not name, which is the client's, or a mark that nobody knows."""
    if condition.field in PORT_FIELDS:
        inside = condition.values & _CLIENT
        if not inside:
            return NO
        return YES if inside == _CLIENT else MAYBE
    return MAYBE


def unknowns(condition: Condition, state: PacketState) -> list[str]:
    """In words, the parts of a condition that this packet leaves undecided."""
    if isinstance(condition, All | AnyOf):
        return [text for part in condition.parts for text in unknowns(part, state)]
    if isinstance(condition, Not):
        return unknowns(condition.part, state)
    if isinstance(condition, Unknown):
        return [f"{condition.text} ({condition.why})" if condition.why else condition.text]
    bounds = match(condition, state)
    if bounds.certainly == bounds.possibly:
        return []
    if isinstance(condition, Named) and state[FIELD_INDEX[condition.field]] == UNKNOWN_PORT:
        return [f"whether the bridge port is {condition.name}"]
    field = condition.field if isinstance(condition, In | Named | Masked) else "facts"
    return [f"the packet's {field.replace('_', ' ')}"]
