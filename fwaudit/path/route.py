"""Routing: where a packet goes, by the host's routes and policy rules.

Sources: net/ipv4/route.c (ip_route_input_slow, __mkroute_output), net/ipv6/route.c, net/core/fib_rules.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.host import Host, PolicyRule, Route
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.records import dataclass

LOOPBACK6 = IntervalSet((1, 2))
LINK_LOCAL6 = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))
_LINKS6 = LINK_LOCAL6 | MULTICAST[6]
OWN_LINK6 = LINK_LOCAL6 | LOOPBACK6


@dataclass(frozen=True, slots=True)
class Hop:
    """What routing says. ``kind``: unicast, local, broadcast, multicast, anycast, none, unreachable, prohibit,
    blackhole, or unknown with ``why``. ``devices``: the outgoing interfaces."""

    kind: str
    devices: tuple[str, ...] = ()
    source: int | None = None
    why: str = ""
    gateway: int | None = None


NO_ROUTE = Hop("none")
LOCAL_KINDS = ("local", "broadcast", "multicast", "anycast")
_REFUSALS = ("blackhole", "unreachable", "prohibit")
_DEFAULT_RULES = {
    4: (("local", 0), ("main", 32766), ("default", 32767)),
    6: (("local", 0), ("main", 32766)),
}
Lookup = list[tuple[IntervalSet, Hop]]


class Fib:
    """The routing tables and policy rules of one family."""

    def __init__(self, host: Host, family: int) -> None:
        self.family = family
        self.universe = IntervalSet((0, max_address(family) + 1))
        routes = host.routes.get(family)
        self.known = routes is not None
        self._width = 32 if family == 4 else 128
        self._tables: dict[str, dict[int, dict[int, list[Route]]]] = {}
        for route in routes or ():
            lengths = self._tables.setdefault(route.table, {})
            lengths.setdefault(route.prefix, {}).setdefault(route.low, []).append(route)
        self._lengths = {name: sorted(lengths, reverse=True) for name, lengths in self._tables.items()}
        rules = host.policy_rules.get(family)
        self.rules: tuple[PolicyRule, ...] = tuple(sorted(rules, key=lambda r: r.priority)) if rules else tuple(
            PolicyRule(family, priority, table=table) for table, priority in _DEFAULT_RULES[family])
        self._first: dict[int | None, int] = {}  # where the rules of a priority begin
        for place, rule in enumerate(self.rules):
            self._first.setdefault(rule.priority, place)
        usual = {(priority, table) for table, priority in _DEFAULT_RULES[family]}
        self.has_more_rules = any((rule.priority, rule.table) not in usual for rule in self.rules)
        self.custom = any(not _is_default(rule) for rule in self.rules) or any(
            route.from_prefix for route in routes or ())
        vrfs = {name for name, interface in host.interfaces.items() if interface.kind == "vrf"}
        self._in_vrf = vrfs | {name for name, interface in host.interfaces.items() if interface.master in vrfs}
        self._has_ties = family == 6 and any(
            len({route.metric for route in node}) < len(node) for lengths in self._tables.values()
            for nodes in lengths.values() for low, node in nodes.items() if low not in _LINKS6)
        self._areas: dict[tuple[str, str], list[tuple[IntervalSet, Route]]] = {}
        self._cache: dict[tuple[object, ...], Lookup] = {}

    def lookup_in(self, dst: int | None, src: int | None, iif: str, mark: int | None, link: str = "") -> Lookup:
        """The hops of a packet that came in by ``iif``, or answers one that came in by ``link``.

        An IPv6 link-local or loopback destination is looked up on the packet's own link (net/ipv6/route.c,
        rt6_need_strict).
        """
        link = link or iif
        if self.family == 4 or link == "lo":
            return self.lookup(dst, src, iif, mark)
        if dst is not None:
            return self.lookup(dst, src, iif, mark, link if dst in OWN_LINK6 else "")
        own, others = self.lookup(None, src, iif, mark, link), self.lookup(None, src, iif, mark)
        return [*((area & OWN_LINK6, hop) for area, hop in own), *((area - OWN_LINK6, hop) for area, hop in others)]

    def link(self, name: str) -> object:
        """The same for interfaces over which answers go alike, but that what has one of these for its link leaves by
        the other: for links with the same neighbours. Their names, where routes depend on the incoming interface."""
        if self.family == 4:
            return None
        if self._has_ties:
            return name
        found: dict[Hop, IntervalSet] = {}
        for area, hop in self.lookup(None, oif=name):
            devices = hop.devices if hop.kind == "unicast" else ()
            over = Hop(hop.kind, tuple(["" if device == name else device for device in devices]), why=hop.why)
            found[over] = found.get(over, EMPTY) | area & OWN_LINK6
        return frozenset(found.items())

    def lookup(self, dst: int | None, src: int | None = None, iif: str = "lo", mark: int | None = 0,
               oif: str = "") -> Lookup:
        """The hops of a packet, by peer address; the address that is None is the peer's.

        The areas are disjoint and cover every address; an area without a route has the hop NO_ROUTE. ``oif`` limits
        the lookup to one interface.
        """
        if not self.known:
            return [(self.universe, Hop("unknown", why="the routes were not read"))]
        key = (dst, oif, *((src, iif, mark) if self.custom else (iif,) if self._has_ties else ()))
        found = self._cache.get(key)
        if found is None:
            found = list(self._look(dst, src, iif, mark, oif))
            if dst is not None and len(found) == 1 and found[0][0] == self.universe:
                found = [(ALL, found[0][1])]  # which no set has to be cut with
            self._cache[key] = found
        return found

    def _look(self, dst: int | None, src: int | None, iif: str, mark: int | None, oif: str) -> Iterator[
            tuple[IntervalSet, Hop]]:
        coming: dict[int, IntervalSet] = {0: self.universe}  # who is asked from which rule on
        left = EMPTY
        for place, rule in enumerate(self.rules):
            left = left | coming.pop(place, EMPTY)
            if rule.action == "nop" or not left:
                continue
            applies = self._applies(rule, dst, src, iif, mark, oif) & left
            if not applies:
                continue
            unsure = _unsure(rule, mark)
            if unsure:
                yield applies, Hop("unknown", why=unsure)
                left = left - applies
            elif rule.action == "lookup":
                for area, hop in self._table(rule, dst, src, iif, applies, oif):
                    yield area, hop
                    left = left - area
            elif rule.action == "goto":
                target = self._first.get(rule.goto, 0)
                if target > place:
                    coming[target] = coming.get(target, EMPTY) | applies
                else:  # which no kernel has (fib_rules.c, fib_nl_newrule)
                    yield applies, Hop("unknown", why=f"ip rule {rule.priority} goes to a rule that is not behind it")
                left = left - applies
            else:
                yield applies, Hop(rule.action)
                left = left - applies
            if not left and not coming:
                return
        if left:
            yield left, NO_ROUTE

    def _applies(self, rule: PolicyRule, dst: int | None, src: int | None, iif: str, mark: int | None,
                 oif: str) -> IntervalSet:
        """The peers that a policy rule may speak of. Selectors that are not modelled are left to `_unsure`; with a
        ``not`` in front of these, what the others say is no limit."""
        if rule.action == "l3mdev" and iif not in self._in_vrf and oif not in self._in_vrf:
            return EMPTY  # it speaks of interfaces in a VRF only
        inside = self.universe
        for wanted, value in ((rule.src, src), (rule.dst, dst)):
            if wanted is None:
                continue
            area = self._network(*wanted)
            if value is not None:
                inside = inside if value in area else EMPTY
            else:
                inside = inside & area
        if rule.iif and rule.iif != iif:
            inside = EMPTY
        if rule.oif and rule.oif != oif:
            inside = EMPTY
        if rule.mark is not None and mark is not None and (mark & rule.mark_mask) != rule.mark:
            inside = EMPTY
        if rule.inverted:
            return self.universe if _unsure(rule, mark) else self.universe - inside
        return inside

    def _network(self, low: int, prefix: int) -> IntervalSet:
        return IntervalSet((low, low + (1 << (self._width - prefix))))

    def _table(self, rule: PolicyRule, dst: int | None, src: int | None, iif: str, applies: IntervalSet,
               oif: str) -> Iterator[tuple[IntervalSet, Hop]]:
        """What one table says to the peers in ``applies``; peers without a route in it go on to the next rule."""
        left = applies
        for area, route in self._candidates(rule.table or "main", dst, src, iif, oif):
            here = left & area
            if here:
                left = left - here
                if _counts(route, rule):
                    yield here, _hop(route)
            if not left:
                return

    def _candidates(self, table: str, dst: int | None, src: int | None, iif: str, oif: str) -> Iterator[
            tuple[IntervalSet, Route]]:
        """The routes of a table in the order in which they are taken, with the peers that may take them."""
        if dst is not None:
            for route in self._longest(table, dst, iif, oif):
                senders = self._network(route.from_low, route.from_prefix) if route.from_prefix else ALL
                if src is None or src in senders:
                    yield senders if src is None else ALL, route
            return
        for area, route in self._by_length(table, iif):
            if route.from_prefix and (src is None or src not in self._network(route.from_low, route.from_prefix)):
                continue
            if not oif or oif in route.devices or route.kind == "local":
                yield area, route

    def nodes(self) -> Iterator[tuple[IntervalSet, list[Route]]]:
        """Every destination that has a route, with all routes of its longest prefix. Not for custom policy rules."""
        left = self.universe
        for rule in self.rules:
            table = rule.table or "main"
            for prefix in self._lengths.get(table, ()):
                for low, routes in self._tables[table][prefix].items():
                    here = self._network(low, prefix) & left
                    if here:
                        left = left - here
                        yield here, routes

    def _longest(self, table: str, dst: int, iif: str, oif: str) -> Iterator[Route]:
        for prefix in self._lengths.get(table, ()):
            low = dst >> (self._width - prefix) << (self._width - prefix)
            routes = self._tables[table][prefix].get(low)
            for route in self._by_preference(routes, iif) if routes else ():
                if not oif or oif in route.devices:
                    yield route

    def _by_length(self, table: str, iif: str) -> list[tuple[IntervalSet, Route]]:
        """The table's routes, the longest prefix first, each with its addresses."""
        key = table, iif if self._has_ties else ""
        found = self._areas.get(key)
        if found is None:
            found = self._areas[key] = []
            for prefix in self._lengths.get(table, ()):
                for low in sorted(self._tables[table][prefix]):
                    for route in self._by_preference(self._tables[table][prefix][low], iif):
                        found.append((self._network(low, prefix), route))
        return found

    def _by_preference(self, routes: list[Route], iif: str) -> list[Route]:
        """The routes of one prefix, in the order in which they are tried.

        Where IPv6 has some for certain sources alone, it does not look at the others, but of ::/0 (ip6_fib.c,
        fib6_node_lookup_1 and fib6_node_lookup). Of routes of one metric it takes that back over the interface that
        the packet came in by (route.c, rt6_check_dev).
        """
        if len(routes) == 1:
            return routes
        if routes[0].prefix and any(route.from_prefix for route in routes):
            routes = [route for route in routes if route.from_prefix]
        back = iif if self.family == 6 else ""
        return sorted(routes, key=lambda route: (
            route.down, -route.from_prefix, route.metric, back not in route.devices))


