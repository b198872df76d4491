"""nft expressions (libnftables-json(5), EXPRESSIONS) → operands: meta, payload, ct, fib and the rest.

Kernel claims: a packet without conntrack entry has ``ct state`` invalid or untracked, and every other ct key breaks the
rule, also under ``!=`` (net/netfilter/nft_ct.c, nft_ct_get_eval); a missing device compares as the empty name
(nft_meta.c); ``meta skuid`` breaks without a socket (nft_meta.c); nft adds and hides ``meta nfproto``/``meta l4proto``
matches for header fields (``nft --debug=netlink``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fwaudit.model.condition import Condition, Exists, In, ReversePath, Unknown
from fwaudit.netfilter import nft_values as values
from fwaudit.netfilter.nft_operand import (
    FAMILIES_ETHERTYPE,
    FAMILIES_NFPROTO,
    Absent,
    Concat,
    Constant,
    Domain,
    KnownBits,
    Number,
    Operand,
    TuplePort,
)
from fwaudit.netfilter.nft_operand_host import FibRoute, FibType, Group, Name, Status
from fwaudit.netfilter.nft_text import expression_text
from fwaudit.netfilter.nft_values import named
from fwaudit.packet.fields import (
    AH,
    DCCP,
    ESP,
    GRE,
    ICMP,
    ICMPV6,
    IGMP,
    PORT_PROTOCOLS,
    SCTP,
    STATE_ESTABLISHED,
    STATE_INVALID,
    STATE_NEW,
    STATE_RELATED,
    STATE_UNTRACKED,
    TCP,
    UDP,
    UDPLITE,
    Field,
)
from fwaudit.packet.intervals import IntervalSet

_TRACKED: Final = In("ct_state", IntervalSet.of(STATE_ESTABLISHED, STATE_RELATED, STATE_NEW))
_LOCALLY_MADE: Final = In("locally_made", IntervalSet.of(1))
_HAS_PORTS: Final = In("proto", IntervalSet.of(*PORT_PROTOCOLS))

_PROTOCOL: Final = named(values.IP_PROTOCOLS)
_SERVICE: Final = values.number

_STATES: Final = ((STATE_INVALID, 1), (STATE_ESTABLISHED, 2), (STATE_RELATED, 4), (STATE_NEW, 8), (STATE_UNTRACKED, 64))

_TRANSPORT: Final = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "dccp": DCCP, "udplite": UDPLITE, "icmp": ICMP,
                     "icmpv6": ICMPV6, "igmp": IGMP, "gre": GRE, "esp": ESP, "ah": AH, "comp": 108}


def family_is(family: int) -> In:
    """The packet is of IPv4 or IPv6."""
    return In("family", IntervalSet.of(family))


def _only(family: int, table_family: str) -> tuple[Condition, ...]:
    """What ``ip``/``ip6`` fields imply in a table of that family; nothing where the table says so already."""
    return () if table_family == ("ip" if family == 4 else "ip6") else (family_is(family),)


def operand(expression: Any, table_family: str) -> Operand:
    """The operand that an expression of a table of ``table_family`` stands for. Never raises."""
    text = expression_text(expression)
    if isinstance(expression, dict) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        reader = _READERS.get(kind)
        if reader is not None and isinstance(body, dict):
            return reader(body, text, table_family)
        if kind == "concat" and isinstance(body, list) and body:
            return _concat(body, text, table_family)
    return Operand(text, "an expression that is not understood")


def _concat(body: list[Any], text: str, family: str) -> Operand:
    parts = tuple(operand(part, family) for part in body)
    implied = dict.fromkeys(condition for part in parts for condition in part.implied)
    return Concat(text, implied=tuple(implied), parts=parts)


# ---- meta -----------------------------------------------------------------------------------------------------------


def _meta(body: Mapping[str, Any], text: str, family: str) -> Operand:
    key = body.get("key")
    if not isinstance(key, str) or len(body) != 1:
        return Operand(text, "a meta expression that is not understood")
    if key in ("iifname", "oifname"):
        return Name(text, field="iif" if key == "iifname" else "oif")
    if key in ("iif", "oif"):
        return Name(text, field="iif" if key == "iif" else "oif", index="iif_index" if key == "iif" else "oif_index")
    if key in ("iifgroup", "oifgroup"):
        device: Field = "iif" if key == "iifgroup" else "oif"
        return Group(text, implied=(Exists(device),), field=device)
    if key == "l4proto":
        return Number(text, field="proto", width=8, symbol=_PROTOCOL)
    if key == "mark":
        return Number(text, field="mark", width=32)
    if key == "nfproto" and family != "netdev":
        return Domain(text, values=FAMILIES_NFPROTO, symbol=named(values.NFPROTO))
    if key == "protocol":
        return Domain(text, values=FAMILIES_ETHERTYPE, symbol=named(values.ETHERTYPES))
    if key == "pkttype":
        return Domain(text, field="pkttype", values=((0, 0), (1, 1), (2, 2)), symbol=named(values.PKTTYPES))
    if key in ("skuid", "skgid", "cgroup"):
        return Operand(text, "which process sent it", implied=(_LOCALLY_MADE,))
    if key in ("secpath", "ipsec"):
        return Constant(text)  # a plain packet has been through no transformation
    return Operand(text, _META_WHY.get(key, "not decidable from a snapshot"))


_META_WHY: Final = {
    "length": "the packet's length", "time": "the time of the packet", "day": "the day of the packet",
    "hour": "the hour of the packet", "cpu": "which processor handles it", "random": "chance",
    "iiftype": "the type of the interface", "oiftype": "the type of the interface",
}


# ---- packet headers -------------------------------------------------------------------------------------------------


def _payload(body: Mapping[str, Any], text: str, family: str) -> Operand:
    if body.keys() == {"base", "offset", "len"}:
        return _raw_payload(body, text, family)
    protocol, field = body.get("protocol"), body.get("field")
    if body.keys() != {"protocol", "field"} or not isinstance(protocol, str) or not isinstance(field, str):
        return Operand(text, "a header field that is not understood")
    if protocol in ("ip", "ip6"):
        return _network(4 if protocol == "ip" else 6, field, text, family)
    if protocol in ("arp",):
        return Absent(text)  # only IP packets are followed
    if protocol == "th":
        return _port(field, text, (), (_HAS_PORTS,))
    number = _TRANSPORT.get(protocol)
    if number is None:
        return Operand(text, "not decidable from a snapshot" if protocol in ("ether", "vlan")
                       else "a header that is not understood")
    implied: tuple[Condition, ...] = (In("proto", IntervalSet.of(number)),)
    if number in PORT_PROTOCOLS:
        if protocol == "tcp" and field == "flags":
            return Number(text, implied=implied, field="tcp_flags", width=8, symbol=named(values.TCP_FLAGS))
        return _port(field, text, implied, ())
    if number in (ICMP, ICMPV6):
        return _icmp(number, field, text, family, implied)
    return Operand(text, implied=implied)


_FRAGMENT: Final = 0xBFFF
"""Of frag-off, all but *don't fragment*: a plain packet is no fragment, or conntrack has put it together."""


