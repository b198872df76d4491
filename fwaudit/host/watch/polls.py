"""What tells nobody when it changes, and so is looked at again and again: legacy tables, ipsets, kernel settings, and
listening sockets.

The kernel has no event for any of these. Each look is compared with the one before; a look that is dear is taken less
often.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b

from fwaudit.host.collectors import ipset, iptables, sysctl
from fwaudit.host.procnet import LIMIT, TABLES, listening
from fwaudit.host.run import Collected, Machine
from fwaudit.host.watch.events import Event

SECONDS = 2.0
SHARE = 50.0
"""So many times as long as a look took there is none: together they take less than a tenth of a processor."""
_PATIENCE = 10.0
_COUNTERS = re.compile(rb"^#.*\n|\[\d+:\d+\]| (?:timeout|packets|bytes) \d+", re.MULTILINE)
_EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range"
Socket = tuple[int, str, str, int]


class Poll:
    """One thing that is looked at. ``look`` gives anything that can be compared."""

    def __init__(self, source: str, look: Callable[[Machine], object]) -> None:
        self._source = source
        self._look = look
        self._seen: object = None
        self._next = 0.0

    def fileno(self) -> int:
        return -1

    def ready(self) -> Iterable[Event]:
        return ()

    def tick(self, now: float) -> Iterator[Event]:
        if now < self._next:
            return
        start = time.monotonic()
        before, self._seen = self._seen, self._look(Machine(_PATIENCE))
        self._next = now + max(SECONDS, SHARE * (time.monotonic() - start))
        if before is not None and before != self._seen:
            yield Event("change", self._source)

    def close(self) -> None:
        pass


def legacy(machine: Machine) -> bytes:
    """A digest of the legacy tables, without counters."""
    return _digest(iptables.collect_legacy(machine))


def sets(machine: Machine) -> bytes:
    """A digest of the ipsets, without counters and the time that members have left."""
    return _digest(ipset.collect(machine))


def settings(machine: Machine) -> bytes:
    """A digest of the kernel settings that decide about packets."""
    return _digest(sysctl.collect(machine))


def _digest(collected: Iterable[Collected]) -> bytes:
    found = blake2b(digest_size=16)
    for each in collected:
        found.update(f"{each.name}\0{each.source.missing}\0".encode("utf-8", "backslashreplace"))
        found.update(_COUNTERS.sub(b"", each.data or b""))
    return found.digest()


class Sockets:
    """What listens on the host and in containers. ``pids``: a process of each container, known from the last audit; a
    new one counts as a change, since it may have begun to listen after that audit looked."""

    def __init__(self) -> None:
        self.pids: Collection[int] = ()
        self._passing: set[Socket] = set()

    def look(self, machine: Machine) -> tuple[Collection[int], frozenset[Socket]]:
        """All sockets that take new packets. An unconnected UDP socket on a port that the kernel gives to clients is
        left out the first time that it is seen: every look-up of a name has one for a moment."""
        low, high = _range(machine)
        found, passing = set(), set()
        for pid in (0, *self.pids):
            for table in TABLES:
                answer = machine.read(f"/proc/{pid or 'self'}/net/{table}", LIMIT)
                for each in listening(table, answer.data or b""):
                    socket = (pid, table, each.address, each.port)
                    if table.startswith("udp") and low <= each.port <= high:
                        passing.add(socket)
                        if socket not in self._passing:
                            continue
                    found.add(socket)
        self._passing = passing
        return self.pids, frozenset(found)


def _range(machine: Machine) -> tuple[int, int]:
    words = (machine.read(_EPHEMERAL).data or b"").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 and all(map(bytes.isdigit, words)) else (32768, 60999)
