"""Which packets a chain and those below it do not tell apart."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING

from fwaudit.path.reads import BIT, NAMES, NUMBERS
from fwaudit.path.state import FIELD_INDEX, UNKNOWN_PORT, PacketState

if TYPE_CHECKING:
    from fwaudit.path.compiled import CompiledChain


class Classes:
    """The classes of packets of one chain. Made when the chain is first asked, since most chains never are."""

    __slots__ = ("_borders", "_chain", "_classes", "_names", "_numbers", "_plain")

    def __init__(self, chain: CompiledChain) -> None:
        self._chain = chain
        numbers, names = chain.reads & NUMBERS & ~chain.whole, chain.reads & NAMES
        plain = chain.reads & ~numbers & ~names
        self._plain = itemgetter(0, *(i for name, i in FIELD_INDEX.items() if plain & BIT[name]))
        self._numbers = [(i, name) for name, i in FIELD_INDEX.items() if numbers & BIT[name]]
        self._names = [(i, name) for name, i in FIELD_INDEX.items() if names & BIT[name]]
        self._borders: dict[str, list[int]] = {}
        self._classes: dict[str, dict[object, object]] = {name: {} for _, name in self._names}

    def key(self, state: PacketState) -> tuple[object, ...]:
        """Two packets with the same key have the same fate in the chain. The key is the chain, the family, each field
        that is read as it is, each number by the class it falls in, and each interface by the names that rules have.

        Of a number only the class matters: between which borders of the subtree it lies; of an interface, whether a
        rule names it. So 65,536 ports are as many questions as there are different port ranges in the rules.
        """
        key: list[object] = [self._chain.serial, self._plain(state)]
        for index, name in self._numbers:
            number = state[index]
            if number is not None:
                borders = self._borders.get(name)
                number = bisect_right(self.borders(name) if borders is None else borders, number)
            key.append(number)
        for index, name in self._names:
            value = state[index]
            found = self._classes[name].get(value)
            key.append(self._name_class(name, value) if found is None else found)
        return tuple(key)

    def borders(self, field: str) -> list[int]:
        """Where rules of the subtree change their mind about a number, in order."""
        found = self._borders.get(field)
        if found is None:
            parts = [chain.own_borders().get(field) for chain in self._chain.subtree()]
            found = self._borders[field] = merged([part for part in parts if part])
        return found

    def _name_class(self, field: str, name: object) -> object:
        """An interface that no rule of the subtree names is like all others that begin with the same prefixes."""
        asked = {each for chain in self._chain.subtree() for each in chain.named if each.field == field}
        found: object = name
        if name not in ("", UNKNOWN_PORT) and not any(each.name == name and not each.prefix for each in asked):
            found = tuple(sorted(e.name for e in asked if e.prefix and str(name).startswith(e.name)))
        self._classes[field][name] = found
        return found


def merged(parts: list[list[int]]) -> list[int]:
    """Lists in order as one, each value once. Python's sort is linear on runs that are in order."""
    if len(parts) == 1:
        return parts[0]
    out = [value for part in parts for value in part]
    out.sort()
    return list(dict.fromkeys(out))
