"""Read ``/proc/net/{tcp,tcp6,udp,udp6}``: which sockets take new packets.

Columns as in net/ipv4/tcp_ipv4.c (``get_tcp4_sock``) and net/ipv4/udp.c (``udp4_format_sock``). An address is printed
as 32-bit words in the machine's own byte order.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from fwaudit.records import NamedTuple

TABLES = ("tcp", "tcp6", "udp", "udp6")
LIMIT = 256 << 20

_LISTEN = b"0A"     # TCP_LISTEN
_CLOSE = b"07"      # TCP_CLOSE: for UDP, a socket that is not connected


class Listening(NamedTuple):
    """A listening TCP or an unconnected UDP socket."""

    proto: str
    address: str
    port: int
    inode: int

    @property
    def local(self) -> str:
        """Address and port in one word, such as ``0.0.0.0:22`` or ``[::]:22``."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def only_listening(table: str, raw: bytes) -> bytes:
    """The header and the lines of sockets that take new packets; whom the host talks to is nobody's business."""
    lines = raw.split(b"\n")
    kept = [line for line in lines[1:] if _takes_new(table, line.split(None, 4))]
    return b"\n".join([*lines[:1], *kept, b""])


def listening(table: str, raw: bytes) -> Iterator[Listening]:
    """The sockets of one table that take new packets. A line that does not read is passed over."""
    for line in raw.split(b"\n")[1:]:
        columns = line.split(None, 10)
        if not _takes_new(table, columns) or len(columns) < 10:
            continue
        address, _, port = columns[1].decode("ascii", "replace").partition(":")
        try:
            yield Listening(table[:3], _address(address), int(port, 16), int(columns[9]))
        except ValueError:
            continue


def _takes_new(table: str, columns: list[bytes]) -> bool:
    if len(columns) < 4:
        return False
    if table.startswith("tcp"):
        return columns[3] == _LISTEN
    return columns[3] == _CLOSE and not columns[2].strip(b"0:")


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    words = [raw[start:start + 4] for start in range(0, len(raw), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    if len(raw) not in (4, 16):
        raise ValueError(text)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, b"".join(words))
