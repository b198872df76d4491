"""How packets come in from a wire: what is settled by their interface and destination before any rule is met.

Many questions are about one address of the host on one interface, so what an interface does with a destination is found
out once.
"""

from __future__ import annotations

from typing import Literal

from fwaudit.model.host import Host
from fwaudit.netfilter.facts import MULTICAST
from fwaudit.packet.address import format_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.admission import Admission
from fwaudit.path.deliver import Services
from fwaudit.path.route import LOCAL_KINDS, Fib
from fwaudit.records import NamedTuple

_MOST_KNOWN = 1 << 16


class Entrance(NamedTuple):
    """``early``: the sources of packets that get as far as the first hook. ``pkttype``: as in `PacketState`.

    ``way``: ``hooks``, or one that the IP hooks do not see or see differently: ``macvlan`` to a container that is on
    the wire itself, ``bridge`` straight to another port of the bridge that they come in by.
    ``doubt``: why it is not known whether it is the way of a macvlan; empty where it is known.
    ``needs_gateway``: a container sends them to its default gateway, if it has one.
    """

    early: IntervalSet
    pkttype: int
    way: Literal["hooks", "macvlan", "bridge"]
    doubt: str
    needs_gateway: bool


class Entrances:
    """The entrances of one host."""

    def __init__(self, host: Host, fibs: dict[int, Fib], admission: Admission, services: Services,
                 bridges: set[str]) -> None:
        self._host = host
        self._fibs = fibs
        self._admission = admission
        self._services = services
        self._bridges = bridges
        self._known: dict[tuple[int, str, int], Entrance] = {}

    def of(self, family: int, iif: str, dst: int) -> Entrance:
        """The entrance of packets to ``dst`` that come in by ``iif``."""
        key = family, iif, dst
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._find(family, iif, dst)
        return found

    def _find(self, family: int, iif: str, dst: int) -> Entrance:
        kind = self._packet_type(family, iif, dst)
        on_link = self._is_on_link(family, iif, dst)
        doubt = ""
        if not kind and self._may_pass_by(family, iif, dst):
            doubt = (f"whether {format_address(family, dst)} is a container's on a macvlan or ipvlan network "
                     f"({self._services.engine_unread})")
        way: Literal["hooks", "macvlan", "bridge"] = "bridge" if on_link else "hooks"
        if self._passes_by(family, iif, dst):
            way = "macvlan"
        needs_gateway = iif in self._bridges and not on_link and not any(
            (a.family, a.value) == (family, dst) for a in self._host.interfaces[iif].addresses)
        return Entrance(self._admission.early(family, iif, dst), kind, way, doubt, needs_gateway)

    def _packet_type(self, family: int, iif: str, dst: int) -> int:
        """How the sender, a neighbour, addresses a frame: to this host, to everybody of its network, or to a group."""
        if dst in MULTICAST[family]:
            return 2
        interface = self._host.interfaces.get(iif)
        if family == 6 or interface is None:
            return 0
        everybody = {0xFFFFFFFF}
        for address in interface.addresses:
            if address.family == 4 and address.prefix < 31:
                everybody.add(address.value | (1 << 32 - address.prefix) - 1)
        return int(dst in everybody)

    def _passes_by(self, family: int, iif: str, dst: int) -> bool:
        """True for the address of a container on a macvlan or ipvlan whose parent is the incoming interface: its own
        MAC address is on the wire, and the host's hooks see nothing."""
        place = self._services.container_at(family, dst)
        if place is None:
            return False
        for network in self._host.engine.networks:
            if network.name == place.endpoint.network and network.driver in ("macvlan", "ipvlan"):
                return network.interface.split(".")[0] == iif or network.interface == iif
        return False

    def _may_pass_by(self, family: int, iif: str, dst: int) -> bool:
        """True for an address of another machine on the link that the packet comes in by, where no engine could say
        whether it is a container's. To any other machine the packet would not come in at all."""
        if self._services.engine_known or self._host.engine.networks or iif in self._bridges:
            return False
        interface, width = self._host.interfaces.get(iif), 32 if family == 4 else 128
        near = any(each.family == family and each.value >> width - each.prefix == dst >> width - each.prefix
                   for each in (interface.addresses if interface else ()))
        return near and self._kind_of(family, iif, dst) not in LOCAL_KINDS

    def _is_on_link(self, family: int, iif: str, dst: int) -> bool:
        """True where the sender, a neighbour on a bridge of this host, sends straight to another port of it."""
        if iif not in self._bridges:
            return False
        width = 32 if family == 4 else 128
        for address in self._host.interfaces[iif].addresses:
            if address.family == family:
                if address.value == dst:
                    return False
                if address.value >> (width - address.prefix) == dst >> (width - address.prefix):
                    return self._kind_of(family, iif, dst) not in LOCAL_KINDS
        return False

    def _kind_of(self, family: int, iif: str, dst: int) -> str:
        hops = self._fibs[family].lookup_in(dst, None, iif, 0)
        return hops[0][1].kind if hops else "none"
