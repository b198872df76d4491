"""``fwaudit fleet``: the audit of thousands of snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor

if TYPE_CHECKING:
    from fwaudit.cli.fleet_work import Task
    from fwaudit.host.fleet.pool import Pool
    from fwaudit.model.fleet import Fleet, HostRow

_HELP = """Audit many snapshots at once: the worst hosts first, then what they have in common, and what has changed.

SNAPSHOTS are files, folders, globs, URLs that fsspec reads (s3://, https://, sftp://), or - for a list on standard
input. A snapshot that cannot be read is one row that says why, and the others go on.

Exit codes: 0 everything could be looked at; 3 not everything. With --exit-code, and with --format nagios: 2 where a
host has a severe exposure that nobody answers for, 1 where one has a lesser one.

Examples:

  fwaudit fleet report snapshots/

  fwaudit fleet report snapshots/ --db fleet.db --format json -o fleet.json

  fwaudit fleet report 's3://audits/2026-11-26/*.tar.gz' --executor dask://scheduler:8786
"""


def fleet(
    what: Annotated[str, typer.Argument(metavar="report", help="What to do.")],
    snapshots: Annotated[list[str], typer.Argument(
        metavar="SNAPSHOTS...", help="Files, folders, globs, URLs; - is a list on stdin.")],
    format: Annotated[str, typer.Option(
        "--format", metavar="FORMAT", help="table, json, markdown, html, sarif, junit, prometheus, nagios or ocsf.")
    ] = "table",
    output: Annotated[str, typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file; - is stdout.")] = "-",
    policy: Annotated[Path | None, typer.Option(
        "--policy", metavar="FILE", help="The policy file that all hosts are held to.")] = None,
    db: Annotated[Path | None, typer.Option(
        "--db", metavar="FILE", help="Keep the results in this SQLite database; compare with its last run.")] = None,
    since: Annotated[Path | None, typer.Option(
        "--since", metavar="FILE", help="Compare with the last run in another such database.")] = None,
    parquet: Annotated[Path | None, typer.Option(
        "--parquet", metavar="FOLDER", help="Write hosts, ports and findings there as Parquet.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=0, help="Processes; 0: one a core.")] = 0,
    executor: Annotated[str, typer.Option(
        "--executor", metavar="WHERE", help="processes, or dask://HOST:PORT for the workers of a Dask cluster.")
    ] = "processes",
    timeout: Annotated[float, typer.Option(
        "--timeout", "-t", metavar="SECONDS", min=0.1, help="The longest that one snapshot may take.")] = 60.0,
    memory: Annotated[int, typer.Option(
        "--memory", metavar="MB", min=64, help="The most that one process may take.")] = 2048,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Lines of each list on the screen.")] = 20,
    exit_code: Annotated[bool, typer.Option(
        "--exit-code", help="Exit with 1 or 2 where something is open that nobody answers for.")] = False,
    no_color: NoColor = False,
) -> int:
    import datetime

    from fwaudit.cli.check import read_policy
    from fwaudit.cli.fleet_work import Task
    from fwaudit.cli.output import READABLE, SECRET, screen, write
    from fwaudit.errors import UsageError
    from fwaudit.render.fleet import FORMATS, JOINED, render

    if what != "report":
        raise UsageError(f"fleet {what}: there is report", "See: fwaudit fleet --help")
    if format not in FORMATS:
        raise UsageError(f"no such format: {format}", f"There are: {', '.join(FORMATS)}.")
    now = datetime.datetime.now(datetime.timezone.utc)
    task = Task(read_policy(policy), now.date(), timeout, format if format in JOINED else "")
    _without_privileges(output, db, parquet)
    with _pool(executor, jobs, memory) as pool, \
            _looked_at(snapshots, pool, task, (db, since, parquet), now.strftime("%Y-%m-%dT%H:%M:%SZ")) as found:
        write(render(found, format, screen(no_color), top), output, READABLE if format == "prometheus" else SECRET)
        return _code(found, exit_code or format == "nagios")


fleet.__doc__ = _HELP


def _without_privileges(output: str, db: Path | None, parquet: Path | None) -> None:
    """What is read was written on other hosts, and nothing of it needs root, here or in the workers, which part from
    this process: it may read what root may read, and write to the folders of the files that were named."""
    import os
    from contextlib import suppress

    from fwaudit.cli import is_alone

    if os.geteuid() != 0 or not is_alone():
        return
    from fwaudit.host.privileges import DAC_OVERRIDE, DAC_READ_SEARCH, code, give_up, needed

    writes = [*([output] if output != "-" else []), *([str(db)] if db else []),
              *([str(parquet / "x" if parquet.is_dir() else parquet)] if parquet else [])]
    with suppress(OSError):
        keep = needed(writes, code()) | {DAC_READ_SEARCH}
        if db is not None and db.exists() and db.stat().st_uid != os.geteuid():  # it is written where it is
            keep.add(DAC_OVERRIDE)
        give_up(None, keep)


@contextmanager
def _pool(executor: str, jobs: int, memory: int) -> Iterator[Pool]:
    import os

    from fwaudit.cli.fleet_work import prepare
    from fwaudit.errors import UsageError
    from fwaudit.host.fleet.pool import local

    if executor.startswith("dask://"):
        from fwaudit.host.fleet.dask import cluster

        with cluster(executor) as pool:
            yield pool
    elif executor == "processes":
        yield local(jobs or len(os.sched_getaffinity(0)), memory << 20, prepare)
    else:
        raise UsageError(f"no such executor: {executor}", "There are: processes, dask://HOST:PORT.")


@contextmanager
def _looked_at(names: list[str], pool: Pool, task: Task, files: tuple[Path | None, Path | None, Path | None],
               taken_at: str) -> Iterator[Fleet]:
    """Every snapshot looked at, and the results where they were asked for."""
    import time

    from fwaudit.cli import say
    from fwaudit.cli.fleet_work import lost
    from fwaudit.cli.source import progress
    from fwaudit.errors import UsageError
    from fwaudit.host.fleet import parquet, store
    from fwaudit.host.fleet.changes import check
    from fwaudit.host.fleet.find import find
    from fwaudit.host.fleet.pool import answers

    db, since, folder = files
    if since is not None:
        check(str(since))  # before an hour's work, not after it
    others: list[str] = []
    passed = _Counter(others)
    start, done = time.monotonic(), 0
    with store.opened(db, taken_at) as kept:
        with parquet.written(folder) as columns, progress() as tell:
            for row in answers(find(names, passed, pool.elsewhere), pool, task, lost, task.seconds):
                kept.add(row)
                if columns is not None:
                    columns.add(row)
                done += 1
                tell(f"{done:,} snapshots, {done / max(time.monotonic() - start, 0.001) * 60:,.0f} a minute")
            if not done:
                raise UsageError(f"no snapshot in {' '.join(names)[:200]}", "Take one: fwaudit snapshot -o host.tar.gz")
        kept.finish()
        if passed.count:
            say(f"fwaudit: {passed.count:,} other files are no snapshots by their names, such as {others[0]}")
        result = kept.fleet(str(since) if since else None, time.monotonic() - start)
        _complain(result)
        yield result


class _Counter:
    """How many files were passed over, and the first of them."""

    def __init__(self, first: list[str]) -> None:
        self.count, self._first = 0, first

    def __call__(self, name: str) -> None:
        self.count += 1
        if not self._first:
            self._first.append(name)


_SAID = 10


def _complain(found: Fleet) -> None:
    """What could not be read, on stderr: some formats have no room for it."""
    from fwaudit.cli import say

    if not found.failed:
        return
    failed: Iterator[HostRow] = (each for each in found.hosts() if each.error)
    for place, each in enumerate(failed):
        if place == _SAID:
            say(f"fwaudit: and {found.failed - _SAID:,} more snapshots could not be read")
            break
        say(f"fwaudit: {each.source}: {each.error}" if each.source not in each.error else f"fwaudit: {each.error}")


def _code(found: Fleet, judges: bool) -> int:
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING

    if judges:
        return {"ok": OK, "warning": WARNING, "critical": CRITICAL, "unknown": UNKNOWN}[found.level]
    return UNKNOWN if found.failed or found.incomplete else OK
