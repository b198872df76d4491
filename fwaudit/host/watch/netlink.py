"""What the kernel tells of its own accord: changes of nf_tables, and of links, addresses, routes and forwarding.

Both are multicast groups of netlink. Where more has changed than the socket can hold, the kernel says that it had to
leave something out (ENOBUFS): that is a change as well, so that none is lost. include/uapi/linux/netfilter/nfnetlink.h,
nf_tables.h and rtnetlink.h have the numbers.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterator

from fwaudit.host.kernel import is_present
from fwaudit.host.run import Machine
from fwaudit.host.watch.events import Event

_NETFILTER = 12
_NFTABLES_GROUP = 7                      # NFNLGRP_NFTABLES
_NEWGEN = (10 << 8) | 15                 # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN: the end of every transaction
_GEN_PROCESS = 3                         # NFTA_GEN_PROC_NAME
# RTNLGRP_ LINK, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE, IPV4_NETCONF, IPV6_NETCONF
_ROUTE_GROUPS = (1, 5, 7, 8, 9, 11, 19, 24, 25)
_LINK, _WIRELESS = 16, 11                # RTM_NEWLINK; IFLA_WIRELESS: a radio's news, many a minute
_WORDS = {16: "a link", 17: "a link", 20: "an address", 21: "an address", 24: "a route", 25: "a route",
          32: "a routing rule", 33: "a routing rule", 80: "forwarding", 81: "forwarding"}
_ADD_MEMBERSHIP, _RECEIVE_FORCE, _SOL_NETLINK = 1, 33, 270
_HOLDS = 4 << 20
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER, _READS = 1 << 16, 4096
_RETRY = 5.0


class Multicast:
    """One netlink socket that listens to groups. ``what`` puts one message into words, None where it means nothing."""

    def __init__(self, source: str, protocol: int, groups: tuple[int, ...], what: Callable[[int, bytes], str | None],
                 present: Callable[[], bool] = lambda: True) -> None:
        self._source, self._protocol, self._groups, self._what = source, protocol, groups, what
        self._present = present
        self._socket: socket.socket | None = None
        self._late = False  # it could not be listened to at first
        self._lost = False
        self._next = 0.0

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def tick(self, now: float) -> Iterator[Event]:
        if self._socket is not None or now < self._next:
            return
        self._next = now + _RETRY
        if not self._present():
            self._late = True  # to listen would load it
            return
        try:
            self._socket = _listen(self._protocol, self._groups)
        except OSError as error:
            if not self._lost:
                self._lost = True
                yield Event("lost", self._source, str(error.strerror or error))
            return
        if self._lost:
            yield Event("back", self._source)
        elif self._late:
            yield Event("change", self._source, "it has come into the kernel")
        self._lost, self._late = False, True

    def ready(self) -> Iterator[Event]:
        """At most one event: a reload of a firewall is thousands of messages."""
        said = None
        for _ in range(_READS):
            if self._socket is None:
                break
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    said = said or "more than could be listed"
                    continue
                self.close()
                self._lost = True
                yield Event("lost", self._source, str(error.strerror or error))
                break
            said = next(filter(None, (self._what(kind, body) for kind, body in _messages(data))), None) or said
        if said:
            yield Event("change", self._source, said)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def nftables() -> Multicast:
    """Every change of nf_tables: by nft, iptables-nft, ufw, Docker. An element that goes because its time is over is
    told by no kernel; the audit that comes without an event finds it."""
    return Multicast("rules", _NETFILTER, (_NFTABLES_GROUP,), _generation,
                     lambda: is_present(Machine(5.0), "nf_tables"))


def routes() -> Multicast:
    """Every change of links, addresses, routes, policy rules, and of forwarding and rp_filter."""
    return Multicast("network", socket.NETLINK_ROUTE, _ROUTE_GROUPS, _route)


def _listen(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        with contextlib.suppress(OSError):  # it needs CAP_NET_ADMIN; without it, ENOBUFS comes sooner
            link.setsockopt(socket.SOL_SOCKET, _RECEIVE_FORCE, _HOLDS)
        link.bind((0, 0))
        for group in groups:
            link.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        link.close()
        raise
    return link


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, start)
        if length < _HEADER.size:
            return
        yield kind, data[start + _HEADER.size:start + length]
        start += (length + 3) & ~3


def _generation(kind: int, body: bytes) -> str | None:
    if kind != _NEWGEN:
        return None
    name = dict(_attributes(body[4:])).get(_GEN_PROCESS, b"")
    return name.rstrip(b"\0").decode("utf-8", "backslashreplace")[:32] or "a program"


def _route(kind: int, body: bytes) -> str | None:
    if kind == _LINK and any(each == _WIRELESS for each, _ in _attributes(body[16:])):
        return None
    return _WORDS.get(kind)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, start)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, body[start + _ATTRIBUTE.size:start + length]
        start += (length + 3) & ~3
