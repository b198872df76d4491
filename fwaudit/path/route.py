"""Routing: where a packet goes, and which sources the kernel takes over which interface.

Sources: net/ipv4/route.c (ip_route_input_slow, __mkroute_output), net/ipv4/fib_frontend.c (fib_validate_source),
net/ipv6/ip6_input.c (ip6_rcv_core), net/ipv6/ip6_output.c (ip6_forward), net/core/fib_rules.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from fwaudit.model.host import Host, PolicyRule, Route
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.records import dataclass

_LOOPBACK4 = IntervalSet((127 << 24, 128 << 24))
_LOOPBACK6 = IntervalSet((1, 2))
_ZERONET = IntervalSet((0, 1))  # the rest of 0/8 is unicast since Linux 5.3 (include/linux/in.h, ipv4_is_zeronet)
_LIMITED_BROADCAST = IntervalSet((0xFFFFFFFF, 1 << 32))
_ALL_HOSTS = {4: IntervalSet.of(0xE0000001), 6: IntervalSet.of(0xFF01 << 112 | 1, 0xFF02 << 112 | 1)}
_LINK_LOCAL6 = IntervalSet((0xFE80 << 112, 0xFEC0 << 112))
_OWN_LINK6 = _LINK_LOCAL6 | _LOOPBACK6
_LINK_GROUPS4 = IntervalSet((0xE0000000, 0xE0000100))
_HOST_GROUPS = IntervalSet.from_ranges(
    ((0xFF00 | flags << 4 | scope) << 112, ((0xFF00 | flags << 4 | scope) + 1 << 112) - 1)
    for flags in range(16) for scope in (0, 1))
SPECIAL_SOURCES = {4: (_LOOPBACK4, _ZERONET, _LIMITED_BROADCAST, _LINK_GROUPS4),
                   6: (_LOOPBACK6, IntervalSet((0, 1)), _LINK_LOCAL6, _HOST_GROUPS)}
"""Sources that the kernel's own checks tell from others, whatever the routes are."""


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
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
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

    def lookup_in(self, dst: int | None, src: int | None, iif: str, mark: int | None) -> Lookup:
        """The hops of a packet that came in by ``iif``.

        An IPv6 link-local or loopback destination is looked up on the packet's own link (net/ipv6/route.c,
        rt6_need_strict).
        """
        own_link = self.family == 6 and dst is not None and dst in _OWN_LINK6
        return self.lookup(dst, src, iif, mark, iif if own_link else "")

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
            found = list(self._look(dst, src, iif, mark, oif))
            if dst is not None and len(found) == 1 and found[0][0] == self.universe:
                found = [(ALL, found[0][1])]  # which no set has to be cut with
            self._cache[key] = found
        return found

    def _look(self, dst: int | None, src: int | None, iif: str, mark: int | None, oif: str) -> Iterator[
            tuple[IntervalSet, Hop]]:
        left = self.universe
        for rule in self.rules:
            if rule.action == "nop":
                continue
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


