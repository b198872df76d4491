"""``check`` tells of changes and of nothing else, loses no notice, and says where somebody was not told."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import captures
import pytest

import fwaudit
from fwaudit import cli
from fwaudit.host import notify
from fwaudit.host.history import _MIGRATIONS, History
from fwaudit.host.snapshot_file import pack
from fwaudit.model.snapshot import Snapshot

DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
OPEN, CLOSED = "d20/publish_v4_only", "d20/unpublished"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, case in (("open", OPEN), ("closed", CLOSED)):
        Path(name).write_bytes(pack(Snapshot(captures.case(case).files, {}, "machine", "2026-11-26T00:00:00Z", "0")))
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >>{tmp_path}/told; exit $(cat {tmp_path}/fails 2>/dev/null || echo 0)\n")
    hook.chmod(0o755)
    return tmp_path


def check(host: str, *more: str) -> int:
    return cli.run(["check", "-q", "--snapshot", host, "--history", "h.db", *more])


def told(place: Path) -> list[dict]:
    """What the hook was told since the last question."""
    path = place / "told"
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_change_is_told_and_nothing_else(place):
    hook = ("--notify-command", str(place / "hook"))
    assert check("open", *hook) == 2
    first, = told(place)
    assert (first["level"], first["was"]) == ("critical", "")
    assert "first check" in first["text"]
    assert check("open", *hook) == 2
    assert told(place) == []
    assert check("closed", *hook) == 0
    closed, = told(place)
    assert (closed["level"], closed["was"]) == ("ok", "critical")
    assert closed["headline"].startswith("OK, was CRITICAL: ")
    assert {each["kind"] for each in closed["data"]["changes"]} == {"closed"}
    assert "5432" in closed["text"]
    assert closed["data"]["breaches"] == []
    assert check("closed", *hook) == 0
    assert told(place) == []
    assert check("open", *hook) == 2
    opened, = told(place)
    assert opened["data"]["since"] == "2026-11-26T00:00:00Z"
    assert opened["data"]["findings_new"]


def test_what_others_have_checked_meanwhile_is_told_all_the_same(place):
    hook = ("--notify-command", str(place / "hook"))
    check("closed", *hook)
    told(place)
    assert check("open") == 2  # somebody looks by hand: it is written down, and nobody is told
    assert check("open", *hook) == 2
    assert len(told(place)) == 1


def test_a_host_that_was_checked_before_there_were_hooks_is_no_news(place):
    check("open")
    check("open", "--notify-command", str(place / "hook"))
    assert told(place) == []
    check("closed", "--notify-command", str(place / "hook"))
    assert len(told(place)) == 1


def test_quietly_nothing_is_said_where_all_is_well_also_not_what_has_changed(place, capsys):
    check("open")
    assert "CRITICAL" in capsys.readouterr().out
    assert check("closed") == 0
    assert capsys.readouterr() == ("", "")
    check("open")
    assert "4 ports opened" in capsys.readouterr().err


def test_another_host_in_the_same_history_is_none_of_its_business(place):
    hook = ("--notify-command", str(place / "hook"))
    check("open", *hook)
    check(str(DEMO), *hook)
    told(place)
    check("open", *hook)
    check(str(DEMO), *hook)
    assert told(place) == []


def test_a_policy_that_changes_is_a_change(place):
    hook = ("--notify-command", str(place / "hook"))
    check("open", *hook)
    told(place)
    Path("policy.toml").write_text('[[accept]]\nport = 5432\nreason = "meant"\n[[accept]]\nport = 8080\nreason = "x"\n')
    check("open", *hook, "--policy", "policy.toml")
    changed, = told(place)
    assert "Every port is reached by the same sources." in changed["text"]


def test_a_hook_that_fails_is_said_makes_it_3_and_is_told_again(place, capsys):
    hook = ("--notify-command", str(place / "hook"))
    check("open", *hook)
    told(place)
    (place / "fails").write_text("7")
    assert check("closed", *hook) == cli.UNKNOWN
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "fwaudit: not told: hook: exit 7", "  It is told again with the next check."]
    assert check("open", *hook) == cli.CRITICAL  # 3 wins over 0 and 1, never over 2
    told(place)
    (place / "fails").unlink()
    check("open", *hook)
    assert [each["level"] for each in told(place)] == ["ok", "critical"]
    check("open", *hook)
    assert told(place) == []


def test_one_hook_that_fails_does_not_make_another_hear_it_twice(place, tmp_path):
    good, bad = ("--notify-command", str(place / "hook")), ("--notify-command", "/bin/false")
    for _ in range(3):
        assert check("closed", *good, *bad) == cli.UNKNOWN
    assert len(told(place)) == 1


def test_without_a_history_it_tells_and_says_why(place):
    for _ in range(2):
        assert cli.run(["check", "-q", "--snapshot", "open", "--notify-command", str(place / "hook")]) == 2
        notice, = told(place)
        assert "No history is kept" in notice["text"]


def test_a_damaged_history_is_no_reason_to_say_nothing(place, capsys):
    Path("h.db").write_bytes(b"no database at all" * 100)
    assert check("open", "--notify-command", str(place / "hook")) == 2
    assert len(told(place)) == 1
    assert "not written down" in capsys.readouterr().err


def test_a_check_that_could_not_be_made_is_told_once_and_its_end_as_well(place):
    hook = ("--notify-command", str(place / "hook"))
    check("closed", *hook)
    told(place)
    Path("policy.toml").write_text("port = ")
    assert check("closed", *hook, "--policy", "policy.toml") == cli.UNKNOWN
    trouble, = told(place)
    assert trouble["level"] == "unknown"
    assert "policy.toml" in trouble["headline"]
    assert check("closed", *hook, "--policy", "policy.toml") == cli.UNKNOWN
    assert told(place) == []
    assert check("closed", *hook) == cli.OK
    again, = told(place)
    assert again["headline"].startswith("OK, was UNKNOWN")
    check("closed", *hook)
    assert told(place) == []


def test_who_could_not_be_told_of_a_check_that_failed_is_told_with_the_next(place):
    hook = ("--notify-command", str(place / "hook"), "--policy", "none.toml")
    (place / "fails").write_text("1")
    assert check("closed", *hook) == cli.UNKNOWN
    told(place)
    (place / "fails").unlink()
    for count in (1, 0):
        assert check("closed", *hook) == cli.UNKNOWN
        assert len(told(place)) == count


def test_an_output_that_cannot_be_written_is_told_once(place):
    hook = ("--notify-command", str(place / "hook"))
    check("closed", *hook)
    told(place)
    for count in (1, 0):
        assert check("closed", *hook, "-o", "json=/does/not/exist/x") == cli.UNKNOWN
        assert len(told(place)) == count


def test_later_leaves_it_for_schedule_tell(place):
    hook = ("--notify-command", str(place / "hook"))
    assert check("open", "--notify-later", *hook) == 2
    assert told(place) == []
    assert cli.run(["schedule", "tell", "--history", "h.db", *hook]) == 0
    assert len(told(place)) == 1
    assert cli.run(["schedule", "tell", "--history", "h.db", *hook]) == 0
    assert told(place) == []


def test_a_mail_is_sent_on_change(place, tmp_path, monkeypatch):
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat >>{tmp_path}/mail\n")
    sendmail.chmod(0o755)
    monkeypatch.setattr(notify, "_SENDMAIL", str(sendmail))
    for host in ("open", "open", "closed"):
        check(host, "--notify-mail", "root@localhost")
    assert (tmp_path / "mail").read_text().count("Subject: fwaudit on machine: ") == 2


def test_a_history_of_the_version_before_is_brought_up_to_date(place, capsys):
    with sqlite3.connect("h.db") as database:
        for statement in filter(str.strip, _MIGRATIONS[0].split(";")):
            database.execute(statement)
        database.execute("PRAGMA user_version = 1")
        database.execute("INSERT INTO run (taken_at, host, level, breaches, complete, snapshot) VALUES "
                         "('2026-11-25T00:00:00Z', 'machine', 'critical', 1, 1, ?)", (Path("open").read_bytes(),))
    hook = ("--notify-command", str(place / "hook"))
    assert cli.run(["check", "--snapshot", "closed", "--history", "h.db", *hook]) == 0
    assert "since 2026-11-25" in capsys.readouterr().err
    notice, = told(place)
    assert (notice["level"], notice["was"]) == ("ok", "critical")
    assert [run.level for run in History(Path("h.db")).runs()] == ["ok", "critical"]
