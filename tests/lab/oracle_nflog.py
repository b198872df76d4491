"""NFLOG over a bare netlink socket: packets that rules logged, with hook, interfaces and bytes.

Sources: include/uapi/linux/netfilter/nfnetlink_log.h, net/netfilter/nfnetlink_log.c.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
_NETFILTER = 12
_ULOG, _CTNETLINK = 4, 1
_REQUEST, _ACK = 1, 4
_HEAD = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RCVBUFFORCE = 33
QUEUE = 16
"""How many packets NFLOG gathers before it sends them."""


class Logged(NamedTuple):
    """One packet. ``oif`` is an interface index, 0 for none."""

    hook: str
    prefix: bytes
    oif: int
    data: bytes


def _attribute(kind: int, data: bytes) -> bytes:
    size = 4 + len(data)
    return _ATTRIBUTE.pack(size, kind) + data + b"\0" * (-size % 4)


class NfLog:
    """Listens to one group. Made in the namespace whose packets it is to get."""

    def __init__(self, group: int) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 64 << 20)
        self.socket.bind((0, 0))
        self._sequence = 0
        self._group = group
        self._config(_attribute(1, b"\x01"))  # NFULA_CFG_CMD: bind
        self._config(_attribute(2, struct.pack("!IBB", 256, 2, 0))  # NFULA_CFG_MODE: copy 256 bytes of the packet
                     + _attribute(3, struct.pack("!I", 1 << 17))    # NFULA_CFG_NLBUFSIZ
                     + _attribute(4, struct.pack("!I", 2))          # NFULA_CFG_TIMEOUT: 20 ms
                     + _attribute(5, struct.pack("!I", QUEUE)))     # NFULA_CFG_QTHRESH

    def _config(self, attributes: bytes) -> None:
        self._sequence += 1
        body = struct.pack("!BBH", 0, 0, self._group) + attributes
        head = _HEAD.pack(16 + len(body), _ULOG << 8 | 1, _REQUEST | _ACK, self._sequence, 0)
        self.socket.send(head + body)
        answer = self.socket.recv(65536)
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(-error, "NFLOG")

    def receive(self, timeout: float) -> list[Logged]:
        """What has come, waiting for the first up to ``timeout`` seconds; empty where nothing came."""
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            return []
        out: list[Logged] = []
        at, end = 0, len(data)
        while at + 16 <= end:
            size, kind = struct.unpack_from("=IH", data, at)
            if size < 16:
                break
            if kind == _ULOG << 8:
                out.append(_parse(data, at + 20, at + size))
            at += size + (-size % 4)
        return out

    def close(self) -> None:
        self.socket.close()


def _parse(data: bytes, at: int, end: int) -> Logged:
    hook, prefix, oif, packet = "", b"", 0, b""
    while at + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind == 9:      # NFULA_PAYLOAD
            packet = data[at + 4 : at + size]
        elif kind == 1:    # NFULA_PACKET_HDR
            hook = HOOKS[data[at + 6]]
        elif kind == 5:    # NFULA_IFINDEX_OUTDEV
            oif = int.from_bytes(data[at + 4 : at + 8], "big")
        elif kind == 10:   # NFULA_PREFIX
            prefix = data[at + 4 : at + size].rstrip(b"\0")
        at += size + (-size % 4)
    return Logged(hook, prefix, oif, packet)


def flush_conntrack() -> None:
    """Forget every connection of the namespace that the calling thread is in (ctnetlink, IPCTNL_MSG_CT_DELETE)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as link:
        link.bind((0, 0))
        link.send(_HEAD.pack(20, _CTNETLINK << 8 | 2, _REQUEST | _ACK, 1, 0) + struct.pack("!BBH", 0, 0, 0))
        answer = link.recv(65536)
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(-error, "flush of conntrack")
