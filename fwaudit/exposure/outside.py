"""Where outside is: the interfaces that other machines' packets come in by, and the addresses they can be sent to."""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.model.host import Address, Host, Interface
from fwaudit.netfilter.engine_rules import is_engine_bridge
from fwaudit.packet.intervals import IntervalSet

_VIRTUAL = ("dummy", "ifb", "nlmon", "vrf")
LOOPBACK = {4: IntervalSet((127 << 24, 128 << 24)), 6: IntervalSet((1, 2))}
PRIVATE = {
    4: IntervalSet.from_ranges([(0x0A000000, 0x0AFFFFFF), (0xAC100000, 0xAC1FFFFF), (0xC0A80000, 0xC0A8FFFF),
                                (0x64400000, 0x647FFFFF), (0xA9FE0000, 0xA9FEFFFF), (0x7F000000, 0x7FFFFFFF)]),
    6: IntervalSet.from_ranges([(0, 1), (0xFC << 120, (0xFE << 120) - 1), (0xFE80 << 112, (0xFEC0 << 112) - 1)]),
}
"""Addresses that are not routed on the internet: RFC 1918, 6598, 3927, 4193, 4291."""


def outside_interfaces(host: Host) -> tuple[Interface, ...]:
    """The interfaces that packets of other machines come in by: not lo, and none that the engine made itself.

    A port of a bridge or a bond hands its packets up to it; one in a VRF keeps them.
    """
    ours = {network.interface for network in host.engine.networks if network.driver == "bridge"}
    vrfs = {name for name, interface in host.interfaces.items() if interface.kind == "vrf"}
    return tuple(
        interface for name, interface in sorted(host.interfaces.items())
        if name != "lo" and interface.up and name not in ours and interface.master in ("", *vrfs)
        and interface.kind not in _VIRTUAL and not (interface.kind == "veth" and not interface.addresses)
        and not (interface.kind == "bridge" and is_engine_bridge(name))
    )


def networks_of(host: Host) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """Each outside interface's own networks, (family, low, prefix)."""
    return {interface.name: tuple(sorted(set(map(_network, interface.addresses))))
            for interface in outside_interfaces(host)}


def inside_of(host: Host) -> tuple[tuple[int, int, int], ...]:
    """Every network that the host stands in, and the addresses there that are no other machine's: its own, the
    network's and the broadcast one; (family, low, prefix)."""
    found = set()
    for interface in host.interfaces.values():
        for address in interface.addresses:
            family, low, prefix = _network(address)
            width = 32 if family == 4 else 128
            high = low + (1 << (width - prefix)) - 1
            found |= {(family, low, prefix), *((family, each, width) for each in (address.value, low, high))}
    return tuple(sorted(found))


def _network(address: Address) -> tuple[int, int, int]:
    shift = (32 if address.family == 4 else 128) - address.prefix
    return address.family, address.value >> shift << shift, address.prefix


def host_addresses(interfaces: Iterable[Interface], family: int) -> list[int]:
    """The addresses that outsiders send to; link-local ones only where there is no other."""
    own = [a for interface in interfaces for a in interface.addresses if a.family == family]
    wide = [a.value for a in own if a.scope not in ("link", "host")]
    return list(dict.fromkeys(wide or [a.value for a in own if a.scope == "link"]))
