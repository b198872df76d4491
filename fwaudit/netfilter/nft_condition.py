"""How conditions are put together: what an nft match comes to, in the smallest form."""

from __future__ import annotations

from fwaudit.model.condition import FALSE, TRUE, All, AnyOf, Condition, In, Not
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import EMPTY, IntervalSet


def either(parts: list[Condition]) -> Condition:
    """At least one of these, with the sets of one field merged."""
    merged: dict[Field, list[IntervalSet]] = {}
    others: dict[Condition, None] = {}
    for part in parts:
        if isinstance(part, In):
            merged.setdefault(part.field, []).append(part.values)
        elif part == TRUE:
            return TRUE
        elif part != FALSE:
            others[part] = None
    out = [In(field, joined(values)) for field, values in merged.items()] + list(others)
    return out[0] if len(out) == 1 else AnyOf(tuple(out))


def both(parts: list[Condition]) -> Condition:
    """All of these."""
    if FALSE in parts:
        return FALSE
    out = tuple(part for part in parts if part != TRUE)
    return out[0] if len(out) == 1 else All(out)


def negated(condition: Condition) -> Condition:
    """The opposite."""
    if isinstance(condition, In):
        return In(condition.field, ~condition.values)
    if condition in (TRUE, FALSE):
        return FALSE if condition == TRUE else TRUE
    return condition.part if isinstance(condition, Not) else Not(condition)


def joined(parts: list[IntervalSet]) -> IntervalSet:
    """The union of many sets, in one pass where all of them end."""
    if len(parts) < 8 or any(len(part.bounds) & 1 for part in parts):
        out = EMPTY
        for part in parts:
            out = out | part
        return out
    return IntervalSet.from_ranges(
        (part.bounds[i], part.bounds[i + 1] - 1) for part in parts for i in range(0, len(part.bounds), 2))


def entailed(condition: Condition, known: tuple[Condition, ...]) -> bool:
    """Whether ``condition`` follows from what is known to hold."""
    if condition in known:
        return True
    return isinstance(condition, In) and any(
        isinstance(other, In) and other.field == condition.field and other.values <= condition.values
        for other in known)
