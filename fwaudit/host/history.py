"""What earlier checks found, in SQLite: each run with its snapshot, so that any two can be compared, by a later fwaudit
as well; and since when each port has been open.

The database is bounded (by age, by number and by size), written in transactions, and readable while it is written
(WAL).
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fwaudit.errors import HistoryError
from fwaudit.host.snapshot_file import pack, unpack
from fwaudit.model.snapshot import Snapshot
from fwaudit.records import dataclass

PATH = Path("/var/lib/fwaudit/history.db")
KEEP_DAYS, KEEP_RUNS, KEEP_BYTES = 400, 10_000, 512 << 20
KEEP_UNTOLD = 1_000
TRUSTED_RUNS = 20
"""So many checks have to say that it is as late as that, before those of long ago are forgotten."""
_PATIENCE = 5.0

_MIGRATIONS = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT, taken_at TEXT NOT NULL, host TEXT NOT NULL, level TEXT NOT NULL,
        breaches INTEGER NOT NULL, complete INTEGER NOT NULL, snapshot BLOB NOT NULL);
    CREATE INDEX run_taken_at ON run (taken_at);
    CREATE TABLE open (identity TEXT PRIMARY KEY, name TEXT NOT NULL, since TEXT NOT NULL);
    """,
    """
    ALTER TABLE run ADD COLUMN state TEXT NOT NULL DEFAULT '';
    ALTER TABLE run ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE untold (id INTEGER PRIMARY KEY AUTOINCREMENT, hook TEXT NOT NULL, notice TEXT NOT NULL);
    CREATE TABLE trouble (why TEXT NOT NULL);
    """,
)
"""One text for each version of the schema; ``user_version`` is how many have been run."""


@dataclass(frozen=True, slots=True)
class Run:
    """One check. ``level``: ok, warning, critical or unknown; ``taken_at`` in UTC. ``state``: a digest of all that a
    change of which is told (render/notice.py), empty where nobody made one."""

    id: int
    taken_at: str
    host: str
    level: str
    breaches: int
    complete: bool
    state: str = ""