def _network(version: int, field: str, text: str, family: str) -> Operand:
    implied = _only(version, family)
    if field in ("saddr", "daddr"):
        return _address("src" if field == "saddr" else "dst", version, text, implied)
    if field == ("protocol" if version == 4 else "nexthdr"):
        return Number(text, implied=implied, field="proto", width=8, symbol=_PROTOCOL)
    if field == "version":
        return Constant(text, implied=implied, value=version)
    if version == 4 and field == "hdrlength":
        return Constant(text, implied=implied, value=5)  # in words of four bytes: a plain packet has no options
    if version == 4 and field == "frag-off":
        return KnownBits(text, "whether the packet may be fragmented", implied, bits=_FRAGMENT)
    return Operand(text, implied=implied)


def _address(field: Field, version: int, text: str, implied: tuple[Condition, ...],
             guard: tuple[Condition, ...] = ()) -> Operand:
    width = 32 if version == 4 else 128
    return Number(text, implied=implied, guard=guard, field=field, width=width, symbol=values.address(version))


def _port(field: str, text: str, implied: tuple[Condition, ...], guard: tuple[Condition, ...]) -> Operand:
    if field in ("sport", "dport"):
        return Number(text, implied=implied, guard=guard, field="sport" if field == "sport" else "dport", width=16,
                      symbol=_SERVICE)
    return Operand(text, implied=implied)


