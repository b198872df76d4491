"""Packets as bytes: complete Ethernet frames with right checksums, and what comes back out of the kernel.

Every packet carries a number (its *tag*): TCP in the sequence number, UDP and ICMP in the payload. It survives NAT, and
an answer tells it back: a RST in its acknowledgement, an ICMP error in the packet that it quotes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ICMP, TCP, UDP, SCTP, ICMPV6 = 1, 6, 17, 132, 58
_MAGIC = 0x6F7261636C65  # six bytes before the tag's four, so that foreign packets are not taken for ours
_PAYLOAD = struct.Struct("!HII")


class Packet(NamedTuple):
    """A first packet of a connection. ``iif``: the interface that it comes in by; empty: the host sends it itself.

    ``kind``/``code``: of ICMP, whose identifier is ``sport``. ``flags``, ``ack``: of TCP.
    """

    family: int
    iif: str
    src: int
    dst: int
    proto: int
    sport: int
    dport: int
    kind: int = 0
    code: int = 0
    flags: int = 2
    ack: int = 0


class Parsed(NamedTuple):
    """What was seen of a packet. ``answer``: it is a RST or an ICMP error for the tagged packet (its type and code)."""

    family: int
    src: int
    dst: int
    proto: int
    sport: int
    dport: int
    tag: int | None
    answer: tuple[int, int] | None = None


def _sum(data: bytes) -> int:
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _transport(packet: Packet, pseudo: bytes, tag: int) -> bytes:
    payload = _PAYLOAD.pack(_MAGIC >> 32, _MAGIC & 0xFFFFFFFF, tag)
    if packet.proto == TCP:
        body = struct.pack("!HHIIBBHHH", packet.sport, packet.dport, tag, packet.ack, 6 << 4, packet.flags, 64240, 0, 0)
        body += b"\x02\x04\x05\xb4"
        check = _sum(pseudo + struct.pack("!HH", 0, TCP) + struct.pack("!HH", 0, len(body)) + body)
        return body[:16] + struct.pack("!H", check) + body[18:]
    if packet.proto == UDP:
        body = struct.pack("!HHHH", packet.sport, packet.dport, 8 + len(payload), 0) + payload
        check = _sum(pseudo + struct.pack("!HHHH", 0, UDP, 0, len(body)) + body) or 0xFFFF
        return body[:6] + struct.pack("!H", check) + body[8:]
    if packet.proto in (ICMP, ICMPV6):
        body = struct.pack("!BBHHH", packet.kind, packet.code, 0, packet.sport, 1) + payload
        extra = pseudo + struct.pack("!HHHH", 0, ICMPV6, 0, len(body)) if packet.proto == ICMPV6 else b""
        return body[:2] + struct.pack("!H", _sum(extra + body)) + body[4:]
    return payload


def datagram(packet: Packet, tag: int) -> bytes:
    """The IP packet."""
    if packet.family == 4:
        addresses = packet.src.to_bytes(4, "big") + packet.dst.to_bytes(4, "big")
        body = _transport(packet, addresses, tag)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), tag & 0xFFFF, 0x4000, 64, packet.proto, 0)
        check = _sum(head + addresses)
        return head[:10] + struct.pack("!H", check) + addresses + body
    addresses = packet.src.to_bytes(16, "big") + packet.dst.to_bytes(16, "big")
    body = _transport(packet, addresses, tag)
    return struct.pack("!IHBB", 6 << 28, len(body), packet.proto, 64) + addresses + body


def frame(packet: Packet, tag: int, mac: bytes, sender: bytes, broadcast: frozenset[int] = frozenset()) -> bytes:
    """The Ethernet frame, addressed as a neighbour would: multicast and broadcast to their own MAC addresses.

    ``mac`` is the interface's, ``broadcast`` the addresses that neighbours take for broadcast ones.
    """
    dst = packet.dst
    if packet.family == 4:
        if dst >> 28 == 0xE:
            mac = b"\x01\x00\x5e" + (dst & 0x7FFFFF).to_bytes(3, "big")
        elif dst in broadcast or dst == 0xFFFFFFFF:
            mac = b"\xff" * 6
        return mac + sender + b"\x08\x00" + datagram(packet, tag)
    if dst >> 120 == 0xFF:
        mac = b"\x33\x33" + (dst & 0xFFFFFFFF).to_bytes(4, "big")
    return mac + sender + b"\x86\xdd" + datagram(packet, tag)


def parse(data: bytes) -> Parsed | None:
    """An IP packet as NFLOG shows it; None for one that is no packet of ours."""
    if len(data) < 20:
        return None
    version = data[0] >> 4
    if version == 4:
        start = (data[0] & 15) * 4
        proto = data[9]
        src, dst = int.from_bytes(data[12:16], "big"), int.from_bytes(data[16:20], "big")
    elif version == 6 and len(data) >= 40:
        start, proto = 40, data[6]
        src, dst = int.from_bytes(data[8:24], "big"), int.from_bytes(data[24:40], "big")
    else:
        return None
    body = data[start:]
    if len(body) < 8:
        return None
    if proto == TCP:
        sport, dport, seq, ack = struct.unpack_from("!HHII", body)
        if len(body) > 13 and body[13] & 4:
            return Parsed(version, src, dst, proto, sport, dport, (ack - 1) & 0xFFFFFFFF, (TCP, 0))
        return Parsed(version, src, dst, proto, sport, dport, seq)
    if proto == UDP:
        sport, dport = struct.unpack_from("!HH", body)
        return Parsed(version, src, dst, proto, sport, dport, _tag(body[8:]))
    if proto in (ICMP, ICMPV6):
        kind, code = body[0], body[1]
        if kind in ((3, 11, 12) if proto == ICMP else (1, 2, 3, 4)):
            quoted = parse(body[8:])
            tag = quoted.tag if quoted is not None else None
            return Parsed(version, src, dst, proto, 0, 0, tag, (kind, code))
        return Parsed(version, src, dst, proto, int.from_bytes(body[4:6], "big"), 0, _tag(body[8:]))
    return Parsed(version, src, dst, proto, 0, 0, _tag(body))


def _tag(payload: bytes) -> int | None:
    if len(payload) < _PAYLOAD.size:
        return None
    high, low, tag = _PAYLOAD.unpack_from(payload)
    return tag if high << 32 | low == _MAGIC else None
