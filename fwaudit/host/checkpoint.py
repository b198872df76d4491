"""What the fix did to this host, on disk before it does it: the undo, and what is still to be confirmed.

One file in /var/lib/fwaudit (mode 0700), written whole, flushed to the disk, and never read without its lock. What
stands in it is enough to take everything back after a crash, a reboot, or by a newer fwaudit. It is loaded as root, so
a folder that anybody else could write is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from fwaudit.errors import FixError
from fwaudit.records import dataclass

FOLDER = Path("/var/lib/fwaudit")
SCHEMA = 1
_LIMIT = 16 << 20
_TOOLS = ("nft", "iptables-nft-restore", "ip6tables-nft-restore", "iptables-legacy-restore", "ip6tables-legacy-restore")

State = Literal[
    "prepared",   # the undo is on disk; something may be loaded, or nothing
    "applied",    # loaded and compared with the proof; taken back unless somebody confirms
    "confirmed",  # it stays
]


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes one transaction back. ``rules`` and ``jumps``: those of ours that were there before (text behind
    ``-A``, and where), empty where there were none. ``created``: the table itself was not there."""

    backend: Literal["nft", "legacy", "native"]
    family: Literal[0, 4, 6]
    table: str
    rules: tuple[str, ...] = ()
    jumps: tuple[tuple[int, str], ...] = ()
    existed: bool = False
    script: str = ""
    created: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``id`` names one apply. ``deadline``: when it is taken back unless confirmed, by ``clock()`` of this boot.

    ``persist``: keep it after a reboot, once it is confirmed. ``previous``: the checkpoint of a fix that was confirmed
    before this one, to which a revert leads.
    ``wish`` and ``loaded``: what the plan was about, and the text of each transaction, so that it can be loaded again
    after a reboot; ``boot``: the kernel's boot id, by which a reboot is known.
    """

    id: str
    state: State
    deadline: float
    boot: str
    undo: tuple[Undo, ...]
    wish: dict[str, Any]
    loaded: tuple[tuple[tuple[str, ...], str], ...] = ()
    version: str = ""
    persist: bool = False
    previous: Checkpoint | None = None


class Store:
    """The checkpoint's file, and the lock that only one fix holds at a time."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.path = folder / "fix.json"

    @contextlib.contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the lock; raises FixError where another fix holds it for longer than ``patience`` seconds, or the
        folder cannot be made."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise FixError(f"cannot write {self.folder}: {error.strerror}", "The fix keeps its undo there.") from error
        try:
            end = time.monotonic() + patience
            while not _locks(descriptor):
                if time.monotonic() >= end:
                    raise FixError("another fwaudit fix is at work", "Wait for it to end: fwaudit fix --status")
                time.sleep(0.1)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Checkpoint | None:
        """The checkpoint, None where there is none. Raises FixError for one that does not read, or that somebody else
        could have written."""
        try:
            self._check_folder()
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                text = file.read(_LIMIT + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FixError(f"cannot read {self.path}: {error.strerror}", "Run as root.") from error
        try:
            return _decode(json.loads(text))
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            raise FixError(f"{self.path} does not read: {error}",
                           "Move it away; what is loaded can be taken back with: fwaudit fix --revert") from error

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; on the disk when this returns. Raises FixError, and the old one stands."""
        text = json.dumps({"schema": SCHEMA, **asdict(checkpoint)}, indent=1)
        name = ""
        try:
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".fix.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
            self._flush_folder()
        except OSError as error:
            if name:
                with contextlib.suppress(OSError):
                    Path(name).unlink(missing_ok=True)
            raise FixError(f"cannot write {self.path}: {error.strerror}",
                           "Nothing was changed after that; make room there and try again.") from error

    def forget(self) -> None:
        """Remove the checkpoint: there is nothing to take back any more."""
        try:
            self.path.unlink(missing_ok=True)
            self._flush_folder()
        except OSError as error:
            raise FixError(f"cannot remove {self.path}: {error.strerror}",
                           "The rules are as they were before; remove that file.") from error

    def _check_folder(self) -> None:
        """Raises FixError where the folder is not this user's alone: what stands in it is loaded as root."""
        found = os.lstat(self.folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise FixError(f"{self.folder} is not a folder that only root can write",
                           f"See who made it (ls -ld {self.folder}), and make it root's: mode 0700.")

    def _flush_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def change(self, checkpoint: Checkpoint, state: State) -> Checkpoint:
        """The checkpoint in another state, written."""
        changed = replace(checkpoint, state=state)
        self.write(changed)
        return changed


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def clock() -> float:
    """Seconds since this boot, time asleep included: it does not jump when somebody sets the time of day."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The kernel's name for this boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _decode(value: Any) -> Checkpoint:
    if value["schema"] != SCHEMA:
        raise ValueError(f"schema {value['schema']} of another fwaudit")
    if value["state"] not in ("prepared", "applied", "confirmed"):
        raise ValueError(f"state {value['state']!r}")
    for argv, _ in value["loaded"]:
        if argv[0] not in _TOOLS:
            raise ValueError(f"{argv[0]!r} is no tool that loads rules")
    return Checkpoint(
        id=str(value["id"]), state=value["state"], deadline=float(value["deadline"]), boot=str(value["boot"]),
        undo=tuple(_undo(each) for each in value["undo"]), wish=dict(value["wish"]),
        loaded=tuple((tuple(map(str, argv)), str(text)) for argv, text in value["loaded"]),
        version=str(value["version"]), persist=bool(value["persist"]),
        previous=_decode({"schema": SCHEMA, **value["previous"]}) if value["previous"] else None)


def _undo(value: Any) -> Undo:
    if value["backend"] not in ("nft", "legacy", "native") or value["family"] not in (0, 4, 6):
        raise ValueError("an undo for no backend")
    return Undo(value["backend"], value["family"], str(value["table"]), tuple(map(str, value["rules"])),
                tuple((int(place), str(rule)) for place, rule in value["jumps"]), bool(value["existed"]),
                str(value["script"]), bool(value["created"]))