def _icmp(number: int, field: str, text: str, family: str, implied: tuple[Condition, ...]) -> Operand:
    four = number == ICMP
    implied = (*_only(4 if four else 6, family), *implied)
    if field == "type":
        names = values.ICMP_TYPES if four else values.ICMPV6_TYPES
        return Number(text, implied=implied, field="icmp_type", width=8, symbol=named(names))
    if field == "code":
        names = values.ICMP_CODES if four else values.ICMPV6_CODES
        return Number(text, implied=implied, field="icmp_code", width=8, symbol=named(names))
    return Operand(text, implied=implied)


_RAW_NETWORK: Final[dict[tuple[int, int], tuple[int, Field]]] = {
    (96, 32): (4, "src"), (128, 32): (4, "dst"), (64, 128): (6, "src"), (192, 128): (6, "dst")}


def _raw_payload(body: Mapping[str, Any], text: str, family: str) -> Operand:
    """``@th,16,16`` and the like: known where the bits are exactly one field's. Nothing is implied by raw bytes."""
    base, at = body["base"], (body["offset"], body["len"])
    if not all(isinstance(n, int) for n in at):
        return Operand(text)
    if base == "th" and at in ((0, 16), (16, 16)):
        return _port("sport" if at[0] == 0 else "dport", text, (), (_HAS_PORTS,))
    found = _RAW_NETWORK.get(at) if base == "nh" else None
    if found is not None:
        version, field = found
        return _address(field, version, text, (), _only(version, family))
    return Operand(text)


# ---- conntrack ------------------------------------------------------------------------------------------------------


def _ct(body: Mapping[str, Any], text: str, family: str) -> Operand:
    key, direction, address_family = body.get("key"), body.get("dir"), body.get("family")
    if not isinstance(key, str) or not body.keys() <= {"key", "dir", "family"}:
        return Operand(text, "a ct expression that is not understood")
    tracked = (_TRACKED,)
    if direction is not None:
        return _ct_directed(key, direction, address_family, text, family)
    if key == "state":
        return Domain(text, field="ct_state", values=_STATES, symbol=named(values.CT_STATES))
    if key == "status":
        return Status(text, implied=tracked)
    if key == "direction":
        return Domain(text, implied=tracked, field="ct_direction", values=((0, 0), (1, 1)),
                      symbol=named(values.CT_DIRECTIONS))
    if key == "mark":
        return Number(text, implied=tracked, field="ct_mark", width=32)
    if key == "l3proto":
        return Domain(text, implied=tracked, values=FAMILIES_NFPROTO, symbol=named(values.NFPROTO))
    if key == "protocol":
        return _ct_protocol(text, family)
    return Operand(text, "the connection's state beyond a first packet", implied=tracked)


def _ct_protocol(text: str, family: str) -> Operand:
    """In a table of both families nft leaves out a match on the family in front of it (ran, 1.0.6: ``meta protocol ip
    ct original protocol udp`` is listed without its first part), so whether there is one cannot be told."""
    implied: tuple[Condition, ...] = (_TRACKED,)
    if family not in ("ip", "ip6"):
        implied += (Unknown("meta protocol", "nft does not list it in front of ct protocol"),)
    return Number(text, implied=implied, field="proto", width=8, symbol=_PROTOCOL)


_CT_ADDRESSES: Final[dict[tuple[str, str], Field]] = {
    ("original", "saddr"): "orig_src", ("original", "daddr"): "orig_dst",
    ("reply", "saddr"): "reply_src", ("reply", "daddr"): "reply_dst"}
_CT_PORTS: Final[dict[tuple[str, str], Field]] = {
    ("original", "proto-src"): "orig_sport", ("original", "proto-dst"): "orig_dport",
    ("reply", "proto-src"): "reply_sport", ("reply", "proto-dst"): "reply_dport"}


