"""Routing: where a packet goes, and which sources the kernel takes over which interface.

Sources: net/ipv4/route.c (ip_route_input_slow, __mkroute_output), net/ipv4/fib_frontend.c (fib_validate_source),
net/ipv6/ip6_input.c (ip6_rcv_core), net/ipv6/ip6_output.c (ip6_forward), net/core/fib_rules.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fwaudit.model.host import Host, PolicyRule, Route
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import EMPTY, IntervalSet

_LOOPBACK4 = IntervalSet((127 << 24, 128 << 24))
_LOOPBACK6 = IntervalSet((1, 2))
_ZERONET = IntervalSet((0, 1 << 24))
_LIMITED_BROADCAST = IntervalSet((0xFFFFFFFF, 1 << 32))
_LINK_LOCAL6 = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))


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
        self.custom = any(not _is_default(rule) for rule in self.rules)
        vrfs = {name for name, interface in host.interfaces.items() if interface.kind == "vrf"}
        self._in_vrf = vrfs | {name for name, interface in host.interfaces.items() if interface.master in vrfs}
        self._areas: dict[str, list[tuple[IntervalSet, Route]]] = {}
        self._cache: dict[tuple[object, ...], Lookup] = {}

    def lookup(self, dst: int | None, src: int | None = None, iif: str = "lo", mark: int | None = 0,
               oif: str = "") -> Lookup:
        """The hops of a packet, by peer address; the address that is None is the peer's.

        The areas are disjoint and cover every address; an area without a route has the hop NO_ROUTE. ``oif`` limits
        the lookup to one interface.
        """
        if not self.known:
            return [(self.universe, Hop("unknown", why="the routes were not read"))]
        key = (dst, oif, *((src, iif, mark) if self.custom else ()))
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = list(self._look(dst, src, iif, mark, oif))
        return found

    def _look(self, dst: int | None, src: int | None, iif: str, mark: int | None, oif: str) -> Iterator[
            tuple[IntervalSet, Hop]]:
        left = self.universe
        for rule in self.rules:
            applies = self._applies(rule, dst, src, iif, mark, oif) & left
            if not applies:
                continue
            unsure = _unsure(rule, mark)
            if unsure:
                yield applies, Hop("unknown", why=unsure)
                left = left - applies
                continue
            if rule.action == "lookup":
                for area, hop in self._table(rule, dst, applies, oif):
                    yield area, hop
                    left = left - area
            elif rule.action in ("blackhole", "unreachable", "prohibit"):
                yield applies, Hop(rule.action)
                left = left - applies
            if not left:
                return
        if left:
            yield left, NO_ROUTE

    def _applies(self, rule: PolicyRule, dst: int | None, src: int | None, iif: str, mark: int | None,
                 oif: str) -> IntervalSet:
        """The peers that a policy rule speaks of. Selectors that are not modelled are left to `_unsure`."""
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
        return self.universe - inside if rule.inverted else inside

    def _network(self, low: int, prefix: int) -> IntervalSet:
        return IntervalSet((low, low + (1 << (self._width - prefix))))

    def _table(self, rule: PolicyRule, dst: int | None, applies: IntervalSet, oif: str) -> Iterator[
            tuple[IntervalSet, Hop]]:
        """What one table says to the peers in ``applies``; peers without a route in it go on to the next rule."""
        table = rule.table or "main"
        if dst is not None:
            for route in self._longest(table, dst, rule.suppress_prefix, oif):
                if route.kind != "throw":
                    yield applies, _hop(route)
                return
            return
        left = applies
        for area, route in self._by_length(table):
            if rule.suppress_prefix is not None and route.prefix <= rule.suppress_prefix:
                continue
            if oif and oif not in route.devices and route.kind != "local":
                continue
            here = area & left
            if here:
                left = left - here
                if route.kind != "throw":
                    yield here, _hop(route)
            if not left:
                return

    def _longest(self, table: str, dst: int, suppress: int | None, oif: str) -> Iterator[Route]:
        for prefix in self._lengths.get(table, ()):
            low = dst >> (self._width - prefix) << (self._width - prefix)
            routes = self._tables[table][prefix].get(low)
            if not routes or (suppress is not None and prefix <= suppress):
                continue
            for route in sorted(routes, key=lambda r: (r.down, r.metric)):
                if not oif or oif in route.devices:
                    yield route

    def _by_length(self, table: str) -> list[tuple[IntervalSet, Route]]:
        """The table's routes, the longest prefix first, each with its addresses."""
        found = self._areas.get(table)
        if found is None:
            found = self._areas[table] = []
            for prefix in self._lengths.get(table, ()):
                for low in sorted(self._tables[table][prefix]):
                    for route in sorted(self._tables[table][prefix][low], key=lambda r: (r.down, r.metric)):
                        found.append((self._network(low, prefix), route))
        return found


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
    if rule.action not in ("lookup", "blackhole", "unreachable", "prohibit"):
        return f"ip rule {rule.priority} has the action {rule.action}"
    return ""