def _counts(route: Route, rule: PolicyRule) -> bool:
    """Whether a rule is content with the route that its table has; otherwise the next rule is asked. What refuses is
    not suppressed (fib_rules.c, fib_rules_lookup)."""
    if route.kind == "throw":
        return False
    return rule.suppress_prefix is None or route.prefix > rule.suppress_prefix or route.kind in _REFUSALS


def _hop(route: Route) -> Hop:
    return Hop(route.kind, route.devices, route.source, gateway=route.gateway)


def _is_default(rule: PolicyRule) -> bool:
    return (rule.action == "lookup" and rule.table in ("local", "main", "default", "253", "254", "255")
            and rule.src is None and rule.dst is None and not rule.iif and not rule.oif and rule.mark is None
            and not rule.unknown and not rule.inverted and rule.suppress_prefix is None
            and rule.proto is None and rule.sport is None and rule.dport is None)


def _unsure(rule: PolicyRule, mark: int | None) -> str:
    """Why it is not known whether a policy rule applies or what it does; empty where it is."""
    if rule.unknown:
        return f"ip rule {rule.priority} asks for {', '.join(rule.unknown)}"
    if rule.proto is not None or rule.sport is not None or rule.dport is not None:
        return f"ip rule {rule.priority} asks for protocol or ports"
    if rule.mark is not None and mark is None:
        return f"ip rule {rule.priority} asks for a mark that is not known"
    if rule.action not in ("lookup", "blackhole", "unreachable", "prohibit", "goto"):
        return f"ip rule {rule.priority} has the action {rule.action}"
    return ""
