"""The admin's own connection, so that a fix can prove that it is not cut."""

from __future__ import annotations

import os
from pathlib import Path

_LIMIT = 1 << 20
_GENERATIONS = 16


def ssh_connection() -> tuple[str, int, str, int] | None:
    """(client, port, server, port) of the SSH connection that this process was started over, None where there is none.

    sudo takes SSH_CONNECTION out of the environment, so the parents' are asked as well (/proc/PID/environ).
    """
    pid = os.getpid()
    texts = [os.environ.get("SSH_CONNECTION", "")]
    for _ in range(_GENERATIONS):
        try:
            with Path(f"/proc/{pid}/environ").open("rb") as file:
                for entry in file.read(_LIMIT).split(b"\0"):
                    if entry.startswith(b"SSH_CONNECTION="):
                        texts.append(entry.split(b"=", 1)[1].decode("ascii", "replace"))
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
                      .split()[1])
        except (OSError, ValueError, IndexError):
            break
        if pid <= 1:
            break
    for text in texts:
        words = text.split()
        if len(words) == 4 and words[1].isdigit() and words[3].isdigit():
            return words[0].partition("%")[0], int(words[1]), words[2].partition("%")[0], int(words[3])
    return None
