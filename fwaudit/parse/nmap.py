"""nmap's XML (``-oX``) → what a scan from another machine saw.

Form: nmap.dtd of nmap 7. A scan is hostile data like any other: its size is bounded, and one with entities of its own
is refused, since nmap writes none.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml

from fwaudit.errors import ParseError
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS
from fwaudit.records import dataclass

MAX_SIZE = 64 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """One port of one address. ``state`` as nmap says it: open, closed, filtered, open|filtered, unfiltered."""

    family: int
    address: int
    proto: int
    port: int
    state: str


@dataclass(frozen=True, slots=True)
class Scan:
    """``ports``: every port with a word of its own. ``finished``: nmap came to its end."""

    ports: tuple[Seen, ...]
    command: str
    finished: bool


def parse_nmap(data: bytes, source: str) -> Scan:
    """Raises ParseError."""
    if len(data) > MAX_SIZE:
        raise ParseError(source, 0, f"larger than {MAX_SIZE} bytes")
    if b"<!ENTITY" in data:
        raise ParseError(source, 0, "it has entities of its own, which nmap does not write")
    try:
        root = xml.fromstring(data)  # noqa: S314 - bounded, and without entities
    except xml.ParseError as error:
        line, column = error.position
        raise ParseError(source, line, f"column {column}: not XML: {error}", "Give the file of nmap -oX.") from None
    if root.tag != "nmaprun":
        raise ParseError(source, 0, "not a scan of nmap", "Give the file of nmap -oX.")
    ports = []
    for host in root.iter("host"):
        address = next((each.get("addr", "") for each in host.findall("address")
                        if each.get("addrtype") in ("ipv4", "ipv6")), "")
        try:
            family, value = parse_address(address)
        except ValueError:
            raise ParseError(source, 0, f"not an address: {address!r}"[:200]) from None
        for port in host.iter("port"):
            ports.append(_seen(port, family, value, source))
    end = root.find("runstats/finished")
    return Scan(tuple(ports), root.get("args", ""), end is not None and end.get("exit", "success") == "success")


def _seen(port: xml.Element, family: int, address: int, source: str) -> Seen:
    number, proto = port.get("portid", ""), port.get("protocol", "")
    state = port.find("state")
    if not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) <= MAX_PORT) or (
            proto not in PROTOCOLS or state is None):
        raise ParseError(source, 0, f"a port that does not read: {number!r}/{proto!r}"[:200])
    return Seen(family, address, PROTOCOLS[proto], int(number), state.get("state", ""))