def _ct_directed(key: str, direction: Any, address_family: Any, text: str, family: str) -> Operand:
    """``ct original ip daddr``, also printed as ``daddr`` with a family, or without one in ip and ip6 tables."""
    if direction not in ("original", "reply"):
        return Operand(text, "a ct expression that is not understood")
    first, _, last = key.partition(" ")
    if not last:
        first, last = str(address_family or family), key
    field = _CT_ADDRESSES.get((direction, last))
    if field is not None and first in ("ip", "ip6"):
        version = 4 if first == "ip" else 6
        return _address(field, version, text, (*_only(version, family), _TRACKED))
    if key == "protocol":
        return _ct_protocol(text, family)
    if key == "l3proto":
        return Domain(text, implied=(_TRACKED,), values=FAMILIES_NFPROTO, symbol=named(values.NFPROTO))
    port = _CT_PORTS.get((direction, key))
    if port is not None:
        return TuplePort(text, implied=(_TRACKED,), guard=(_HAS_PORTS,), field=port, width=16, symbol=_SERVICE)
    return Operand(text, "the connection's state beyond a first packet", implied=(_TRACKED,))


# ---- routing --------------------------------------------------------------------------------------------------------


def _fib(body: Mapping[str, Any], text: str, family: str) -> Operand:
    result, flags = body.get("result"), body.get("flags")
    names = [flags] if isinstance(flags, str) else flags
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(body) != 2:
        return Operand(text, "a fib expression that is not understood")
    asked = frozenset(names)
    if result == "type" and len(asked & {"saddr", "daddr"}) == 1 and asked <= {"saddr", "daddr", "iif", "oif"} and (
            len(asked) <= 2):
        interface = "iif" if "iif" in asked else "oif" if "oif" in asked else ""
        return FibType(text, field="dst" if "daddr" in asked else "src", interface=interface)
    if result in ("oif", "oifname", "check") and "saddr" in asked and asked <= {"saddr", "iif", "mark"}:
        return FibRoute(text, path=ReversePath(loose="iif" not in asked, marked="mark" in asked))
    return Operand(text, "it depends on the routing tables")


def _absent(version: int) -> Callable[[Mapping[str, Any], str, str], Operand]:
    """IPv6 extension headers and IPv4 options: a plain packet has none, so reading a field of one breaks the rule
    (nft_exthdr.c); only the test for existence (no ``field``) gives an answer, and that is no. For packets of the other
    family both break it."""

    def read(body: Mapping[str, Any], text: str, family: str) -> Operand:
        if "field" in body or not isinstance(body.get("name"), str):
            return Absent(text)
        return Constant(text, implied=_only(version, family))

    return read


def _tcp_option(body: Mapping[str, Any], text: str, family: str) -> Operand:
    return Operand(text, "the options of the packet", implied=(In("proto", IntervalSet.of(TCP)),))


def _sctp_chunk(body: Mapping[str, Any], text: str, family: str) -> Operand:
    return Operand(text, "the chunks of the packet", implied=(In("proto", IntervalSet.of(SCTP)),))


def _ipsec(body: Mapping[str, Any], text: str, family: str) -> Operand:
    return Absent(text) if body.get("dir") == "in" else Operand(text, "it depends on IPsec policies")


def _opaque(why: str) -> Callable[[Mapping[str, Any], str, str], Operand]:
    return lambda body, text, family: Operand(text, why)


_READERS: Final[dict[str, Callable[[Mapping[str, Any], str, str], Operand]]] = {
    "meta": _meta,
    "payload": _payload,
    "ct": _ct,
    "fib": _fib,
    "exthdr": _absent(6),
    "ip option": _absent(4),
    "tcp option": _tcp_option,
    "sctp chunk": _sctp_chunk,
    "ipsec": _ipsec,
    "rt": _opaque("it depends on the route"),
    "socket": _opaque("it depends on the sockets of the moment"),
    "osf": _opaque("a guess at the sender's operating system"),
    "numgen": _opaque("chance or a counter"),
    "jhash": _opaque("a hash of the packet"),
    "symhash": _opaque("a hash of the packet"),
}