def remembered(method: Callable[Concatenate[Admission, _Arguments], _Result]) -> Callable[
        Concatenate[Admission, _Arguments], _Result]:
    """Keeps the answers of a method: every packet of an interface asks for the same few settings."""

    @wraps(method)
    def look(self: Admission, /, *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        key = (method.__name__, *arguments)
        if key not in self.memory:
            self.memory[key] = method(self, *arguments, **named)
        return self.memory[key]  # type: ignore[return-value]

    return look


class Admission:
    """Which sources the kernel takes at all from an interface, before and in routing."""

    def __init__(self, host: Host, fibs: dict[int, Fib]) -> None:
        self._host = host
        self._fibs = fibs
        self._local = {
            family: _local_addresses(host, family) for family in (4, 6)
        }
        self._sources: dict[tuple[str, str], list[tuple[IntervalSet, str]]] = {}
        self.memory: dict[tuple[object, ...], object] = {}

    def own_addresses(self, family: int) -> IntervalSet:
        """Every address of the host's interfaces."""
        return self._local[family]

    def early(self, family: int, iif: str, dst: int) -> IntervalSet:
        """Sources of packets that reach the first hook. IPv6 drops loopback and multicast sources before it, and what
        is sent to groups of the host's own or of no scope (ip6_rcv_core)."""
        universe = self._fibs[family].universe
        if family == 4:
            return universe
        if iif == "lo":
            return universe - MULTICAST[6]
        if dst == 1 or dst in _HOST_GROUPS:
            return EMPTY
        return universe - MULTICAST[6] - _LOOPBACK6

    def martian_sources(self, family: int, iif: str, dst: int) -> IntervalSet:
        """Sources that come in by no wire, whatever the routes are (ip_route_input_slow, ip_mc_validate_source).

        0.0.0.0 may ask everybody, as DHCP clients do: limited broadcast, or a group of the link.
        """
        if family == 6:
            return EMPTY
        if dst == 0:  # everybody, for a sender without an address alone
            return self._fibs[4].universe - _ZERONET
        if dst in _LIMITED_BROADCAST:
            return MULTICAST[4] | _LIMITED_BROADCAST
        return self._martians(iif, dst in _LINK_GROUPS4)

    @remembered
    def _martians(self, iif: str, from_nobody: bool) -> IntervalSet:
        refused = MULTICAST[4] | _LIMITED_BROADCAST
        if not from_nobody:
            refused = refused | _ZERONET
        return refused if self.flag("net.ipv4.conf.{}.route_localnet", iif) else refused | _LOOPBACK4

    def sources(self, family: int, iif: str, dst: int, mark: int | None, oif: str = "lo") -> list[
            tuple[IntervalSet, str]]:
        """(sources, why) that routing refuses or cannot tell for a packet that it sends on to ``oif``, or, lo, takes
        for this host; IPv4 only (fib_validate_source).

        ``why`` empty: refused as the host's own or by rp_filter; else undecided, and why.
        """
        if family == 6:
            return []
        if self._fibs[4].custom:
            return self._find_sources(iif, dst, mark, oif)
        found = self._sources.get((iif, oif))  # neither destination nor mark choose among tables
        if found is None:
            found = self._sources[iif, oif] = self._find_sources(iif, dst, mark, oif)
        return found

    def _find_sources(self, iif: str, dst: int, mark: int | None, oif: str) -> list[tuple[IntervalSet, str]]:
        mode = self.rp_filter(iif)
        if mode is None:
            return [(self._fibs[4].universe, "the source checks of this host (sysctl not read)")]
        accept_local = self.flag("net.ipv4.conf.{}.accept_local", iif)
        fib = self._fibs[4]
        if mode == 0 and not fib.custom:
            return [(EMPTY if accept_local else self._local[4], "")]
        refused = EMPTY
        out: list[tuple[IntervalSet, str]] = []
        valid_mark = self.flag("net.ipv4.conf.{}.src_valid_mark", iif)
        for area, hop in fib.lookup(None, dst, oif, mark if valid_mark else 0):
            if oif == "lo":
                area = area - _ZERONET  # asks everybody, and is not looked up
            if hop.kind == "unknown":
                out.append((area, hop.why))
            elif hop.kind in ("none", "unreachable", "prohibit", "blackhole"):
                refused = refused | (area if mode else EMPTY)
            else:
                usable = hop.kind == "unicast" or (hop.kind == "local" and accept_local)
                if not usable or (mode == 1 and iif not in hop.devices):
                    refused = refused | area
        return [(refused, ""), *out]

    @remembered
    def rp_filter(self, iif: str) -> int | None:
        """The larger of all and the interface's (Documentation/networking/ip-sysctl.rst); None where not read."""
        values = [self._host.setting(f"net.ipv4.conf.{name}.rp_filter") for name in ("all", iif)]
        return max((value for value in values if value is not None), default=None)

    @remembered
    def flag(self, pattern: str, iif: str) -> bool:
        """A switch that holds when set for all or for the interface (IN_DEV_ORCONF)."""
        return any(self._host.setting(pattern.format(name)) for name in ("all", iif))

    @remembered
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

    def unforwardable(self, family: int, iif: str, oif: str) -> IntervalSet:
        """Sources that IPv6 does not forward: unspecified, loopback, link-local, multicast.

        Not asked where the packet leaves by the interface that it came in by (net/ipv6/ip6_output.c, ip6_forward).
        """
        if family == 4 or iif == oif:
            return EMPTY
        return IntervalSet((0, 1)) | _LOOPBACK6 | _LINK_LOCAL6 | MULTICAST[6]

    def martian_destination(self, dst: int, iif: str) -> bool:
        """IPv4 destinations that never route in from a wire: 127/8 without route_localnet."""
        return dst in _LOOPBACK4 and not self.flag("net.ipv4.conf.{}.route_localnet", iif)


def special_destination(family: int, dst: int) -> Hop | None:
    """The hop of destinations that no routing table decides: limited broadcast, 0.0.0.0 too, is local.

    So is multicast, where the host has joined the group, which is known of all-hosts alone (ip_route_input_rcu,
    ip_check_mc_rcu, ip6_mc_input).
    """
    if family == 4 and (dst in _LIMITED_BROADCAST or dst in _ZERONET):
        return Hop("broadcast")
    if dst not in MULTICAST[family]:
        return None
    if dst in _ALL_HOSTS[family]:
        return Hop("multicast")
    return Hop("unknown", why="whether this host has joined the multicast group")


def _local_addresses(host: Host, family: int) -> IntervalSet:
    """Every address of the host's interfaces (what inet_lookup_ifaddr_rcu finds)."""
    return IntervalSet.of(*(address.value for interface in host.interfaces.values()
                            for address in interface.addresses if address.family == family))
