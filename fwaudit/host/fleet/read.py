"""One snapshot by its name: a local file or folder, or a URL that fsspec reads. No temporary file is made."""

from __future__ import annotations

from fwaudit.errors import SnapshotError
from fwaudit.host.fleet.find import filesystem, is_url, without_secrets
from fwaudit.host.snapshot_file import read_snapshot, unpack
from fwaudit.model.snapshot import Snapshot

_PACKED_LIMIT = 256 << 20
"""Bytes of a packed snapshot that comes over a network; unpacked ones are bounded by the reader of archives."""


def read(name: str) -> Snapshot:
    """The snapshot. Raises SnapshotError, also for every failure of a remote store, and UsageError without fsspec."""
    if not is_url(name):
        return read_snapshot(name)
    shown = without_secrets(name)
    system, path = filesystem(name)
    try:
        with system.open(path, "rb") as stream:
            data = stream.read(_PACKED_LIMIT + 1)
    except Exception as error:  # each store has errors of its own, and nearly all of them mean: not there
        raise SnapshotError(f"cannot read {shown}: {type(error).__name__}: {without_secrets(str(error))}",
                            "is it there, and may you read it?") from error
    if len(data) > _PACKED_LIMIT:
        raise SnapshotError(f"{shown} is larger than {_PACKED_LIMIT >> 20} MB", "take the snapshot again")
    return unpack(data, shown)
