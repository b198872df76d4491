"""The rows of many hosts in SQLite: written as they arrive, read back the worst first, compared with an earlier run.

The database is the user's as well: docs/fleet.md names its tables. It lies in a temporary file where nobody keeps it,
so that what is known of a million hosts takes no memory.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fwaudit import __version__
from fwaudit.errors import HistoryError
from fwaudit.host.fleet import changes
from fwaudit.model.fleet import LEVELS, FindingRow, Fleet, Group, HostRow, Level, PortRow

KEEP_RUNS = 10
_APPLICATION = 0x66776C74  # "fwlt"
_VERSION = 2
"""1: without ``host.redacted``."""
_BATCH = 200
MOST_GROUPS = 1_000
"""Of each kind; every port is in the database."""

PORT = ("key", "kind", "family", "proto", "port", "bound", "container", "project", "compose_service", "image",
         "process", "likely", "verdict", "standing", "severity", "certain", "cause", "sources")
FINDING = ("id", "subject", "severity", "certain", "standing", "what")
HOST = ("source", "host", "taken_at", "level", "severity", "breaches", "undecided", "accepted", "intended", "blocked",
         "unread", "engine", "firewall", "error", "redacted", "rendered")
TRUTHS = frozenset({"certain", "redacted"})
"""Columns that are true or false: 1 or 0 in SQLite."""
NUMBERS = TRUTHS | {"family", "port", "severity", "breaches", "undecided", "accepted", "intended", "blocked", "unread"}


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {'INTEGER' if name in NUMBERS else 'TEXT'} NOT NULL" for name in names)


_SCHEMA = f"""
CREATE TABLE run (run INTEGER PRIMARY KEY AUTOINCREMENT, taken_at TEXT NOT NULL, fwaudit TEXT NOT NULL,
                  done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE host (number INTEGER PRIMARY KEY, run INTEGER NOT NULL, {_columns(HOST)});
CREATE TABLE port (host INTEGER NOT NULL, {_columns(PORT)});
CREATE TABLE finding (host INTEGER NOT NULL, {_columns(FINDING)});
CREATE INDEX host_run ON host (run, host);
CREATE INDEX port_host ON port (host, key);
CREATE INDEX finding_host ON finding (host);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_ORDER = """CASE level WHEN 'critical' THEN 0 WHEN 'unknown' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END,
            severity DESC, breaches DESC, undecided DESC, host, source"""
_BAD = "port.standing IN ('breach', 'undecided')"


_SERVICE = "CASE port.likely WHEN '' THEN port.port || '/' || port.proto ELSE port.likely END"


class Store:
    """One run in a database. Every method raises HistoryError where the database fails."""

    def __init__(self, database: sqlite3.Connection, path: str, run: int) -> None:
        self.database, self.path, self.run = database, path, run
        self._waiting: list[HostRow] = []

    def add(self, row: HostRow) -> None:
        """Write a host down, by and by."""
        self._waiting.append(row)
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write down what waits."""
        ports: list[tuple[object, ...]] = []
        findings: list[tuple[object, ...]] = []
        with explained(self.path), self.database:
            for row in self._waiting:
                number = self.database.execute(
                    f"INSERT INTO host (run, {', '.join(HOST)}) VALUES (?{', ?' * len(HOST)})",  # noqa: S608
                    (self.run, *_values(row, HOST))).lastrowid
                ports += ((number, *_values(port, PORT)) for port in row.ports)
                findings += ((number, *_values(finding, FINDING)) for finding in row.findings)
            self.database.executemany(f"INSERT INTO port VALUES (?{', ?' * len(PORT)})", ports)  # noqa: S608
            self.database.executemany(f"INSERT INTO finding VALUES (?{', ?' * len(FINDING)})", findings)  # noqa: S608
        self._waiting.clear()

    def finish(self) -> None:
        """The run is whole: only now do later ones compare with it. Old runs go."""
        self.flush()
        with explained(self.path), self.database:
            self.database.execute("UPDATE run SET done = 1 WHERE run = ?", (self.run,))
            old = "SELECT run FROM run WHERE run <= ? - ? OR (done = 0 AND run < ?)"
            values = (self.run, KEEP_RUNS, self.run)
            hosts = f"SELECT number FROM host WHERE run IN ({old})"  # noqa: S608
            for table in ("port", "finding"):
                self.database.execute(f"DELETE FROM {table} WHERE host IN ({hosts})", values)  # noqa: S608
            self.database.execute(f"DELETE FROM host WHERE run IN ({old})", values)  # noqa: S608
            self.database.execute(f"DELETE FROM run WHERE run IN ({old})", values)  # noqa: S608

    def fleet(self, since: str | None, seconds: float) -> Fleet:
        """All that this run knows. ``since``: another database, whose last run is the one to compare with; None: the
        run before this one, where there is one."""
        with explained(self.path):
            (taken_at,) = self.database.execute("SELECT taken_at FROM run WHERE run = ?", (self.run,)).fetchone()
            counts: dict[Level, int] = dict.fromkeys(LEVELS, 0)
            counts.update(self.database.execute("SELECT level, count(*) FROM host WHERE run = ? GROUP BY level",
                                                (self.run,)).fetchall())
            failed, incomplete, breaches, undecided, redacted = self.database.execute(
                "SELECT coalesce(sum(error <> ''), 0), coalesce(sum(unread > 0), 0), coalesce(sum(breaches), 0), "
                "coalesce(sum(undecided), 0), coalesce(sum(redacted), 0) FROM host WHERE run = ?",
                (self.run,)).fetchone()
            findings = self._groups("finding.id", "finding", "finding.severity > 0")
            services = self._groups(_SERVICE, "port", _BAD)
            images = self._groups("port.image", "port", f"{_BAD} AND port.image <> ''")
            found = changes.since(self.database, self.run, since)
        return Fleet(taken_at, counts, failed, incomplete, breaches, undecided, findings, services, images, self.hosts,
                     found, seconds, redacted)

    def _groups(self, name: str, table: str, where: str) -> tuple[Group, ...]:
        """The groups of a run, the worst and widest first. A port in both families counts once. The example is a host
        of the worst: SQLite gives the row that ``max`` is of (https://www.sqlite.org/lang_select.html#bareagg)."""
        what = "host.number || port.kind || port.port || port.proto || port.container || port.process" \
            if table == "port" else "finding.rowid"
        rows = self.database.execute(
            f"SELECT {name}, max({table}.severity), count(DISTINCT {what}), count(DISTINCT host.number), "  # noqa: S608
            "CASE host.host WHEN '' THEN host.source ELSE host.host END "
            f"FROM {table} JOIN host ON host.number = {table}.host WHERE host.run = ? AND {where} "
            f"GROUP BY 1 ORDER BY 2 DESC, 4 DESC, 1 LIMIT {MOST_GROUPS}", (self.run,))
        return tuple(Group(*row) for row in rows)

    def hosts(self) -> Iterator[HostRow]:
        """Every host of this run, the worst first, one at a time."""
        with explained(self.path):
            cursor = self.database.execute(
                f"SELECT number, {', '.join(HOST)} FROM host WHERE run = ? ORDER BY {_ORDER}", (self.run,))  # noqa: S608
            for number, *values in cursor:
                ports = self.database.execute(f"SELECT {', '.join(PORT)} FROM port WHERE host = ? "  # noqa: S608
                                              "ORDER BY severity DESC, rowid", (number,))
                findings = self.database.execute(f"SELECT {', '.join(FINDING)} FROM finding WHERE host = ? "  # noqa: S608
                                                 "ORDER BY severity DESC, rowid", (number,))
                yield HostRow(**_typed(HOST, tuple(values)),
                              ports=tuple(PortRow(**_typed(PORT, row)) for row in ports),
                              findings=tuple(FindingRow(**_typed(FINDING, row)) for row in findings))


def _values(row: object, names: tuple[str, ...]) -> tuple[object, ...]:
    """A row's fields for SQLite, which has no text with stray halves of characters."""
    found = [getattr(row, name) for name in names]
    return tuple(_stored(each) if isinstance(each, str) else each for each in found)


def _stored(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _typed(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return {name: bool(value) if name in TRUTHS else value for name, value in zip(names, row, strict=True)}


@contextmanager
def explained(path: str) -> Iterator[None]:
    """SQLite's errors as one of this program's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise HistoryError(f"{path}: {error}", "Is it a database of `fwaudit fleet`, and may you write it?") from error


@contextmanager
def opened(path: Path | None, taken_at: str) -> Iterator[Store]:
    """A new run in the database at ``path``, which is made where it is not there; None: in one that goes afterwards."""
    if path is None:
        with tempfile.TemporaryDirectory(prefix="fwaudit-fleet-") as folder, \
                opened(Path(folder) / "fleet.db", taken_at) as store:
            store.database.execute("PRAGMA synchronous = OFF")
            yield store
        return
    with explained(str(path)):
        if not path.exists():
            path.touch(0o600)
        database = sqlite3.connect(path, timeout=5)
        try:
            _upgrade(database, path)
            with database:
                run = database.execute("INSERT INTO run (taken_at, fwaudit) VALUES (?, ?)",
                                       (taken_at, __version__)).lastrowid
        except BaseException:
            database.close()
            raise
    with closing(database):
        store = Store(database, str(path), run or 0)
        try:
            yield store
        except BaseException:
            with suppress(HistoryError, sqlite3.Error):  # the run stays undone, and the next one takes it away
                database.rollback()
            raise


def _upgrade(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        database.executescript(_SCHEMA)
    elif application != _APPLICATION:
        raise HistoryError(f"{path} is no database of `fwaudit fleet`", "Name another file, or one that is not there.")
    elif version > _VERSION:
        raise HistoryError(f"{path} was written by a newer fwaudit", "Use that version, or another file.")
    elif version == 1:
        database.executescript(f"ALTER TABLE host ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0; "
                               f"PRAGMA user_version = {_VERSION};")
