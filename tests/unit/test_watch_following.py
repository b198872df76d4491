"""What ``watch`` does with what its children give: printed once, told until it is told, and never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import captures
import pytest
from requirements import requires

from fwaudit.cli.watch_audit import Asked
from fwaudit.cli.watching import Following
from fwaudit.host.history import History
from fwaudit.host.notify import Hooks
from fwaudit.host.watch import loop
from fwaudit.host.watch.child import Child
from fwaudit.host.watch.events import Event
from fwaudit.host.watch.polls import Sockets
from fwaudit.model.snapshot import Snapshot, Source

OPEN, DROP = "d20/publish_v4_only", "d20/du_drop_ctrport"


class Watched:
    """A follower whose audits, and tellings, are of recorded hosts. They are made in children, as in the loop."""

    def __init__(self, folder, monkeypatch, *, history: bool = True, policy: str = "", as_json: bool = True) -> None:
        self.told_file = folder / "told"
        self.hook = folder / "hook"
        self.policy = folder / "policy.toml"
        self.policy.write_text(policy or "schema_version = 1\n")
        self.works(True)
        self.history = folder / "history.db" if history else None
        self.monkeypatch = monkeypatch
        hooks = Hooks(commands=((str(self.hook),),))
        self.follower = Following(Asked(self.policy, self.history, hooks, 30.0, as_json, None), Sockets())

    def works(self, well: bool) -> None:
        """Whether the hook does."""
        end = f"tail -n 1 >> {self.told_file}" if well else "cat > /dev/null; exit 1"
        self.hook.write_text(f"#!/bin/sh\n{end}\n")
        self.hook.chmod(0o755)

    def audit(self, name: str, without: str = "") -> bool:
        files = {file: data for file, data in captures.case(name).files.items()
                 if not without or not file.startswith(f"{without}/")}
        sources = {without: Source(missing="no answer within 10 s")} if without else {}
        taken = Snapshot(files, sources, "host", "2026-01-01T00:00:00Z", "")
        self.monkeypatch.setattr("fwaudit.host.collect.collect", lambda **_: taken)
        return self.follower.audited(*self._child(self.follower.audit))

    def tell(self) -> bool:
        return self.follower.told(*self._child(self.follower.tell))

    def levels(self) -> list[str]:
        lines = self.told_file.read_text().splitlines() if self.told_file.exists() else []
        return [json.loads(line)["level"] for line in lines]

    def _child(self, work) -> tuple[bytes | None, str]:
        child = Child(work, 0.0)
        while not child.over():
            pass
        return child.end()


@pytest.fixture(params=[True, False], ids=["history", "no history"])
def watched(request, tmp_path, monkeypatch) -> Iterator[Watched]:
    requires("tail")
    yield Watched(tmp_path, monkeypatch, history=request.param)


def events(capsys) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


def test_each_thing_is_said_once_and_told_once(watched, capsys):
    assert not watched.audit(DROP)
    assert events(capsys) == ["state"]
    assert watched.audit(OPEN)
    said = events(capsys)
    assert "change" in said and said[-1] == "state"
    assert not watched.audit(OPEN) and events(capsys) == []
    assert not watched.tell()
    assert len(watched.levels()) == 1
    if watched.history:
        assert len(History(watched.history).runs()) == 2


def test_what_could_not_be_told_is_told_later_and_in_order(watched, capsys, monkeypatch):
    watched.audit(DROP)
    watched.works(False)
    assert watched.audit(OPEN)
    assert not watched.tell()
    watched.audit(DROP)
    assert [json.loads(line)["about"] for line in capsys.readouterr().out.splitlines() if '"trouble"' in line] == [
        "notify"]
    watched.works(True)
    assert not watched.follower.alive()
    now = loop.clock()
    monkeypatch.setattr(loop, "clock", lambda: now + 1000)
    assert watched.follower.alive()
    while watched.tell():
        pass
    assert len(watched.levels()) == 2 and not watched.follower.alive()


def test_what_comes_while_somebody_is_told_is_told_next(watched):
    watched.audit(DROP)
    watched.audit(OPEN)
    telling = watched._child(watched.follower.tell)
    watched.audit(DROP)
    assert watched.follower.told(*telling)
    assert not watched.tell()
    assert len(watched.levels()) == 2


def test_another_process_goes_on_where_this_one_ended(tmp_path, monkeypatch, capsys):
    first = Watched(tmp_path, monkeypatch)
    first.audit(DROP)
    first.works(False)
    first.audit(OPEN)
    first.tell()
    capsys.readouterr()
    second = Watched(tmp_path, monkeypatch)
    assert second.follower.alive()
    second.audit(OPEN)
    assert events(capsys) == ["state"]
    second.tell()
    assert len(second.levels()) == 1
    third = Watched(tmp_path, monkeypatch)
    third.audit(DROP)
    assert events(capsys)[:2] == ["since", "change"]


def test_a_history_that_cannot_be_written_is_said_once_and_the_watch_goes_on(tmp_path, monkeypatch, capsys):
    watched = Watched(tmp_path, monkeypatch)
    watched.history.write_text("no database at all" * 100)
    for name in (DROP, OPEN, DROP):
        watched.audit(name)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(each["event"] == "trouble" for each in said) in (1, 2)
    assert sum(each["event"] == "change" for each in said) > 1
    watched.tell()
    assert len(watched.levels()) == 2


def test_an_audit_that_dies_is_said_once_and_what_is_known_stays_known(watched, capsys):
    watched.audit(OPEN)
    capsys.readouterr()
    for _ in range(3):
        watched.follower.audited(None, "ended by signal 9")
    assert events(capsys) == ["trouble"] and watched.follower.blind
    watched.audit(OPEN)
    assert events(capsys) == [] and not watched.follower.blind


def test_an_audit_that_dies_is_told_once(watched):
    watched.audit(OPEN)
    assert watched.follower.audited(None, "exit 1")
    assert not watched.follower.audited(None, "exit 1")
    while watched.tell():
        pass
    assert watched.levels() == ["unknown"]


@pytest.mark.parametrize("given", [b"", b"[]", b"{}", b"\xff", b'{"text": 1}'])
def test_what_a_child_gives_that_does_not_read_is_a_failure(given, watched, capsys):
    watched.follower.audited(given, "")
    assert events(capsys) == ["trouble"] and watched.follower.blind


def test_old_notices_are_given_up_and_no_other(tmp_path, monkeypatch, capsys):
    watched = Watched(tmp_path, monkeypatch, history=False)
    notice = {"host": "h", "at": "t", "level": "ok", "was": "", "headline": "x", "text": "x"}
    for number in range(99):
        watched.follower._keep({**notice, "level": str(number)})
    telling = watched._child(watched.follower.tell)
    for number in range(99, 105):
        watched.follower._keep({**notice, "level": str(number)})
    assert watched.follower.told(*telling)
    while watched.tell():
        pass
    assert watched.levels() == [str(number) for number in range(105)]
    assert "given up" in capsys.readouterr().out


def test_a_policy_with_a_mistake_stays_what_it_was(tmp_path, monkeypatch, capsys):
    watched = Watched(tmp_path, monkeypatch, policy='schema_version = 1\n[check]\nstrict = true\n', as_json=False)
    watched.policy.write_text("schema_version = [")
    for _ in range(2):
        watched.follower.heard(Event("change", "policy", "SIGHUP"))
    assert capsys.readouterr().out.count("policy stays what it was") == 1
    watched.policy.unlink()
    watched.follower.heard(Event("change", "policy", "policy.toml"))
    assert "cannot read" in capsys.readouterr().out


def test_a_source_that_is_lost_is_said_here_and_not_again_by_the_audit(watched, capsys):
    watched.audit(OPEN)
    watched.follower.heard(Event("lost", "docker", "\x1b[2J gone"))
    watched.audit(OPEN, without="docker")
    watched.follower.heard(Event("back", "docker"))
    watched.audit(OPEN)
    watched.follower.heard(Event("change", "docker", "container pg start"))
    assert [each for each in events(capsys) if each != "state"] == ["lost", "back"]


def test_a_source_that_only_an_audit_cannot_read_is_said_by_the_audit(watched, capsys):
    for without in ("", "docker", "docker", "", ""):
        watched.audit(OPEN, without=without)
    assert [each for each in events(capsys) if each != "state"] == ["lost", "back"]


def test_an_engine_that_is_away_at_the_start_is_said_once(watched, capsys):
    watched.follower.heard(Event("lost", "docker", "not running"))
    for _ in range(2):
        watched.audit(DROP, without="docker")
    watched.follower.heard(Event("back", "docker"))
    watched.audit(DROP)
    assert [each for each in events(capsys) if each not in ("state", "change", "finding")] == ["lost", "back"]
