"""What listens on the host: ``/proc/net/{tcp,tcp6,udp,udp6}`` and the list of owners → Sockets.

Formats: Documentation/networking/proc_net_tcp.rst; the hex words are in the byte order of the machine, little-endian on
every platform that Docker has packages for but s390x.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from fwaudit.errors import ParseError
from fwaudit.model.host import Listener, Socket
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS, TCP, UDP
from fwaudit.parse.values import NAME_LIMIT, Record
from fwaudit.records import replace

TABLES = {"sockets/tcp": TCP, "sockets/tcp6": TCP, "sockets/udp": UDP, "sockets/udp6": UDP}
OWNERS = "sockets/owners.json"

_LISTEN, _CLOSE = "0A", "07"
_MAPPED = 0xFFFF << 32
_ENDPOINT = re.compile(r"(?:([0-9A-Fa-f]{8})|([0-9A-Fa-f]{32})):([0-9A-Fa-f]{4})")

Key = tuple[int, int, int, int]
"""(protocol, family, address, port) of a socket."""


def parse_table(source: str, text: str) -> list[Socket]:
    """The sockets of one ``/proc/net`` table that take new packets: listening TCP, UDP without a peer.

    ``source`` is a key of TABLES. An IPv4-mapped IPv6 address (``::ffff:a.b.c.d``) is an IPv4 socket: the kernel
    serves it as one. Raises ParseError where a line is not of the format.
    """
    proto = TABLES[source]
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] == "sl":
            continue
        local = _ENDPOINT.fullmatch(words[1]) if len(words) > 3 else None
        peer = _ENDPOINT.fullmatch(words[2]) if len(words) > 3 else None
        if local is None or peer is None:
            raise ParseError(source, number, f"not a line of /proc/net/{source[8:]}: {line[:60]!r}")
        takes_new = words[3] == _LISTEN if proto == TCP else words[3] == _CLOSE and not int(peer[3], 16)
        if takes_new:
            family, address = _address(local)
            out.append(Socket(proto, family, address, int(local[3], 16)))
    return out


def with_owners(found: Sequence[Socket], owners: Sequence[Record], proxy_v6only: bool = False) -> tuple[Socket, ...]:
    """The sockets of all tables with their owners, and ``accepts_v4`` as far as it can be told.

    ``/proc/net`` does not have IPV6_V6ONLY. For an IPv6 wildcard socket the answer is False where an IPv4 wildcard
    socket has the same port (both can only be bound if the IPv6 one is v6only, or they share the port and IPv4 goes to
    the IPv4 one); else what the owners' list says where it has ``v6only`` (as ``ss -e`` does); else, for docker-proxy,
    what its ``-host-ip`` says, or False where ``proxy_v6only``. Else it is None: ``net.ipv6.bindv6only`` is a default
    that programs override, so it proves nothing.
    """
    by_key = _owners(owners)
    wildcards = {(s.proto, s.port) for s in found if s.family == 4 and s.address == 0}
    return tuple(_with_owner(s, by_key.get((s.proto, s.family, s.address, s.port)), wildcards, proxy_v6only)
                 for s in found)


def parse_listeners(records: Iterable[Record]) -> tuple[Listener, ...]:
    """One container's entry of ``docker/listeners.json``; ``accepts_v4`` as for the host's sockets."""
    found: list[tuple[Listener, bool | None]] = []
    for record in records:
        proto = protocol(record, "proto")
        family, address, _ = _split_address(record, record.text("address"))
        port = record.number("port", top=MAX_PORT)
        found.append((Listener(proto, family, address, port), _declared(record)))
    wildcards = {(each.proto, each.port) for each, _ in found if each.family == 4 and each.address == 0}
    return tuple(
        replace(each, accepts_v4=_accepts_v4(each.family, each.address, (each.proto, each.port) in wildcards, declared))
        for each, declared in found
    )


def protocol(record: Record, key: str) -> int:
    """A protocol's number from ``tcp``, ``tcp6``, … Raises ParseError for an unknown one."""
    name = record.text(key).lower()
    number = PROTOCOLS.get(name, PROTOCOLS.get(name.removesuffix("6")))
    if number is None:
        raise record.wrong(key, "a protocol")
    return number


def _address(match: re.Match[str]) -> tuple[int, int]:
    if match[1]:
        return 4, _swap(match[1])
    value = 0
    for word in range(0, 32, 8):
        value = value << 32 | _swap(match[2][word:word + 8])
    return _unmapped(value)


def _swap(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "little")


def _unmapped(value: int) -> tuple[int, int]:
    return (4, value & 0xFFFFFFFF) if value >> 32 << 32 == _MAPPED else (6, value)


def _owners(records: Sequence[Record]) -> dict[Key, tuple[Record, str]]:
    """Owner and device by socket; of several processes with one socket the first."""
    out: dict[Key, tuple[Record, str]] = {}
    for record in records:
        host, _, port = record.text("local").rpartition(":")
        if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= MAX_PORT):
            raise record.wrong("local", "address:port")
        family, address, device = _split_address(record, host)
        out.setdefault((protocol(record, "proto"), family, address, int(port)), (record, device))
    return out


def _split_address(record: Record, text: str) -> tuple[int, int, str]:
    """(family, address, device) of ``0.0.0.0``, ``[::]``, ``::``, ``*``, ``127.0.0.53%lo``."""
    bare, _, device = text.replace("[", "").replace("]", "").partition("%")
    if bare == "*":  # ss prints it for an IPv6 socket that takes IPv4 too
        return 6, 0, device
    try:
        family, value = parse_address(bare)
    except ValueError:
        raise ParseError(record.source, 0, f"not an address: {text[:60]!r}") from None
    family, value = _unmapped(value) if family == 6 else (family, value)
    return family, value, device


def _with_owner(socket: Socket, owner: tuple[Record, str] | None, wildcards: set[tuple[int, int]],
                proxy_v6only: bool) -> Socket:
    has_v4 = (socket.proto, socket.port) in wildcards
    if owner is None:
        return replace(socket, accepts_v4=_accepts_v4(socket.family, socket.address, has_v4, None))
    record, device = owner
    name, argv = record.text("comm", NAME_LIMIT), record.texts("argv")
    declared = _declared(record)
    if declared is None and name == "docker-proxy":
        declared = _proxy_serves_v4(argv, proxy_v6only)
    return replace(
        socket, owner=name, pid=record.maybe_number("pid"), exe=record.text("exe"), argv=argv, device=device,
        accepts_v4=_accepts_v4(socket.family, socket.address, has_v4, declared),
    )


def _declared(record: Record) -> bool | None:
    return not record.flag("v6only") if "v6only" in record else None


def _accepts_v4(family: int, address: int, has_v4: bool, declared: bool | None) -> bool | None:
    if family == 4:
        return None
    if address or has_v4:
        return False
    return declared


def _proxy_serves_v4(argv: Sequence[str], v6only: bool) -> bool | None:
    for option, value in pairwise(argv):
        if option.lstrip("-") == "host-ip":
            return ":" not in value
    return False if v6only else None