class Admission:
    """Which sources the kernel takes at all from an interface, before and in routing."""

    def __init__(self, host: Host, fibs: dict[int, Fib]) -> None:
        self._host = host
        self._fibs = fibs
        self._local = {
            family: _local_addresses(host, family) for family in (4, 6)
        }

    def early(self, family: int, iif: str, dst: int) -> IntervalSet:
        """Sources of packets that reach the first hook. IPv6 drops loopback and multicast sources before it."""
        universe = self._fibs[family].universe
        if family == 4:
            return universe
        if iif != "lo" and dst == 1:
            return EMPTY
        refused = MULTICAST[6] | (EMPTY if iif == "lo" else _LOOPBACK6)
        return universe - refused

    def sources(self, family: int, iif: str, dst: int, mark: int | None) -> list[tuple[IntervalSet, str]]:
        """(sources, why) that routing refuses or cannot tell for a packet to ``dst``; IPv4 only.

        ``why`` empty: refused as martian or by rp_filter; else undecided, and why.
        """
        if family == 6:
            return []
        refused = MULTICAST[4] | _LIMITED_BROADCAST | _ZERONET
        if not self.flag("net.ipv4.conf.{}.route_localnet", iif):
            refused = refused | _LOOPBACK4
        out: list[tuple[IntervalSet, str]] = []
        mode = self.rp_filter(iif)
        if mode is None:
            rest = self._fibs[4].universe - refused
            return [(refused, ""), (rest, "the source checks of this host (sysctl not read)")]
        accept_local = self.flag("net.ipv4.conf.{}.accept_local", iif)
        fib = self._fibs[4]
        if mode == 0 and not fib.custom:
            if not accept_local:
                refused = refused | self._local[4]
            return [(refused, "")]
        valid_mark = self.flag("net.ipv4.conf.{}.src_valid_mark", iif)
        for area, hop in fib.lookup(None, dst, "lo" if mode else iif, mark if valid_mark else 0):
            if hop.kind == "unknown":
                out.append((area - refused, hop.why))
            elif hop.kind in ("none", "unreachable", "prohibit", "blackhole"):
                refused = refused | (area if mode else EMPTY)
            elif hop.kind != "unicast":
                if not (hop.kind == "local" and accept_local):
                    refused = refused | area
            elif mode == 1 and iif not in hop.devices:
                refused = refused | area
        return [(refused, ""), *((area - refused, why) for area, why in out)]

    def rp_filter(self, iif: str) -> int | None:
        """The larger of all and the interface's (Documentation/networking/ip-sysctl.rst); None where not read."""
        values = [self._host.setting(f"net.ipv4.conf.{name}.rp_filter") for name in ("all", iif)]
        return max((value for value in values if value is not None), default=None)

    def flag(self, pattern: str, iif: str) -> bool:
        """A switch that holds when set for all or for the interface (IN_DEV_ORCONF)."""
        return any(self._host.setting(pattern.format(name)) for name in ("all", iif))

    def forwards(self, family: int, iif: str) -> bool | None:
        """Whether packets from ``iif`` are forwarded; None where the settings were not read.

        IPv4 asks the incoming interface (IN_DEV_FORWARD), IPv6 the switch for all (ip6_forward), or the interface's
        force_forwarding (Linux 6.17).
        """
        host = self._host
        if family == 4:
            own = host.setting(f"net.ipv4.conf.{iif}.forwarding")
            value = own if own is not None else host.setting("net.ipv4.ip_forward")
            return None if value is None else value != 0
        value = host.setting("net.ipv6.conf.all.forwarding")
        if value is None:
            return None
        return value != 0 or bool(host.setting(f"net.ipv6.conf.{iif}.force_forwarding"))

    def unforwardable(self, family: int) -> IntervalSet:
        """Sources that IPv6 does not forward: unspecified, loopback, link-local, multicast (ip6_forward)."""
        if family == 4:
            return EMPTY
        return IntervalSet((0, 1)) | _LOOPBACK6 | _LINK_LOCAL6 | MULTICAST[6]

    def martian_destination(self, dst: int, iif: str) -> bool:
        """IPv4 destinations that never route in from a wire: 127/8 without route_localnet, and 0/8."""
        if dst in _LOOPBACK4:
            return not self.flag("net.ipv4.conf.{}.route_localnet", iif)
        return dst in _ZERONET


def _local_addresses(host: Host, family: int) -> IntervalSet:
    """Every address of the host's interfaces (what inet_lookup_ifaddr_rcu finds)."""
    return IntervalSet.of(*(address.value for interface in host.interfaces.values()
                            for address in interface.addresses if address.family == family))
