"""Admission: which sources the kernel takes over which interface, and destinations that no routing table decides.

Sources: net/ipv4/route.c (ip_route_input_slow), net/ipv4/fib_frontend.c (fib_validate_source), net/ipv6/ip6_input.c
(ip6_rcv_core), net/ipv6/ip6_output.c (ip6_forward).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec, TypeVar

from fwaudit.model.host import Address, Host
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.route import LINK_LOCAL6, LOOPBACK6, Fib, Hop

_LOOPBACK4 = IntervalSet((127 << 24, 128 << 24))
_ZERONET = IntervalSet((0, 1))  # the rest of 0/8 is unicast since Linux 5.3 (include/linux/in.h, ipv4_is_zeronet)
_LIMITED_BROADCAST = IntervalSet((0xFFFFFFFF, 1 << 32))
_ALL_HOSTS = {4: IntervalSet.of(0xE0000001), 6: IntervalSet.of(0xFF01 << 112 | 1, 0xFF02 << 112 | 1)}
_LINK_GROUPS4 = IntervalSet((0xE0000000, 0xE0000100))
_HOST_GROUPS = IntervalSet.from_ranges(
    ((0xFF00 | flags << 4 | scope) << 112, ((0xFF00 | flags << 4 | scope) + 1 << 112) - 1)
    for flags in range(16) for scope in (0, 1))
SPECIAL_SOURCES = {4: (_LOOPBACK4, _ZERONET, _LIMITED_BROADCAST, _LINK_GROUPS4),
                   6: (LOOPBACK6, IntervalSet((0, 1)), LINK_LOCAL6, _HOST_GROUPS)}
"""Sources that the kernel's own checks tell from others, whatever the routes are."""
_MOST_ANSWERS = 1 << 16
_NOBODY: list[tuple[IntervalSet, str]] = []
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


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
        self._answers: dict[tuple[str, int, str], list[tuple[IntervalSet, str]]] = {}
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
        return universe - MULTICAST[6] - LOOPBACK6

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
            return self._validate(iif, None, dst, mark, oif)
        found = self._sources.get((iif, oif))  # neither destination nor mark choose among tables
        if found is None:
            found = self._sources[iif, oif] = self._validate(iif, None, dst, mark, oif)
        return found

    def answers(self, family: int, iif: str, src: int, mark: int | None, oif: str) -> list[tuple[IntervalSet, str]]:
        """(peers, why) as `sources`: those to whom routing does not send an answer on that comes from ``src``."""
        if family == 6:
            return []
        if self._fibs[4].custom:
            return self._validate(iif, src, None, mark, oif)
        found = self._answers.get((iif, src, oif))
        if found is None:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            found = self._answers[iif, src, oif] = self._validate(iif, src, None, mark, oif)
        return found

    def sender(self, family: int, src: int) -> object:
        """The same for sources of answers that routing sends on alike, wherever they come in and go: `answers` and
        `unforwardable` ask no more of them, but where the host has routing rules of its own."""
        if family == 6:
            return src in self.unforwardable(6, "one", "other")
        return src in self._local[4], tuple([hop for _, hop in self._fibs[4].lookup(src)])

    def _validate(self, iif: str, src: int | None, dst: int | None, mark: int | None, oif: str) -> list[
            tuple[IntervalSet, str]]:
        """Of the address that is None, the peers for whom the source is not taken (fib_validate_source)."""
        fib = self._fibs[4]
        mode = self.rp_filter(iif)
        if mode is None:
            return [(fib.universe, "the source checks of this host (sysctl not read)")]
        accept_local = self.flag("net.ipv4.conf.{}.accept_local", iif)
        if mode == 0 and (accept_local or not (fib.custom or self._is_extended)):
            if accept_local or (src is not None and src not in self._local[4]):
                return _NOBODY
            return [(self._local[4] if src is None else fib.universe, "")]
        is_numbered = any(address.family == 4 for address in self._addresses(iif))
        refused = EMPTY
        out: list[tuple[IntervalSet, str]] = []
        valid_mark = self.flag("net.ipv4.conf.{}.src_valid_mark", iif)
        for area, hop in fib.lookup(src, dst, oif, mark if valid_mark else 0):
            if oif == "lo" and src is None:
                area = area - _ZERONET  # asks everybody, and is not looked up
            if hop.kind == "unknown":
                out.append((area, hop.why))
            elif hop.kind in ("none", "unreachable", "prohibit", "blackhole"):
                refused = refused | (area if mode else EMPTY)
            else:
                usable = hop.kind == "unicast" or (hop.kind == "local" and accept_local)
                if not usable or (iif not in hop.devices and (mode == 1 or (mode and not is_numbered))):
                    refused = refused | area
        return [(refused, ""), *out] if refused.bounds else out

    def checks_of(self, family: int, iif: str) -> object:
        """All settings of an interface on which `sources`, `martian_sources`, `martian_destination` and `forwards`
        depend. None where it takes sources by the routes that lead back over it (rp_filter)."""
        forwards = self.forwards(family, iif)
        if family == 6:
            return (forwards,)
        mode = self.rp_filter(iif)
        if mode == 1 or (mode and not any(address.family == 4 for address in self._addresses(iif))):
            return None
        return forwards, mode, *(self.flag(f"net.ipv4.conf.{{}}.{name}", iif)
                                 for name in ("accept_local", "src_valid_mark", "route_localnet"))

    def _addresses(self, name: str) -> tuple[Address, ...]:
        interface = self._host.interfaces.get(name)
        return interface.addresses if interface else ()

    @cached_property
    def _is_extended(self) -> bool:
        """Whether somebody has added policy rules, or local routes to those of the interfaces' addresses: then sources
        are looked up (fib_has_custom_rules, fib_has_custom_local_routes)."""
        return self._fibs[4].has_more_rules or any(route.kind == "local" and not (
            IntervalSet((route.low, route.low + (1 << 32 - route.prefix))) <= self._local[4] | _LOOPBACK4)
            for route in self._host.routes.get(4) or ())

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
        return IntervalSet((0, 1)) | LOOPBACK6 | LINK_LOCAL6 | MULTICAST[6]

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


def shared_addresses(host: Host, family: int) -> IntervalSet:
    """Broadcast, anycast and multicast addresses: TCP takes no connection to them (tcp_v4_conn_request,
    tcp_v6_conn_request)."""
    shared = MULTICAST[family] if family == 6 else MULTICAST[4] | _ZERONET | _LIMITED_BROADCAST
    return shared | IntervalSet.of(*(route.low for route in host.routes.get(family) or ()
                                     if route.kind in ("broadcast", "anycast")))
