"""What conditions ask of the routing tables: whether there is a way back to a source, and what routes refuse.

Computed when a condition first asks, since it takes all routes of a family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fwaudit.model.host import Host
from fwaudit.netfilter.facts import Routing
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.route import Fib, Lookup

_REFUSALS = {"unreachable": "unreachable", "prohibit": "prohibit", "blackhole": "blackhole", "none": "unreachable"}


class RoutingFacts(Mapping[int, Routing]):
    """By family; without those whose routing depends on more than addresses, or was not read."""

    def __init__(self, host: Host, fibs: Mapping[int, Fib]) -> None:
        self._host = host
        self._fibs = {family: fib for family, fib in fibs.items() if fib.known and not fib.custom}
        self._found: dict[int, Routing] = {}

    def __getitem__(self, family: int) -> Routing:
        found = self._found.get(family)
        if found is None:
            found = self._found[family] = self._routing(self._fibs[family])
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self._fibs)

    def __len__(self) -> int:
        return len(self._fibs)

    def _routing(self, fib: Fib) -> Routing:
        everywhere = fib.lookup(None)
        names = [name for name in self._host.interfaces if name != "lo"]
        refused = dict.fromkeys(_REFUSALS.values(), EMPTY)
        for area, hop in everywhere:
            if hop.kind in _REFUSALS:
                refused[_REFUSALS[hop.kind]] |= area
        near = dict.fromkeys(names, EMPTY)
        for area, routes in fib.nodes():
            for name in {name for route in routes if route.kind == "unicast" for name in route.devices} & near.keys():
                near[name] |= area
        return Routing(
            {name: _over(everywhere, name) for name in names}, near,
            {name: _over(fib.lookup(None, oif=name), name) for name in names},
            refused)


def _over(lookup: Lookup, name: str) -> IntervalSet:
    """The addresses that are reached over an interface."""
    area = EMPTY
    for here, hop in lookup:
        if hop.kind == "unicast" and name in hop.devices:
            area |= here
    return area
