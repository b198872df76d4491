"""What systemd is told by a service of ``Type=notify`` (sd_notify(3)): a datagram to the socket that it names."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """``READY=1``, ``WATCHDOG=1``, ``STOPPING=1``; without systemd, nothing."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as link:
        link.sendto(state.encode(), f"\0{name[1:]}" if name[0] == "@" else name)