class History:
    """The database. Every method raises HistoryError where it cannot be read or written."""

    def __init__(self, path: Path = PATH) -> None:
        self.path = path

    def upgrade(self) -> None:
        """Make the database, or bring that of an older fwaudit up to date, so that it can be read."""
        with self._database(write=True):
            pass

    def record(self, snapshot: Snapshot, level: str, complete: bool, opened: Mapping[str, str], state: str = "",
               untold: Sequence[tuple[str, str]] | None = None) -> int:
        """Write one run down; its number. ``opened``: identity → name of every port that is a breach now: it keeps the
        time since when it is one. ``untold``: (hook, notice) of what is to be told of it; None: nobody is."""
        with self._database(write=True) as database:
            cursor = database.execute(
                "INSERT INTO run (taken_at, host, level, breaches, complete, snapshot, state, told) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (snapshot.taken_at, snapshot.host, level, len(opened), complete, pack(snapshot), state,
                 untold is not None))
            database.executemany(_UNTOLD, untold or ())
            database.execute("DELETE FROM trouble")
            if complete:  # what could not be looked at has not closed
                known = {row[0] for row in database.execute("SELECT identity FROM open")}
                database.executemany("DELETE FROM open WHERE identity = ?", [(each,) for each in known - set(opened)])
            # the earlier time where the clock has gone back: it was open then, by the clock as it is now
            database.executemany("INSERT INTO open (identity, name, since) VALUES (?, ?, ?) "
                                 "ON CONFLICT (identity) DO UPDATE SET since = min(since, excluded.since)",
                                 [(identity, name, snapshot.taken_at) for identity, name in opened.items()])
            self._forget(database)
            return int(cursor.lastrowid or 0)

    def runs(self, limit: int = 50) -> list[Run]:
        """The latest runs, the newest first."""
        with self._database() as database:
            return _runs(database.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,)))

    def told(self, host: str) -> Run | None:
        """The latest run of a host that whoever wants to be told of changes has been told of; where nobody ever was,
        the latest. None: there is none."""
        with self._database() as database:
            found = _runs(database.execute(f"{_SELECT} WHERE host = ? ORDER BY told DESC, id DESC LIMIT 1", (host,)))
        return found[0] if found else None

    def trouble(self) -> str:
        """Why no check could be made since the latest run; empty where one could, or nobody tried."""
        with self._database() as database:
            found = database.execute("SELECT why FROM trouble").fetchone()
        return found[0] if found else ""

    def set_trouble(self, why: str, untold: Sequence[tuple[str, str]]) -> None:
        """No check could be made. ``untold`` as for ``record``."""
        with self._database(write=True) as database:
            database.execute("DELETE FROM trouble")
            database.execute("INSERT INTO trouble (why) VALUES (?)", (why,))
            database.executemany(_UNTOLD, untold)

    def untold(self, hook: str) -> list[tuple[int, str]]:
        """(number, notice) of all that this hook has not been told yet, the oldest first."""
        with self._database() as database:
            return database.execute("SELECT id, notice FROM untold WHERE hook = ? ORDER BY id", (hook,)).fetchall()

    def tell(self, number: int) -> None:
        """A notice has been told."""
        with self._database(write=True) as database:
            database.execute("DELETE FROM untold WHERE id = ?", (number,))

    def snapshot(self, number: int) -> Snapshot:
        """The snapshot of one run; 0: of the latest, -1: of the one before it, and so on."""
        return unpack(self.packed(number), f"run {number}")

    def packed(self, number: int) -> bytes:
        """The same as it is kept, for who wants to read it later."""
        with self._database() as database:
            if number > 0:
                row = database.execute("SELECT snapshot FROM run WHERE id = ?", (number,)).fetchone()
            else:
                row = database.execute("SELECT snapshot FROM run ORDER BY id DESC LIMIT 1 OFFSET ?",
                                       (-number,)).fetchone()
        if row is None:
            raise HistoryError(f"there is no run {number}", "See: fwaudit history")
        return bytes(row[0])

    def open_since(self) -> dict[str, str]:
        """identity → when a check first found it open, for what the latest complete check found open."""
        with self._database() as database:
            return dict(database.execute("SELECT identity, since FROM open").fetchall())

    def open_ports(self) -> list[tuple[str, str]]:
        """(name, since) of every port that is open, the longest first."""
        with self._database() as database:
            return database.execute("SELECT name, since FROM open ORDER BY since, name").fetchall()

    # ---- the file ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _database(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif not self.path.exists():
                raise HistoryError(f"there is no history at {self.path}", "fwaudit check writes it.")
            database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        except (OSError, ValueError, sqlite3.Error) as error:
            raise HistoryError(f"cannot open {self.path}: {_reason(error)}", _hint(error)) from error
        try:
            if write:
                self.path.chmod(0o600)
                database.execute("PRAGMA journal_mode=WAL")
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            self._migrate(database, write)
            yield database
            database.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise HistoryError(f"{self.path}: {_reason(error)}", _hint(error)) from error
        finally:
            database.close()

    def _migrate(self, database: sqlite3.Connection, write: bool) -> None:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > len(_MIGRATIONS):
            raise HistoryError(f"{self.path} was written by a newer fwaudit", "Use that one, or another file.")
        if version == len(_MIGRATIONS):
            return
        if not write:
            raise HistoryError(f"{self.path} is of an older fwaudit", "The next fwaudit check brings it up to date.")
        for text in _MIGRATIONS[version:]:
            for statement in filter(str.strip, text.split(";")):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    def _forget(self, database: sqlite3.Connection) -> None:
        """Old runs go: those of too long ago, those beyond the number, the oldest while there are too many bytes.

        How long ago is counted from the earliest of the latest runs: one check under a clock that is years ahead, as
        before a host without a battery has asked for the time, is no reason to forget what came before it."""
        latest = [row[0] for row in database.execute(
            "SELECT taken_at FROM run ORDER BY id DESC LIMIT ?", (TRUSTED_RUNS,)).fetchall()]
        if len(latest) == TRUSTED_RUNS and (oldest := _days_before(min(latest))):
            database.execute("DELETE FROM run WHERE taken_at < ? AND id NOT IN (SELECT max(id) FROM run)", (oldest,))
        database.execute("DELETE FROM run WHERE id NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?)", (KEEP_RUNS,))
        sizes = database.execute("SELECT id, length(snapshot) FROM run ORDER BY id DESC").fetchall()
        total, gone = 0, []
        for place, (number, size) in enumerate(sizes):
            total += size
            if total > KEEP_BYTES and place:
                gone.append((number,))
        database.executemany("DELETE FROM run WHERE id = ?", gone)
        database.execute("DELETE FROM untold WHERE id <= (SELECT max(id) FROM untold) - ?", (KEEP_UNTOLD,))


def _days_before(taken_at: str) -> str:
    """The day before which a run is too old; empty where that cannot be told."""
    try:
        day = datetime.date.fromisoformat(taken_at[:10]) - datetime.timedelta(days=KEEP_DAYS)
    except (ValueError, OverflowError):
        return ""
    return day.isoformat()


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _hint(error: Exception) -> str:
    """What to do about it, by what SQLite and the kernel call it (https://sqlite.org/rescode.html)."""
    said = str(error)
    if "locked" in said:
        return "Another fwaudit is writing it; the next run is written down."
    if "full" in said or "disk I/O" in said or "No space" in said:
        return "Is the disk full? Make room there, or name another file: --history FILE"
    if isinstance(error, OSError) or "readonly" in said or "unable to open" in said:
        return "Name a file that can be written: --history FILE; or write none: --no-history"
    return "If it is damaged, move it away; a new one begins."


_UNTOLD = "INSERT INTO untold (hook, notice) VALUES (?, ?)"
_SELECT = "SELECT id, taken_at, host, level, breaches, complete, state FROM run"


def _runs(rows: Iterable[tuple[Any, ...]]) -> list[Run]:
    return [Run(int(row[0]), row[1], row[2], row[3], int(row[4]), bool(row[5]), row[6]) for row in rows]
