"""What conditions and targets read of a packet: its fields, as bits of a number, and where they tell values apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwaudit.model.condition import All, AnyOf, Condition, Exists, In, Masked, Named, Not
from fwaudit.model.ruleset import CopyMark, NoTrack, SetMark, Target, Template
from fwaudit.path.state import ADDRESS_FIELDS, FIELD_INDEX, PORT_FIELDS
from fwaudit.records import NamedTuple

BIT = {name: 1 << index for name, index in FIELD_INDEX.items()}


def mask_of(names: Iterable[str]) -> int:
    """The bits of these fields."""
    return sum(BIT[name] for name in names)


NUMBERS = mask_of(ADDRESS_FIELDS | PORT_FIELDS)
NAMES = mask_of({"iif", "oif", "physin", "physout"})
LATE = NUMBERS | mask_of({"mark", "ct_mark", "in_sets"})
"""Fields of which a chain meets many values, so that its rules are not sorted out by them beforehand."""
CHANGED = mask_of({"mark", "ct_mark", "ct_state", "in_sets"})
"""Fields that rules may change."""


class Reads(NamedTuple):
    """``fields``: bits of all that is read; ``whole``: of those numbers of which more than the range matters;
    ``named``: the interfaces that are asked for."""

    fields: int = 0
    whole: int = 0
    named: frozenset[Named] = frozenset()

    def __or__(self, other: Reads) -> Reads:
        return Reads(self.fields | other.fields, self.whole | other.whole, self.named | other.named)


NOTHING = Reads()


def reads_of(condition: Condition) -> Reads:
    """What a resolved condition reads."""
    if isinstance(condition, In | Exists):
        return Reads(BIT[condition.field])
    if isinstance(condition, Masked):
        bit = BIT[condition.field]
        return Reads(bit, bit & NUMBERS)
    if isinstance(condition, Named):
        return Reads(BIT[condition.field], 0, frozenset((condition,)))
    if isinstance(condition, All | AnyOf):
        found = NOTHING
        for part in condition.parts:
            found |= reads_of(part)
        return found
    return reads_of(condition.part) if isinstance(condition, Not) else NOTHING


def read_by(target: Target) -> int:
    """The fields that a target reads: all that mark a packet ask whether there is a connection."""
    if isinstance(target, CopyMark):
        return BIT["ct_state"] | BIT["ct_mark" if target.to == "mark" else "mark"]
    return BIT["ct_state"] if isinstance(target, SetMark | NoTrack | Template) else 0


def borders_in(condition: Condition) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(field, borders) of each set of values that a condition asks about."""
    if isinstance(condition, In):
        yield condition.field, condition.values.bounds
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from borders_in(part)
    elif isinstance(condition, Not):
        yield from borders_in(condition.part)


class Resolved:
    """The conditions of a rule as a conjunction, when all that they ask of the host is looked up, and what they read of
    a packet. Compared by identity: where chains of many hosts are kept, conditions that say the same are one
    (`fwaudit.path.chain_store`)."""

    __slots__ = ("_borders", "conditions", "reads")

    def __init__(self, conditions: tuple[Condition, ...], reads: Reads) -> None:
        self.conditions = conditions
        self.reads = reads
        self._borders: dict[str, frozenset[int]] | None = None

    def borders(self, field: str) -> frozenset[int]:
        """Where they change their mind about a field."""
        if self._borders is None:
            self._borders = {}
        found = self._borders.get(field)
        if found is None:
            found = self._borders[field] = frozenset(
                border for condition in self.conditions if self.reads.fields & BIT[field]
                for name, bounds in borders_in(condition) if name == field for border in bounds)
        return found


ALWAYS = Resolved((), NOTHING)
"""No conditions."""
