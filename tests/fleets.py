"""Fleets for tests: snapshots of recorded hosts under other names, and with other ports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import captures

import fwaudit
from fwaudit.host.snapshot_file import pack, read_snapshot, unpack, write_snapshot
from fwaudit.model.snapshot import Snapshot

DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"


def renamed(host: str, port: str = "5432", taken_at: str = "2026-11-26T00:00:00Z") -> Snapshot:
    """The demo's host under another name, its database published on another port."""
    taken = read_snapshot(DEMO)
    files = {name: data.replace(b"5432", port.encode()) for name, data in taken.files.items()}
    return replace(taken, host=host, files=files, taken_at=taken_at)


def copies(folder: Path, count: int) -> list[str]:
    """The demo's host so many times; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = pack(renamed("copy"))
    paths = [folder / f"host{number:04}.tar.gz" for number in range(count)]
    for path in paths:
        path.write_bytes(packed)
    return [str(path) for path in paths]


def recorded(folder: Path) -> int:
    """Hosts of the lab, all different; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in captures.GOLDEN:
        taken = Snapshot(dict(captures.case(name).files))
        taken = unpack(pack(taken), name)  # with its meta.json read
        write_snapshot(replace(taken, host=name), folder / f"{name.replace('/', '.')}.tar.gz")
    return len(captures.GOLDEN)
