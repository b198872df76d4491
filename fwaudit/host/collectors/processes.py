"""Which process holds a socket, found in ``/proc/PID/fd``, and what the socket's own options are."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Collection, Iterator
from typing import Any

from fwaudit.host.run import Machine
from fwaudit.records import NamedTuple

_PROXY = "docker-proxy"
# The same number on every architecture but alpha (include/uapi/asm-generic/unistd.h); kernel 5.6 and newer.
_PIDFD_GETFD = 438
_IPV6_V6ONLY, _SO_BINDTODEVICE, _DEVICE_LENGTH = 26, 25, 16


class Holder(NamedTuple):
    """An open file descriptor of a process that is one of the wanted sockets."""

    pid: int
    descriptor: int


class Found(NamedTuple):
    """Holders by socket inode, in the order of process numbers; ``hidden`` counts processes not to be looked into."""

    holders: dict[int, list[Holder]]
    hidden: int


def find(machine: Machine, inodes: Collection[int]) -> Found:
    """Look through every process for the wanted sockets. Processes that end meanwhile are passed over."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    holders: dict[int, list[Holder]] = {}
    hidden = 0
    for pid in processes(machine) if wanted else ():
        folder = machine.path(f"/proc/{pid}/fd")
        try:
            names = os.listdir(folder)  # noqa: PTH208 (hot: strings, not Path objects)
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue
        for name in names:
            try:
                inode = wanted.get(os.readlink(f"{folder}/{name}"))  # noqa: PTH115 (hot)
            except OSError:
                continue
            if inode is not None:
                holders.setdefault(inode, []).append(Holder(pid, int(name)))
    return Found(holders, hidden)


def processes(machine: Machine) -> Iterator[int]:
    """The numbers of all visible processes, ascending."""
    with contextlib.suppress(OSError):
        yield from sorted(int(name) for name in os.listdir(machine.path("/proc")) if name.isdigit())  # noqa: PTH208


def comm(machine: Machine, pid: int) -> str:
    """A process's short name, empty where it is gone."""
    data = machine.read(f"/proc/{pid}/comm").data or b""
    return data.decode("utf-8", "replace").rstrip("\n")


def owner(machine: Machine, holders: list[Holder]) -> dict[str, Any]:
    """Who serves a socket: {"pid", "comm", "exe"}, and "argv" for docker-proxy alone.

    Of several holders docker-proxy is the one (dockerd may hold its socket too), then anybody but pid 1 (systemd keeps
    the sockets that it handed out), then the eldest.
    """
    names = {holder.pid: comm(machine, holder.pid) for holder in holders}
    pid = min(names, key=lambda each: (names[each] != _PROXY, each == 1, each))
    entry: dict[str, Any] = {"pid": pid, "comm": names[pid]}
    with contextlib.suppress(OSError):
        entry["exe"] = os.readlink(machine.path(f"/proc/{pid}/exe"))  # noqa: PTH115 (may say " (deleted)")
    if names[pid] == _PROXY:
        raw = machine.read(f"/proc/{pid}/cmdline").data or b""
        entry["argv"] = [part.decode("utf-8", "replace") for part in raw.split(b"\0")[:-1]]
    return entry


def options(holder: Holder) -> dict[str, Any]:
    """What ``/proc/net`` does not tell of a socket: {"v6only": bool, "device": str}; empty where it cannot be asked.

    The descriptor is borrowed for a moment (pidfd_getfd(2)) and asked by getsockopt(2). ``ss -e`` would load inet_diag
    to learn the same.
    """
    try:
        copy = _borrow(holder)
    except (OSError, AttributeError):  # gone, forbidden, or a Python or kernel that has no such call
        return {}
    found: dict[str, Any] = {}
    with socket.socket(fileno=copy) as borrowed, contextlib.suppress(OSError):
        if borrowed.family == socket.AF_INET6:
            found["v6only"] = bool(borrowed.getsockopt(socket.IPPROTO_IPV6, _IPV6_V6ONLY))
        device = borrowed.getsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, _DEVICE_LENGTH).rstrip(b"\0")
        if device:
            found["device"] = device.decode("utf-8", "replace")
    return found


def _borrow(holder: Holder) -> int:
    process = os.pidfd_open(holder.pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_PIDFD_GETFD, process, holder.descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return int(copy)
    finally:
        os.close(process)
