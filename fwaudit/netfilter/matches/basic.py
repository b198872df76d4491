"""The options that every rule may have: addresses, interfaces, protocol, fragments (iptables(8), "PARAMETERS")."""

from __future__ import annotations

from collections.abc import Callable

from fwaudit.model.condition import FALSE, TRUE, Condition, In, Named, Unknown
from fwaudit.netfilter.matches._option import Match, Reader, by_option
from fwaudit.packet.address import parse_network
from fwaudit.packet.fields import PROTOCOLS, Field
from fwaudit.packet.intervals import EMPTY, IntervalSet

_MORE_PROTOCOLS = {
    "ip": 0, "all": 0, "ggp": 3, "st": 5, "pup": 12, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "xtp": 36,
    "ddp": 37, "idpr-cmtp": 38, "idrp": 45, "skip": 57, "rspf": 73, "vmtp": 81, "ospfigp": 89, "ax.25": 93,
    "etherip": 97, "encap": 98, "ipcomp": 108, "fc": 133, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140,
    "wesp": 141, "rohc": 142, "ethernet": 143,
}
"""What /etc/protocols of Debian names besides; iptables-save asks the host's own file (getprotobynumber)."""


class OtherFamily(Exception):
    """An address of the other family: the dump is not what it was said to be."""


def protocol_number(text: str) -> int | None:
    """The number of a protocol by name or number, None where the name is not known. Raises ValueError."""
    if text.isascii() and text.isdigit():
        if int(text) > 255:
            raise ValueError(f"not a protocol: {text!r}")
        return int(text)
    name = text.lower()
    return PROTOCOLS.get(name, _MORE_PROTOCOLS.get(name))


def protocol(arguments: tuple[str, ...], family: int) -> Condition:
    """``-p``. Number 0 means any protocol (ip_tables.c ip_packet_match: ``if (ipinfo->proto)``)."""
    value = protocol_number(arguments[0])
    if value is None:
        return Unknown(f"-p {arguments[0]}", "a protocol by a name that is not known here")
    return In("proto", IntervalSet((value, value + 1))) if value else TRUE


def addresses(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    """``-s`` and ``-d``: an address, a network, or a comma-separated list of them. Raises OtherFamily, ValueError."""

    def read(arguments: tuple[str, ...], family: int) -> Condition:
        found = EMPTY
        for text in arguments[0].split(","):
            its_family, values = parse_network(text)
            if its_family != family:
                raise OtherFamily(f"{text} is an IPv{its_family} address in a dump that is said to be IPv{family}")
            found = found | values
        return In(field, found)

    return read


def interface(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    """``-i`` and ``-o``: a name, or with a trailing ``+`` its beginning. ``+`` alone is true for every packet, even one
    without such an interface (x_tables.h ifname_compare_aligned with a mask of zeros)."""

    def read(arguments: tuple[str, ...], family: int) -> Condition:
        name = arguments[0]
        if '"' in name:
            raise ValueError("an interface name with quotes")
        if name == "+":
            return TRUE
        return Named(field, name[:-1], prefix=True) if name.endswith("+") else Named(field, name)

    return read


def later_fragment(arguments: tuple[str, ...], family: int) -> Condition:
    """``-f``: the second and later fragments of a packet. The first packet of a connection is none of them."""
    return FALSE


def _nothing(arguments: tuple[str, ...], family: int) -> Condition:
    return TRUE


READERS = {
    "-s": Reader(1, addresses("src")), "--source": Reader(1, addresses("src")), "--src": Reader(1, addresses("src")),
    "-d": Reader(1, addresses("dst")), "--destination": Reader(1, addresses("dst")),
    "--dst": Reader(1, addresses("dst")),
    "-i": Reader(1, interface("iif")), "--in-interface": Reader(1, interface("iif")),
    "-o": Reader(1, interface("oif")), "--out-interface": Reader(1, interface("oif")),
    "-p": Reader(1, protocol), "--protocol": Reader(1, protocol), "--proto": Reader(1, protocol),
    "-f": Reader(0, later_fragment), "--fragment": Reader(0, later_fragment),
    "-4": Reader(0, _nothing), "-6": Reader(0, _nothing),
    "-c": Reader(2, _nothing), "--set-counters": Reader(2, _nothing),
}

BASIC: Match = by_option(READERS)
