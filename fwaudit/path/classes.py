"""Which packets chains and those below them do not tell apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from fwaudit.path.reads import BIT, NAMES, NUMBERS
from fwaudit.path.state import FIELD_INDEX, UNKNOWN_PORT, PacketState

if TYPE_CHECKING:
    from fwaudit.path.compiled import CompiledChain

_MANY = 1000


class Classes:
    """The classes of packets of some chains and those below them. Made when first asked for, since most never are.

    ``serial`` names the chains. ``exactly``: fields of which every value is a class of its own, read or not, as bits.
    """

    __slots__ = ("_chains", "_names", "_numbers", "_plain", "_serial", "_tops")

    def __init__(self, serial: object, tops: Sequence[CompiledChain], exactly: int = 0) -> None:
        self._serial = serial
        self._tops = tops
        self._chains: list[CompiledChain] | None = None
        reads = whole = 0
        for chain in tops:
            reads |= chain.reads
            whole |= chain.whole
        numbers, names = reads & NUMBERS & ~whole & ~exactly, reads & NAMES & ~exactly
        plain = reads & ~numbers & ~names | exactly
        self._plain = itemgetter(0, *(i for name, i in FIELD_INDEX.items() if plain & BIT[name]))
        # each with its borders, once somebody asked for them
        self._numbers: list[tuple[int, list[int] | None]] = [
            (i, None) for name, i in FIELD_INDEX.items() if numbers & BIT[name]]
        self._names: list[tuple[int, str, dict[object, object]]] = [
            (i, name, {}) for name, i in FIELD_INDEX.items() if names & BIT[name]]

    def key(self, state: PacketState) -> tuple[object, ...]:
        """Two packets with the same key have the same fate in the chains. The key is their serial, the family, each
        field that is read as it is, each number by the class it falls in, and each interface by the names in the rules.

        Of a number only the class matters: between which borders of the subtree it lies; of an interface, whether a
        rule names it. So 65,536 ports are as many questions as there are different port ranges in the rules.
        """
        key: list[object] = [self._serial, self._plain(state)]
        for index, borders in self._numbers:
            value = state[index]
            if value is not None:
                value = bisect_right(self._find_borders(index) if borders is None else borders, value)
            key.append(value)
        for index, field, classes in self._names:
            value = state[index]
            found = classes.get(value)
            if found is None:
                found = classes[value] = self._name_class(field, value)
            key.append(found)
        return tuple(key)

    def _subtree(self) -> list[CompiledChain]:
        if self._chains is None:
            self._chains = list({chain.serial: chain for top in self._tops for chain in top.subtree()}.values())
        return self._chains

    def _find_borders(self, index: int) -> list[int]:
        found = self.borders(PacketState._fields[index])
        self._numbers[[place for place, _ in self._numbers].index(index)] = index, found
        return found

    def borders(self, field: str) -> list[int]:
        """Where rules of the subtree change their mind about a number, in order."""
        bit = BIT[field]
        parts = [chain.rules.borders(field) for chain in self._subtree() if chain.own_reads & bit]
        return merged([part for part in parts if part])

    def is_named(self, field: str, name: str) -> bool:
        """Whether a rule of the subtree asks for this very interface."""
        for _, each, classes in self._names:
            if each == field:
                if name not in classes:
                    classes[name] = self._name_class(field, name)
                return classes[name] == name
        return False

    def _name_class(self, field: str, name: object) -> object:
        """An interface that no rule of the subtree names is like all others that begin with the same prefixes."""
        asked = {each for chain in self._subtree() for each in chain.named if each.field == field}
        found: object = name
        if name not in ("", UNKNOWN_PORT) and not any(each.name == name and not each.prefix for each in asked):
            found = tuple(sorted(e.name for e in asked if e.prefix and str(name).startswith(e.name)))
        return found


def merged(parts: Sequence[Collection[int]]) -> list[int]:
    """All values of the parts once, in order. A part that is a list or a tuple is in order itself; the longest is not
    sorted again where it is long."""
    longest = max(parts, key=len, default=())
    if len(longest) < _MANY or not isinstance(longest, list | tuple):
        return sorted(set().union(*parts))
    others = set().union(*(part for part in parts if part is not longest))
    new = [value for value in others if longest[bisect_right(longest, value) - 1] != value]
    return sorted([*longest, *sorted(new)]) if new else list(longest)
