"""The conditions of a rule when all that they ask of the host is looked up, so that they ask about the packet alone."""

from __future__ import annotations

from fwaudit.model.condition import Condition
from fwaudit.path.reads import BIT, NOTHING, Reads, borders_in


class Resolved:
    """Conditions as a conjunction, and what they read of a packet. Two are compared by identity: where chains of many
    hosts are kept, conditions that say the same are one (`fwaudit.path.chain_store`)."""

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
