"""Packets that come in from a wire and whose ways are one but for the address that answers.

A port is asked about over each interface and at each address of the host, and hardly ever does anything tell eth0 from
eth1 or one of the host's addresses from another. Two packets of one `Arrivals.key` are walked for once. They differ in
the interface that they come in by, in the address of this host that they are sent to, or in both, and for each place on
the way that looks at one of these the key has what it sees there:

- rules, by what they ask (`ToldApart`), in whatever field: an answer has the packet's destination as its source;
- `Entrance`, the routes, special destinations and martians, by what they say of the two;
- the checks of sources and forwarding, by the interface's settings (`Admission.checks_of`);
- sockets, by which of them are bound to an address or to an interface;
- answers over an IPv6 link, by where its neighbours are.

An interface or address that anything else knows by its name or value is like no other.
"""

from __future__ import annotations

from fwaudit.model.host import Host
from fwaudit.model.verdict import Outcome, Query
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.admission import Admission, special_destination
from fwaudit.path.deliver import Services, proxy_target
from fwaudit.path.entrance import Entrances
from fwaudit.path.route import OWN_LINK6, Fib, Lookup
from fwaudit.path.tables import Tables
from fwaudit.path.told_apart import ToldApart

_MOST_KNOWN = 1 << 16
Key = tuple[object, ...]


class Arrivals:
    """The classes of packets that come in to one host. ``shared``: addresses that TCP takes no connection to."""

    def __init__(self, host: Host, tables: Tables, fibs: dict[int, Fib], admission: Admission, services: Services,
                 entrances: Entrances, shared: dict[int, IntervalSet]) -> None:
        self._host = host
        self._tables = tables
        self._fibs = fibs
        self._admission = admission
        self._services = services
        self._entrances = entrances
        self._shared = shared
        self._told: dict[int, ToldApart | None] = {}
        self._doors: dict[tuple[int, str], object] = {}
        self._known: dict[tuple[int, str, int, bool], int | None] = {}
        self._numbers: dict[Key, int] = {}
        sockets = host.sockets or ()
        self._bound_to = {socket.device for socket in sockets}
        self._named = {(socket.family, socket.address) for socket in sockets if socket.address} | {
            target[:2] for target in map(proxy_target, sockets) if target}

    def key(self, query: Query) -> Key | None:
        """Questions with the same key have the same answer (`moved`). None: the question is like no other.

        The key has the family, interface and address as a number, and all else that there is to a question.
        """
        if query.iif in ("", "lo") or query.sources.bounds != ALL.bounds:
            return None
        where = query.family, query.iif, query.dst, bool(query.hook)
        if where in self._known:
            found = self._known[where]
        else:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[where] = self._find(*where)
        return None if found is None else (
            found, query.proto, query.dport, query.sport, query.hook, query.oif, query.answer)

    def _find(self, family: int, iif: str, dst: int, of_a_hook: bool) -> int | None:
        if family not in self._told:
            self._told[family] = self._rules(family)
        told = self._told[family]
        if told is None:
            return None
        key: Key
        if of_a_hook:  # which meets rules and nothing else
            key = family, told.door(iif), told.place(dst)
        else:
            entrance = self._entrances.of(family, iif, dst)
            if entrance.way != "hooks" or entrance.doubt:
                return None
            key = family, self._door(told, family, iif), self._place(told, family, iif, dst), entrance
        return self._numbers.setdefault(key, len(self._numbers))

    def _rules(self, family: int) -> ToldApart | None:
        """None where more than its rules and routes makes a difference between packets, or these do by value."""
        tables = self._tables
        if self._fibs[family].custom or tables.has_ingress or tables.has_egress or tables.below.exists or any(
                route.kind == "unicast" and not route.devices for route in self._host.routes.get(family) or ()):
            return None
        told = ToldApart(tables, family)
        return None if told.shifts or (told.sent_to & OWN_LINK6 and family == 6) else told

    def _door(self, told: ToldApart, family: int, iif: str) -> object:
        key = family, iif
        if key not in self._doors:
            self._doors[key] = self._find_door(told, family, iif)
        return self._doors[key]

    def _find_door(self, told: ToldApart, family: int, iif: str) -> object:
        interface, fib = self._host.interfaces.get(iif), self._fibs[family]
        if interface is None or interface.kind == "bridge" or interface.programs or iif in self._bound_to:
            return iif
        # IPv6 sends what it does not forward elsewhere out by the interface that it came in by (`unforwardable`)
        if _leaves_by(iif, [(area, hop) for area, hop in fib.lookup(None) if area & told.sent_to]):
            return iif
        checks = self._admission.checks_of(family, iif)
        return iif if checks is None else (told.door(iif), checks, fib.link(iif))

    def _place(self, told: ToldApart, family: int, iif: str, dst: int) -> object:
        hops = self._fibs[family].lookup_in(dst, None, iif, 0)
        if (family == 6 and dst in OWN_LINK6) or _leaves_by(iif, hops):
            return iif, dst
        if [hop.kind for _, hop in hops] != ["local"] or special_destination(family, dst) or dst in told.sent_to or (
                (family, dst) in self._named or self._services.container_at(family, dst)):
            return dst
        return (told.place(dst), dst in self._shared[family], self._admission.martian_sources(family, iif, dst),
                self._admission.martian_destination(dst, iif))


def _leaves_by(name: str, lookup: Lookup) -> bool:
    return any(name in hop.devices for _, hop in lookup if hop.kind == "unicast")


def moved(outcomes: tuple[Outcome, ...], walked: int, asked: int) -> tuple[Outcome, ...]:
    """The outcomes of a packet to ``walked`` as those of one to ``asked``, of the same key: nobody else answers at
    ``walked`` but who is asked there (`Arrivals`)."""
    if walked == asked:
        return outcomes
    return tuple([Outcome(each.disposition, each.to._replace(address=asked), each.certainly, each.possibly)
                  if each.to is not None and each.to.address == walked else each for each in outcomes])
