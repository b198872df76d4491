"""The history of checks: what it keeps, what it forgets, and what a check does where it is damaged."""

from __future__ import annotations

import datetime
import sqlite3
from dataclasses import replace
from pathlib import Path

import captures
import pytest

from fwaudit import cli
from fwaudit.errors import HistoryError
from fwaudit.host import history
from fwaudit.host.history import History
from fwaudit.model.snapshot import Snapshot


def taken(name: str, when: str) -> Snapshot:
    case = captures.case(name)
    return Snapshot(case.files, {}, "machine", when, "0")


NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def at(days: int) -> str:
    return (NOW - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_runs_come_back_and_can_be_compared(tmp_path):
    kept = History(tmp_path / "h.db")
    kept.record(taken("d20/publish_v4_only", at(2)), "critical", True, {"a": "5432/tcp pg IPv4"})
    kept.record(taken("d20/du_drop_ctrport", at(1)), "ok", True, {})
    assert [(run.id, run.level, run.breaches) for run in kept.runs()] == [(2, "ok", 0), (1, "critical", 1)]
    recorded = captures.case("d20/publish_v4_only").files
    assert {name: data for name, data in kept.snapshot(1).files.items() if name in recorded} == {
        name: data for name, data in recorded.items() if name in kept.snapshot(1).files}
    assert "iptables/nft.v4" in kept.snapshot(1).files
    assert kept.snapshot(0).taken_at == at(1)
    assert kept.snapshot(-1).taken_at == at(2)
    assert (tmp_path / "h.db").stat().st_mode & 0o777 == 0o600
    with pytest.raises(HistoryError, match="no run 7"):
        kept.snapshot(7)


def test_since_when_a_port_is_open(tmp_path):
    kept = History(tmp_path / "h.db")
    host = "d20/publish_v4_only"
    kept.record(taken(host, at(9)), "critical", True, {"a": "A", "b": "B"})
    kept.record(taken(host, at(8)), "critical", True, {"a": "A"})
    kept.record(taken(host, at(7)), "unknown", False, {})  # it could not look: nothing is known to have closed
    kept.record(taken(host, at(6)), "critical", True, {"a": "A", "b": "B"})
    assert kept.open_since() == {"a": at(9), "b": at(6)}


def test_a_clock_that_is_years_ahead_forgets_nothing(tmp_path):
    kept = History(tmp_path / "h.db")
    host = "d20/publish_v4_only"
    for days in (300, 200, 1, -20_000, 1, 0):
        kept.record(taken(host, at(days)), "ok", True, {})
    for _ in range(history.TRUSTED_RUNS):
        kept.record(taken(host, at(0)), "ok", True, {})
    assert {at(300), at(-20_000)} <= {run.taken_at for run in kept.runs()}


def test_old_runs_are_forgotten_but_never_the_latest(tmp_path, monkeypatch):
    kept = History(tmp_path / "h.db")
    host = "d20/publish_v4_only"
    kept.record(taken(host, at(900)), "ok", True, {})
    assert len(kept.runs()) == 1
    for _ in range(history.TRUSTED_RUNS - 1):
        kept.record(taken(host, at(1)), "ok", True, {})
    assert len(kept.runs()) == history.TRUSTED_RUNS, "not all of them say yet that it is so late"
    kept.record(taken(host, at(1)), "ok", True, {})
    assert {run.taken_at for run in kept.runs()} == {at(1)}
    monkeypatch.setattr(history, "KEEP_RUNS", 3)
    for day in range(5):
        kept.record(replace(taken(host, at(0)), host=str(day)), "ok", True, {})
    assert [run.host for run in kept.runs()] == ["4", "3", "2"]
    monkeypatch.setattr(history, "KEEP_BYTES", 1)
    kept.record(replace(taken(host, at(0)), host="last"), "ok", True, {})
    assert [run.host for run in kept.runs()] == ["last"]


def test_a_clock_that_goes_back_loses_nothing(tmp_path):
    kept = History(tmp_path / "h.db")
    for day in (1, 3, 2):
        kept.record(taken("d20/publish_v4_only", at(day)), "ok", True, {})
    assert [run.taken_at for run in kept.runs()] == [at(2), at(3), at(1)]


def check(*more: str) -> int:
    return cli.run(["check", "--snapshot", "host.tar", *more])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    captures.case("d20/publish_v4_only").write(tmp_path / "host.tar")
    return tmp_path


def test_a_check_goes_on_where_the_history_is_damaged_locked_or_newer(here, capsys):
    (here / "bad.db").write_bytes(b"not a database" * 1000)
    assert check("--history", "bad.db") == cli.CRITICAL
    assert "this run is not written down" in capsys.readouterr().err
    with sqlite3.connect(here / "newer.db") as database:
        database.execute("PRAGMA user_version = 99")
    assert check("--history", "newer.db") == cli.CRITICAL
    assert "written by a newer fwaudit" in capsys.readouterr().err
    (here / "file").write_text("")
    assert check("--history", "file/h.db") == cli.CRITICAL
    assert "cannot open file/h.db" in capsys.readouterr().err


def test_what_changed_since_the_last_run_is_said(here, capsys):
    assert check("--history", "h.db") == cli.CRITICAL
    captures.case("d20/du_drop_ctrport").write(here / "host.tar")
    check("--history", "h.db")
    assert "closed" in capsys.readouterr().err
    assert cli.run(["diff", "run:-1", "run:0", "--history", "h.db"]) == cli.WARNING
    assert cli.run(["history", "--history", "h.db"]) == cli.OK
    out = capsys.readouterr().out
    assert "  2  " in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_recorded_host_is_not_written_down_unless_asked(here):
    check()
    assert sorted(path.name for path in here.iterdir()) == ["host.tar"]
