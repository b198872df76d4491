"""NAT: what a first packet looks like behind a NAT target, and how the answer is turned back.

Sources: net/netfilter/nf_nat_core.c (nf_nat_setup_info: the status bits are set only where the tuple changes),
net/netfilter/nf_nat_redirect.c, xt_NETMAP.c.
"""

from __future__ import annotations

from fwaudit.model.host import Address, Host
from fwaudit.model.ruleset import Dnat, NetmapDnat, Redirect, Snat
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import ICMP, ICMPV6
from fwaudit.path.state import DESTINATION_DONE, SOURCE_DONE, PacketState, but

_MAX_CHOICES = 64
_LINK_SCOPES = ("link", "host")
_ICMP_ANSWERS = {ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}, ICMPV6: {128: 129, 129: 128}}
_NARROW = (1, 2, 5)
"""Scopes of IPv6 that the kernel tells apart: of the interface, of the link, of the site (ipv6_addr_scope)."""


class NatUnknown(Exception):
    """The target has more results than are worth walking, or needs a fact that is not there; the text says which."""


def translate(state: PacketState, target: Dnat | Redirect | NetmapDnat | Snat, host: Host) -> list[PacketState]:
    """Every state that the packet may be in behind ``target``; none where the kernel drops it. Raises NatUnknown."""
    if isinstance(target, Snat):
        return _translate_source(state, target, host)
    if isinstance(target, Redirect):
        ports = _ports(target.ports, state.dport, None)
        return [_to(state, address, port) for address in _redirect_address(state, host) for port in ports]
    if isinstance(target, NetmapDnat):
        if state.dst is None:
            raise NatUnknown("NETMAP of a destination that is not known")
        keep = (1 << ((32 if target.family == 4 else 128) - target.prefix)) - 1
        return [_to(state, target.low | state.dst & keep, state.dport)]
    low, high = target.addresses if target.addresses is not None else (state.dst, state.dst)
    if low is None or high is None:
        raise NatUnknown("DNAT of a destination that is not known")
    ports = _ports(target.ports, state.dport, target.port_base)
    if (high - low + 1) * len(ports) > _MAX_CHOICES:
        raise NatUnknown(f"DNAT to one of {(high - low + 1) * len(ports)} places")
    return [_to(state, address, port) for address in range(low, high + 1) for port in ports]


def _ports(ports: tuple[int, int] | None, now: int | None, base: int | None) -> list[int | None]:
    if ports is None:
        return [now]
    low, high = ports
    if base is not None and now is not None and low <= now - base + low <= high:
        return [now - base + low]
    if high - low >= _MAX_CHOICES:
        raise NatUnknown(f"DNAT to one of {high - low + 1} ports")
    return list(range(low, high + 1))


def _to(state: PacketState, address: int, port: int | None) -> PacketState:
    changed = (address, port) != (state.dst, state.dport)
    reply_port = state.reply_sport if state.proto in _ICMP_ANSWERS else port
    return but(state, dst=address, dport=port, ct_dnat=1 if changed else state.ct_dnat, reply_src=address,
               reply_sport=reply_port, nat_done=DESTINATION_DONE)


def tuple_ports(state: PacketState) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
    """Source and destination port of a connection's first packet and of its answer, as connection tracking has them.

    In their place an ICMP message has its identifier, and its type and code (nf_conntrack_proto_icmp.c).
    """
    answers = _ICMP_ANSWERS.get(state.proto)
    if answers is None:
        return (state.sport, state.dport), (state.dport, state.sport)
    answer = answers.get(state.icmp_type)
    code = None if answer is None else answer << 8 | state.icmp_code
    return (state.sport, state.icmp_type << 8 | state.icmp_code), (state.sport, code)


def _redirect_address(state: PacketState, host: Host) -> list[int]:
    """The address that REDIRECT turns a packet to: loopback for packets of the host itself, else the first of the
    incoming interface, for IPv6 of the destination's own scope where that is narrow; none where the kernel finds none
    and drops the packet (net/netfilter/nf_nat_redirect.c)."""
    if not state.iif:
        return [127 << 24 | 1 if state.family == 4 else 1]
    interface = host.interfaces.get(state.iif)
    if interface is None:
        raise NatUnknown(f"REDIRECT on {state.iif}, whose addresses are not known")
    addresses = [a for a in interface.addresses if a.family == state.family]
    if state.family == 4:
        addresses.sort(key=lambda a: a.scope in _LINK_SCOPES)
    elif state.dst is not None and state.dst >> 32 == 0 and state.dst > 1:
        addresses = []  # an IPv4-compatible one has a scope of its own in the kernel's eyes
    elif (scope := _scope(state.dst)) in _NARROW:
        addresses = [a for a in addresses if _scope(a.value) == scope]
    return [a.value for a in addresses[:1]]


def _scope(address: int | None) -> int:
    """The scope of an IPv6 address in the numbers of RFC 4291: 2 link, 5 site, 14 global (ipv6_addr_scope)."""
    if address is None:
        return 14
    if address >> 120 == 0xFF:
        return address >> 112 & 15
    return {0xFE80 >> 6: 2, 0xFEC0 >> 6: 5}.get(address >> 118, 14)


def _translate_source(state: PacketState, target: Snat, host: Host) -> list[PacketState]:
    """SNAT changes what rules behind it see, on input and behind postrouting, and where the answer goes."""
    if target.addresses is not None:
        low, high = target.addresses
        if high - low >= _MAX_CHOICES:
            raise NatUnknown(f"SNAT to one of {high - low + 1} addresses")
        return [but(state, src=address, ct_snat=1, reply_dst=address, nat_done=SOURCE_DONE)
                for address in range(low, high + 1)]
    interface = host.interfaces.get(state.oif)
    own = [a for a in (interface.addresses if interface else ()) if a.family == state.family]
    if state.family == 6:
        own.sort(key=lambda a: _preference(a, state.dst))
    else:
        own.sort(key=lambda a: a.scope in _LINK_SCOPES)
    source = own[0].value if own else None
    return [but(state, src=source, ct_snat=1, reply_dst=source, nat_done=SOURCE_DONE)]


def _preference(own: Address, dst: int | None) -> tuple[bool, bool, int, bool, int]:
    """Orders an interface's addresses as sources for a destination: rules 1, 2, 6 and 8 of RFC 6724
    (net/ipv6/addrconf.c, ipv6_get_saddr_eval). The sort keeps the order of those that it does not tell apart."""
    wanted, scope = (_scope(dst) if dst else 0), _scope(own.value)
    far = dst if dst is not None else 0x2000 << 112
    common = min(128 - (own.value ^ far).bit_length(), own.prefix)
    return (own.value != dst, scope < wanted, scope if scope >= wanted else -scope,
            _is_unique_local(own.value) != _is_unique_local(far), -common)


def _is_unique_local(address: int) -> bool:
    return address >> 121 == 0xFC >> 1


def describe(target: Dnat | Redirect | NetmapDnat | Snat, before: PacketState, after: PacketState) -> str:
    """``dnat 172.17.0.2:80``: what the target did to this packet."""
    if isinstance(target, Snat):
        if target.addresses is None:
            return "masquerade"
        return f"snat {format_address(before.family, target.addresses[0])}"
    word = "redirect" if isinstance(target, Redirect) else "dnat"
    return f"{word} {place(after.family, after.dst, after.dport)}"


def place(family: int, address: int | None, port: int | None) -> str:
    """``172.17.0.2:80`` or ``[2001:db8::2]:80``."""
    text = "?" if address is None else format_address(family, address)
    if family == 6:
        text = f"[{text}]"
    return text if port is None else f"{text}:{port}"
