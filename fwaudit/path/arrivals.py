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

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Dnat, Hook, NetmapDnat, Redirect, Rule
from fwaudit.model.verdict import Outcome, Query
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.admission import Admission, special_destination
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.deliver import Services, proxy_target
from fwaudit.path.entrance import Entrances
from fwaudit.path.reads import borders_in, mask_of
from fwaudit.path.route import OWN_LINK6, Fib, Lookup
from fwaudit.path.tables import Tables

_HOOKS: tuple[Hook, ...] = ("prerouting", "input", "forward", "output", "postrouting")
_OF_FIRST = frozenset({"dst", "orig_dst", "reply_src"})
"""Where rules find the destination of a connection's first packet, ..."""
_OF_ANSWERS = _OF_FIRST | {"src"}
"""... and where those that answers meet find it as well: all but those of nat."""
_ADDRESSES = mask_of(_OF_ANSWERS)
_IN_FRONT = mask_of(("src", "dst"))
"""The addresses that rules have in front of their other conditions."""
_MOST_RULES = 1 << 11
"""With more rules that ask for addresses, each address is like no other: to look them all up would cost 100,000 rules a
third of their first verdict."""
_MOST_KNOWN = 1 << 16
Key = tuple[object, ...]
Sets = tuple[tuple[int, ...], ...]


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
        if query.iif in ("", "lo") or query.hook == "forward" or query.sources.bounds != ALL.bounds:
            return None
        where = query.family, query.iif, query.dst, bool(query.hook)
        if where in self._known:
            found = self._known[where]
        else:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[where] = self._find(*where)
        return None if found is None else (
            found, query.proto, query.dport, query.sport, query.oif, query.answer)

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
        if [hop.kind for _, hop in hops] != ["local"] or special_destination(family, dst) or (
                (family, dst) in self._named) or self._services.container_at(family, dst):
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


class ToldApart:
    """What the rules of all hooks ask of interfaces and addresses, without those of single devices (ingress, egress).

    ``sent_to``: the addresses that NAT sends packets to. ``shifts``: some NAT makes the new destination out of the old
    one or of the interface, so that more of these matters than what rules ask.
    """

    def __init__(self, tables: Tables, family: int) -> None:
        chains = list(_chains(tables, family))
        asking = [each for each in chains if each[0].own_reads & _ADDRESSES]
        self._names = {name for chain, _, _ in chains for name in chain.named}
        self._sets: Sets | None = None
        if sum(len(rules) for _, _, rules in asking) <= _MOST_RULES and not any(
                chain.whole & _ADDRESSES for chain, _, _ in asking):
            self._sets = tuple({bounds for chain, fields, _ in asking for bounds in _asked(chain, fields)})
        self.shifts = False
        targets: list[tuple[int, int]] = []
        for target in {id(said): said.target for _, _, rules in chains for said in texts_of(rules)}.values():
            if isinstance(target, Dnat) and target.addresses is not None:
                targets.append(target.addresses)
            elif isinstance(target, Dnat | Redirect | NetmapDnat):
                self.shifts = True
        self.sent_to = IntervalSet.from_ranges(targets)

    def door(self, name: str) -> object:
        """The same for interfaces of which rules say the same."""
        return frozenset([each for each in self._names
                          if (name.startswith(each.name) if each.prefix else name == each.name)])

    def place(self, address: int) -> object:
        """The same for addresses of which rules say the same."""
        if self._sets is None or address in self.sent_to:
            return address
        return bytes([bisect_right(bounds, address) & 1 for bounds in self._sets])


def _chains(tables: Tables, family: int) -> Iterator[tuple[CompiledChain, frozenset[str], Sequence[Rule]]]:
    """Each chain with the fields in which it may find a packet's destination, and its rules as the host has them."""
    seen: set[tuple[int, frozenset[str]]] = set()
    for hook in _HOOKS:
        for base in tables.base_chains(family, hook, ""):
            fields = _OF_FIRST if base.chain.kind == "nat" else _OF_ANSWERS
            for chain in tables.chain(base, family).subtree():
                key = chain.serial, fields
                if key not in seen:
                    seen.add(key)
                    yield chain, fields, chain.shown(base.table)


def _asked(chain: CompiledChain, fields: frozenset[str]) -> Iterator[tuple[int, ...]]:
    """The sets of addresses that a chain's own rules ask for in these fields, each as its borders."""
    if chain.asked & _ADDRESSES:
        for compiled in chain.rules.texts.values():
            if compiled.reads & _ADDRESSES:
                for condition in compiled.conditions:
                    yield from (bounds for field, bounds in borders_in(condition) if field in fields)
    if chain.own_reads & _IN_FRONT:
        for _, src, dst, _ in chain.rules.runs:
            if dst is not None:
                yield dst.bounds
            if src is not None and "src" in fields:
                yield src.bounds
