"""What writes to DOCKER-USER at boot: the files that name it, and ufw's own that do."""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.model.host import BootFile
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.values import TEXT_LIMIT, Record

SOURCE = "boot/docker-user.json"
_UFW = ("before.rules", "before6.rules", "after.rules", "after6.rules")


def parse_files(records: Iterable[Record]) -> tuple[BootFile, ...]:
    """Files with the commands in them that name the chain."""
    return tuple(BootFile(record.text("path"), tuple(line[:TEXT_LIMIT] for line in record.texts("lines")))
                 for record in records)


def of_ufw(snapshot: Snapshot) -> tuple[BootFile, ...]:
    """What ufw loads into DOCKER-USER whenever it starts."""
    found = []
    for name in _UFW:
        text = snapshot.text(f"ufw/{name}")
        if "DOCKER-USER" not in text:
            continue
        lines = tuple(line.strip() for line in text.splitlines()
                      if "DOCKER-USER" in line and not line.lstrip().startswith("#"))
        if lines:
            found.append(BootFile(f"/etc/ufw/{name}", lines))
    return tuple(found)
