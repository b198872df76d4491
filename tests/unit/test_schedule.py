"""``fwaudit schedule`` in a tree of its own: what it writes, leaves alone, takes away and refuses."""

from __future__ import annotations

import datetime
import os
import re
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from requirements import requires

from fwaudit import cli
from fwaudit.cli.schedule import _screen
from fwaudit.errors import FixError
from fwaudit.host import own
from fwaudit.host.history import Run
from fwaudit.host.schedule import install as module
from fwaudit.host.schedule.state import State, next_time
from fwaudit.render.style import Style

UNITS = ["fwaudit-check.service", "fwaudit-check.timer", "fwaudit-recheck.path", "fwaudit-recheck.timer"]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree that has systemd; files in it can be written without root."""
    requires("systemctl")
    systemd = tmp_path / "image/lib/systemd/systemd"
    systemd.parent.mkdir(parents=True)
    systemd.write_text("")
    systemd.chmod(0o755)
    monkeypatch.setattr("fwaudit.host.collect.is_root", lambda: True)
    return tmp_path / "image"


def schedule(tree: Path, *words: str) -> int:
    return cli.run(["schedule", *words, "--root", str(tree)])


def files(tree: Path) -> dict[str, str]:
    """Everything below etc: relative name → text, for a link where it points."""
    return {str(path.relative_to(tree / "etc")): (str(path.readlink()) if path.is_symlink() else path.read_text())
            for path in (tree / "etc").rglob("*") if path.is_symlink() or path.is_file()}


def test_install_writes_and_enables_and_remove_takes_exactly_that_away(tree, capsys):
    other = tree / "etc/systemd/system/other.service"
    other.parent.mkdir(parents=True)
    other.write_text("[Service]\n")
    before = files(tree)
    assert schedule(tree, "install") == 0
    found = files(tree)
    assert sorted(Path(name).name for name in found if name.startswith("systemd/system/fwaudit")) == UNITS
    links = {name for name in found if ".wants/" in name}
    assert links == {f"systemd/system/{each}" for each in (
        "timers.target.wants/fwaudit-check.timer", "paths.target.wants/fwaudit-recheck.path",
        "docker.service.wants/fwaudit-recheck.timer", "ufw.service.wants/fwaudit-recheck.timer")}
    assert all(stat.S_IMODE((tree / "etc/systemd/system" / name).stat().st_mode) == 0o644 for name in UNITS)
    capsys.readouterr()
    assert schedule(tree, "install") == 0
    assert capsys.readouterr().out.count("unchanged: ") == 4
    assert files(tree) == found
    assert schedule(tree, "remove") == 0
    assert capsys.readouterr().out.count("removed: ") == 4
    assert files(tree) == before
    assert schedule(tree, "remove") == 0
    assert capsys.readouterr().out == "Nothing was scheduled, and nothing is removed.\n"


def test_a_watch_is_installed_and_taken_away_alike(tree, capsys):
    assert schedule(tree, "install") == 0
    before = files(tree)
    assert schedule(tree, "install", "--watch", "--notify-mail", "ops@example.org") == 0
    assert "In between it is watched" in capsys.readouterr().out
    found = files(tree)
    assert "fwaudit watch --notify-mail ops@example.org\n" in found["systemd/system/fwaudit-watch.service"]
    assert "systemd/system/multi-user.target.wants/fwaudit-watch.service" in found
    assert schedule(tree, "install") == 0
    assert "removed: " in capsys.readouterr().out, "without it, it is not wanted any more"
    assert files(tree) == before
    schedule(tree, "install", "--watch")
    assert schedule(tree, "remove") == 0
    assert files(tree) == {}


def test_cron_keeps_no_watch_going(tree, capsys):
    assert schedule(tree, "install", "--cron", "--watch") == cli.UNKNOWN
    assert capsys.readouterr().err.startswith("fwaudit: only systemd keeps a watch going")
    assert files(tree) == {}


def test_other_options_replace_what_was_written(tree):
    schedule(tree, "install")
    assert schedule(tree, "install", "--every", "hourly", "--notify-mail", "ops@example.org") == 0
    text = files(tree)["systemd/system/fwaudit-check.service"]
    assert "--notify-mail ops@example.org" in text and "schedule tell" in text
    assert "OnCalendar=hourly" in files(tree)["systemd/system/fwaudit-check.timer"]


@pytest.mark.parametrize("edit", ["# a line of mine\n", None])
def test_what_is_not_as_it_was_written_is_left_alone(tree, capsys, edit):
    schedule(tree, "install")
    service = tree / "etc/systemd/system/fwaudit-check.service"
    service.write_text(service.read_text() + edit if edit else "[Service]\nExecStart=/bin/true\n")
    mine = files(tree)
    capsys.readouterr()
    assert schedule(tree, "install", "--every", "weekly") == cli.UNKNOWN
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"fwaudit: {service} ") and "--force" in said[1]
    assert files(tree) == mine
    assert schedule(tree, "remove") == cli.WARNING
    left = files(tree)
    assert list(left) == ["systemd/system/fwaudit-check.service"], "the rest is gone, and nothing is enabled"
    if edit:
        assert schedule(tree, "remove", "--force") == 0
        assert files(tree) == {}
    else:  # somebody else's is never removed
        assert schedule(tree, "remove", "--force") == cli.WARNING
        assert schedule(tree, "install", "--force") == 0
        assert "Written by fwaudit" in service.read_text()


def test_a_masked_unit_is_not_written_through_its_link(tree):
    target = tree / "precious"
    target.write_text("mine")
    link = tree / "etc/systemd/system/fwaudit-check.service"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    assert schedule(tree, "install") == cli.UNKNOWN
    assert schedule(tree, "install", "--force") == 0
    assert target.read_text() == "mine"


def test_dry_run_prints_the_files_and_writes_none(tree, capsys):
    before = set(tree.rglob("*"))
    assert schedule(tree, "install", "--dry-run") == 0
    out = capsys.readouterr().out
    assert re.findall(r"^# /\S*/(fwaudit\S*)$", out, re.MULTILINE) == [UNITS[0], UNITS[1], UNITS[3], UNITS[2]]
    assert set(tree.rglob("*")) == before
    schedule(tree, "install")
    before = files(tree)
    capsys.readouterr()
    assert schedule(tree, "remove", "--dry-run") == 0
    assert capsys.readouterr().out.count("would be removed: ") == 4
    assert files(tree) == before


def test_from_systemd_to_cron_and_back_nothing_runs_twice(tree):
    schedule(tree, "install")
    assert schedule(tree, "install", "--cron") == 0
    assert list(files(tree)) == ["cron.d/fwaudit"]
    assert schedule(tree, "install") == 0
    assert "cron.d/fwaudit" not in files(tree)
    assert schedule(tree, "remove") == 0
    assert files(tree) == {}


def test_somebody_elses_file_for_cron_is_never_taken_away(tree):
    other = tree / "etc/cron.d/fwaudit"
    other.parent.mkdir(parents=True)
    other.write_text("* * * * * root mine\n")
    assert schedule(tree, "install") == cli.UNKNOWN, "it would run twice"
    assert schedule(tree, "install", "--force") == 0
    assert schedule(tree, "remove", "--force") == cli.WARNING
    assert files(tree) == {"cron.d/fwaudit": "* * * * * root mine\n"}


def test_a_tree_without_systemd_gets_cron(tmp_path, monkeypatch):
    monkeypatch.setattr("fwaudit.host.collect.is_root", lambda: True)
    assert schedule(tmp_path, "install") == 0
    assert list(files(tmp_path)) == ["cron.d/fwaudit"]
    assert stat.S_IMODE((tmp_path / "etc/cron.d/fwaudit").stat().st_mode) == 0o644  # cron reads no other
    assert schedule(tmp_path, "remove") == 0
    assert files(tmp_path) == {}


def test_an_install_that_fails_leaves_everything_as_it_was(tree, monkeypatch):
    schedule(tree, "install")
    before = files(tree)

    def refuse(root: Path, verb: str, *units: str) -> None:
        if verb == "enable":
            raise FixError("systemctl: no")

    monkeypatch.setattr(module, "_systemctl", refuse)
    assert schedule(tree, "install", "--every", "weekly") == cli.UNKNOWN
    assert files(tree) == before


@pytest.mark.parametrize("words", [
    ["--every", "every tuesday or so"], ["--every", ""], ["-o", "json"], ["-o", "xml=/x"], ["-o", "json=relative"],
    ["--notify-mail", "-t"], ["--notify-command", "'"], ["--notify-command", "'x\ny'"],
])
def test_mistakes_are_found_at_once_and_not_in_the_night(tree, words, capsys):
    requires("systemd-analyze")
    assert schedule(tree, "install", *words) == cli.UNKNOWN
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2 and err[1].startswith("  "), err
    assert not (tree / "etc").exists()


def test_on_this_host_a_policy_with_a_mistake_or_no_folder_is_refused(tmp_path, capsys):
    (tmp_path / "p.toml").write_text("port = ")
    for words in (["--policy", str(tmp_path / "p.toml")], ["--policy", str(tmp_path / "none")],
                  ["-o", f"json={tmp_path}/none/x"], ["--notify-command", "/does/not/exist"]):
        assert cli.run(["schedule", "install", "--dry-run", *words]) == cli.UNKNOWN
        assert len(capsys.readouterr().err.splitlines()) <= 2


def test_only_root_changes_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fwaudit.host.collect.is_root", lambda: False)
    for what in ("install", "remove"):
        assert schedule(tmp_path, what) == cli.UNKNOWN
        assert "only root" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_schedule_says_what_there_is():
    assert cli.run(["schedule", "instal"]) == cli.UNKNOWN
    assert cli.run(["schedule", "tell"]) == cli.UNKNOWN


def test_code_that_others_can_change_is_named(tmp_path, monkeypatch):
    from fwaudit.cli.schedule import _others_can_write

    requires("sh", root=True)
    program = tmp_path / "opt/fwaudit"
    program.parent.mkdir()
    program.write_text("")
    monkeypatch.setattr("fwaudit.__file__", "/usr/bin/true")
    assert _others_can_write((str(program),)) is None
    for path, mode in ((program, 0o666), (program.parent, 0o775)):
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        assert _others_can_write((str(program),)) == path
        path.chmod(before)
    os.chown(program.parent, 65534, 65534)
    assert _others_can_write((str(program),)) == program.parent


# ---- status ----------------------------------------------------------------------------------------------------------


def test_the_screen_of_the_status():
    found = State("systemd", True, "*-*-* 00:00:00", "Fri 2026-11-27 00:32:59 UTC", command="/usr/bin/fwaudit check",
                  again=True)
    last = Run(12, "2026-11-26T11:56:22Z", "db01", "critical", 2, False)
    assert _screen(found, last, "", Style(80)).splitlines() == [
        "Scheduled by systemd, and switched on.",
        "When:      every day; and half a minute after Docker or ufw start, or ufw's",
        "           rules change",
        "Last run:  2026-11-26T11:56:22Z (run 12): critical, 2 open that nobody answers",
        "           for; not everything could be read",
        "Next run:  Fri 2026-11-27 00:32:59 UTC",
        "Runs:      /usr/bin/fwaudit check",
    ]
    assert _screen(replace(found, watch="active"), last, "", Style(80)).splitlines()[-1] == (
        "Watch:     it runs: journalctl -fu fwaudit-watch")
    off = State("cron", False, problems=(("no cron runs here", "service cron start"),))
    assert _screen(off, None, "", Style(80)).splitlines() == [
        "Scheduled by cron, but switched off.", "No cron runs here.", "    service cron start",
        "Last run:  none is written down"]
    assert "could not check: policy.toml line 3. The last that could" in " ".join(
        _screen(found, last, "policy.toml line 3", Style(200)).split())


NOW = datetime.datetime(2026, 11, 26, 12, 30, tzinfo=datetime.timezone.utc)  # a Thursday


@pytest.mark.parametrize(("fields", "when"), [
    ("17 3 * * *", "Fri 2026-11-27 03:17:00"), ("31 12 * * *", "Thu 2026-11-26 12:31:00"),
    ("30 12 * * *", "Fri 2026-11-27 12:30:00"), ("*/15 * * * *", "Thu 2026-11-26 12:45:00"),
    ("0 0 1 * *", "Tue 2026-12-01 00:00:00"), ("0 6 * * 1-5", "Fri 2026-11-27 06:00:00"),
    ("0 6 * * sat,sun", "Sat 2026-11-28 06:00:00"), ("0 6 * * 7", "Sun 2026-11-29 06:00:00"),
    ("0 0 29 feb *", "Tue 2028-02-29 00:00:00"), ("5 0 13 * fri", "Fri 2026-11-27 00:05:00"),
    ("0 10-20/5 * * *", "Thu 2026-11-26 15:00:00"), ("0 0 31 2 *", ""), ("99 * * * *", ""), ("x * * * *", ""),
    ("*/0 * * * *", ""), ("* * * *", ""), ("5-1 * * * *", ""),
])
def test_when_cron_runs_next(fields, when):
    assert next_time(fields, NOW).removesuffix(" UTC") == when




@pytest.mark.parametrize(("started", "command"), [
    ("DIR/bin/fwaudit", ["DIR/bin/fwaudit"]),  # what pip or a package made
    ("REPO/.venv/fwaudit/start.py", ["REPO/scripts/fwaudit"]),  # a clone, which knows where its dependencies are
    ("REPO/fwaudit/__main__.py", ["/usr/bin/env", "PYTHONPATH=REPO", "PYTHON", "-m", "fwaudit"]),
    ("DIR/none/fwaudit", ["/usr/bin/env", "PYTHONPATH=REPO", "PYTHON", "-m", "fwaudit"]),
])
def test_it_is_started_again_as_it_was_started(tmp_path, monkeypatch, started, command):
    def named(text: str) -> str:
        if text == "PYTHON":
            return sys.executable
        return text.replace("DIR", str(tmp_path)).replace("REPO", str(own._PACKAGE))

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/fwaudit").write_text("#!/bin/sh\n")
    (tmp_path / "bin/fwaudit").chmod(0o755)
    monkeypatch.setattr(sys, "argv", [named(started)])
    assert own.command("check", "-q") == (*map(named, command), "check", "-q")
