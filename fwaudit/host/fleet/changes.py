"""What has changed between two runs: ports that are reached now and were not, that no longer are, or otherwise judged.

A host is known again by its name, or where its snapshot has none by where it lies. Where not everything could be read,
now or then, a port that is missing proves nothing: such hosts are counted and not compared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from fwaudit.errors import HistoryError
from fwaudit.model.fleet import Change, Changes
from fwaudit.model.report import Severity, who_answers

_NAME = "CASE host WHEN '' THEN source ELSE host END"
_LATEST = """CREATE TEMP TABLE {table} AS SELECT name, number, whole FROM (
    SELECT {name} AS name, number, error = '' AND unread = 0 AS whole,
           row_number() OVER (PARTITION BY {name} ORDER BY error = '' DESC, taken_at DESC, number DESC) AS place
    FROM {schema}.host WHERE run = ?) WHERE place = 1"""
"""Of several snapshots of one host in a run, the latest that could be read."""
_PAIRS = """CREATE TEMP TABLE pair AS SELECT now.name AS name, now.number AS new, old.number AS old
    FROM temp.now_host AS now JOIN temp.old_host AS old ON old.name = now.name WHERE now.whole AND old.whole"""
_WANTED = ("kind", "port", "proto", "family", "container", "process", "bound")
_CHANGES = """
SELECT {new_or_old}, pair.name, {old}.verdict, {old}.severity, {new}.verdict, {new}.severity, {columns}
FROM temp.pair JOIN {has_schema}.port AS a ON a.host = pair.{has}
LEFT JOIN {other_schema}.port AS b ON b.host = pair.{other} AND b.key = a.key WHERE {where}"""


def since(database: sqlite3.Connection, run: int, other: str | None) -> Changes | None:
    """The changes up to ``run``, since the last run of the database at ``other``, or since the one before it here; None
    where there is none. Raises HistoryError for a database that is none of ours."""
    schema = "main" if other is None else "previous"
    if other is not None:
        _attach(database, other)
    before = database.execute(f"SELECT run, taken_at FROM {schema}.run WHERE done = 1 AND (? OR run < ?) "  # noqa: S608
                              "ORDER BY run DESC LIMIT 1", (other is not None, run)).fetchone()
    if before is None:
        return None
    database.execute(_LATEST.format(table="now_host", name=_NAME, schema="main"), (run,))
    database.execute(_LATEST.format(table="old_host", name=_NAME, schema=schema), (before[0],))
    database.execute(_PAIRS)
    database.execute(f"CREATE TEMP TABLE change AS {_selection(schema)}")
    kinds = dict(database.execute("SELECT what, count(*) FROM temp.change GROUP BY what").fetchall())
    count = "SELECT count(*) FROM temp.{} WHERE name {} (SELECT name FROM temp.{})"
    (added,) = database.execute(count.format("now_host", "NOT IN", "old_host")).fetchone()
    (missing,) = database.execute(count.format("old_host", "NOT IN", "now_host")).fetchone()
    (both,) = database.execute(count.format("now_host", "IN", "old_host")).fetchone()
    (compared,) = database.execute("SELECT count(*) FROM temp.pair").fetchone()
    return Changes(before[1], kinds.get("new", 0), kinds.get("gone", 0), kinds.get("changed", 0), added, missing,
                   both - compared, lambda: _listed(database))


def check(path: str) -> None:
    """Raises HistoryError where ``path`` is no database that an earlier run wrote."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            _attach(database, path)
        except sqlite3.Error as error:
            raise HistoryError(f"{path}: {error}", "Name one that an earlier run wrote with --db.") from error


def _attach(database: sqlite3.Connection, path: str) -> None:
    if not Path(path).is_file():
        raise HistoryError(f"{path}: there is no such database", "Name one that an earlier run wrote with --db.")
    database.execute("ATTACH ? AS previous", (path,))
    found = database.execute("SELECT count(*) FROM previous.sqlite_master WHERE name IN ('run', 'host', 'port')")
    if found.fetchone() != (3,):
        raise HistoryError(f"{path} is no database of `fwaudit fleet`", "Name one that an earlier run wrote with --db.")


def _selection(schema: str) -> str:
    columns = ", ".join(f"a.{name} AS {name}" for name in _WANTED)

    def select(what: str, has: str, where: str) -> str:
        now, mine, theirs = (has == "new"), "main", schema
        return _CHANGES.format(
            new_or_old=f"'{what}' AS what", old="b" if now else "a", new="a" if now else "b", columns=columns, has=has,
            other="old" if now else "new", has_schema=mine if now else theirs, other_schema=theirs if now else mine,
            where=where)

    first = select("new", "new", "b.key IS NULL")
    for name in ("verdict", "severity"):
        first = first.replace(f"b.{name}", f"b.{name} AS old_{name}").replace(f"a.{name},", f"a.{name} AS new_{name},")
    return " UNION ALL ".join((
        first, select("changed", "new", "b.key IS NOT NULL AND (a.verdict <> b.verdict OR a.severity <> b.severity)"),
        select("gone", "old", "b.key IS NULL")))


def _listed(database: sqlite3.Connection) -> Iterator[Change]:
    order = ("ORDER BY max(coalesce(new_severity, 0), 0) DESC, coalesce(old_severity, 0) DESC, "
             "CASE what WHEN 'new' THEN 0 WHEN 'changed' THEN 1 ELSE 2 END, name, port, family")
    for row in database.execute(f"SELECT * FROM temp.change {order}"):  # noqa: S608
        yield _change(*row)


def _change(what: Any, name: str, verdict: str | None, severity: int | None, new_verdict: str | None,
            new_severity: int | None, kind: str, port: int, proto: str, family: int, container: str, process: str,
            bound: str) -> Change:
    place = "" if bound == "*" else f"[{bound}]:" if ":" in bound else f"{bound}:"
    return Change(what, name, f"{place}{port}/{proto} v{family}", who_answers(kind, container, process),
                  max(severity or 0, new_severity or 0), _words(verdict, severity), _words(new_verdict, new_severity))


def _words(verdict: str | None, severity: int | None) -> str:
    if verdict is None:
        return ""
    return f"{verdict}, {Severity(severity or 0).name.lower()}" if severity else verdict
