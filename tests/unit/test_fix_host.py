"""The edge of the fix, as far as it can be seen without a kernel: its folder, its timer, its files, its words."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fwaudit.errors import FixError
from fwaudit.host import persist, rules, timer
from fwaudit.host.apply import Fixer
from fwaudit.host.checkpoint import SCHEMA, Checkpoint, Store, Undo, boot_id, clock
from fwaudit.model.plan import Transaction


def checkpoint(**changes: object) -> Checkpoint:
    made = Checkpoint("abc", "prepared", 100.0, boot_id(), (Undo("nft", 4, "filter"),), {})
    return replace(made, **changes)  # type: ignore[arg-type]


def own_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


# ---- who may write what is loaded as root ---------------------------------------------------------------------------


def test_a_folder_of_our_own_is_taken(tmp_path):
    store = Store(own_folder(tmp_path))
    with store.locked():
        store.write(checkpoint())
    assert store.read() == checkpoint()


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_refused(tmp_path, mode):
    store = Store(own_folder(tmp_path))
    store.write(checkpoint())
    store.folder.chmod(mode)
    with pytest.raises(FixError, match="only root can write"), store.locked():
        pass
    with pytest.raises(FixError, match="only root can write"):
        store.read()


def test_a_link_to_a_folder_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(own_folder(tmp_path))
    with pytest.raises(FixError, match="only root can write"), Store(link).locked():
        pass
    assert not list((tmp_path / "state").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    folder = own_folder(tmp_path)
    os.chown(folder, 1234, 1234)
    with pytest.raises(FixError, match="only root can write"):
        Store(folder).read()


def test_a_file_that_is_a_link_is_not_followed(tmp_path):
    store = Store(own_folder(tmp_path))
    (tmp_path / "other.json").write_text("{}")
    store.path.symlink_to(tmp_path / "other.json")
    with pytest.raises(FixError, match="cannot read"):
        store.read()


@pytest.mark.parametrize("text", [
    "", "[]", "null", "{", "[" * 100_000, '{"schema": 99}', b"\xff".decode("latin-1"),
    json.dumps({"schema": SCHEMA, **asdict(checkpoint()), "loaded": [[["sh", "-c", "id"], ""]]}),
    json.dumps({"schema": SCHEMA, **asdict(checkpoint()), "loaded": [[[], ""]]}),
    json.dumps({"schema": SCHEMA, **asdict(checkpoint()), "undo": [{}]}),
    json.dumps({"schema": SCHEMA, **asdict(checkpoint()), "previous": [1]}),
])
def test_a_file_that_does_not_read_is_an_error_with_a_way_out(tmp_path, text):
    store = Store(own_folder(tmp_path))
    store.path.write_text(text, encoding="latin-1")
    with pytest.raises(FixError, match="does not read") as error:
        store.read()
    assert "fwaudit fix --revert" in error.value.hint


# ---- somebody else's rules ------------------------------------------------------------------------------------------


SAVED = """*filter
:INPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
:FWAUDIT - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "see -j FWAUDIT below" -j ACCEPT
-A INPUT -p tcp -m tcp --dport 23 -m comment --comment "a \\" -g FWAUDIT" -j ACCEPT
-A DOCKER-USER -m comment --comment "on purpose" -j FWAUDIT
-A DOCKER-USER -j FWAUDIT
-A FWAUDIT -j RETURN
COMMIT
"""


def test_a_comment_that_names_the_jump_is_no_jump(monkeypatch):
    fed = []

    def feed(argv, text=""):
        fed.append(text)
        return SAVED

    monkeypatch.setattr(rules, "feed", feed)
    rules.take_back(Undo("nft", 4, "filter"))
    assert [line for line in fed[-1].splitlines() if line.startswith("-D")] == [
        '-D DOCKER-USER -m comment --comment "on purpose" -j FWAUDIT', "-D DOCKER-USER -j FWAUDIT"]
    there = rules.undo_of(Transaction("", (), "", "", "nft", 4, "filter", "FWAUDIT"))
    assert [place for place, _ in there.jumps] == [1, 2]
    assert there.existed


# ---- the timer ------------------------------------------------------------------------------------------------------


def waited(tmp_path: Path, found: Checkpoint, monkeypatch: pytest.MonkeyPatch, seconds: float = 10.0) -> float:
    """When the timer takes the checkpoint back; it starts at 0."""
    store = Store(own_folder(tmp_path))
    store.write(found)
    time = [0.0]
    monkeypatch.setattr(timer.time, "sleep", lambda step: time.__setitem__(0, time[0] + step))
    assert timer.wait(store, "abc", seconds, lambda: time[0])
    return time[0]


def test_the_timer_gives_what_was_applied_its_whole_time(tmp_path, monkeypatch):
    assert waited(tmp_path, checkpoint(state="applied", deadline=25.0), monkeypatch) == 25.0


def test_the_timer_does_not_take_back_what_was_applied_while_it_waited_for_the_lock(tmp_path):
    store = Store(own_folder(tmp_path))
    store.write(checkpoint(state="applied", deadline=clock() + 60))
    assert not Fixer(store, lambda: pytest.fail("it looks")).revert("abc")
    assert store.read() is not None


def test_the_timer_of_what_was_never_finished_is_the_first_one(tmp_path, monkeypatch):
    assert waited(tmp_path, checkpoint(deadline=25.0), monkeypatch) == 10.0


def test_a_deadline_of_another_boot_says_nothing(tmp_path, monkeypatch):
    assert waited(tmp_path, checkpoint(state="applied", deadline=1e9, boot="other"), monkeypatch) == 10.0


def test_the_timer_of_what_was_confirmed_does_nothing(tmp_path):
    store = Store(own_folder(tmp_path))
    store.write(checkpoint(state="confirmed"))
    assert not timer.wait(store, "abc", 60.0)
    assert not timer.wait(store, "another", 60.0)


# ---- staying fixed --------------------------------------------------------------------------------------------------


def test_the_files_that_keep_it_name_the_folder_of_the_undo(tmp_path):
    assert all("--state" not in text for text in persist._units(Path("/")).values())
    units = persist._units(Path("/"), Path("/srv/undo"))
    services = [text for path, text in units.items() if path.suffix == ".service"]
    assert all("--state /srv/undo\n" in text and "ReadWritePaths=/srv/undo /run\n" in text for text in services)
    persist.install(Path("/srv/undo"), tmp_path)
    assert (tmp_path / "etc/cron.d/fwaudit-fix").read_text().count("--state /srv/undo") == 2
    assert persist.remove(tmp_path)


def test_a_reboot_before_a_second_fix_was_confirmed_leads_back_to_the_first(tmp_path, monkeypatch):
    fed = []
    monkeypatch.setattr(rules, "ours", lambda undo: [])
    monkeypatch.setattr(rules, "load_again", lambda argv, text: fed.append(text))
    argv = ("iptables-nft-restore", "--noflush")
    first = checkpoint(id="first", state="confirmed", boot="earlier", loaded=((argv, "first"),))
    second = checkpoint(state="applied", boot="earlier", loaded=((argv, "second"),), previous=first)
    store = Store(own_folder(tmp_path))
    store.write(second)
    assert Fixer(store, lambda: pytest.fail("it looks")).restore()
    assert fed == ["first"]
    assert store.read() == replace(first, boot=boot_id())
    store.write(replace(second, boot=boot_id()))
    assert not Fixer(store, lambda: pytest.fail("it looks")).restore()


def test_a_fix_is_not_derived_anew_from_an_engine_that_does_not_answer(tmp_path):
    from test_fix_plan import OLD, host

    known = host(OLD)
    silent = replace(known, engine=replace(known.engine, unread="it is not running"))
    store = Store(own_folder(tmp_path))
    wish = {"ports": [], "containers": [], "allows": [], "interfaces": []}
    store.write(checkpoint(state="confirmed", wish=wish))
    with pytest.raises(FixError, match="could not be asked: it is not running"):
        Fixer(store, lambda: silent).sync()


# ---- the admin's session --------------------------------------------------------------------------------------------


def test_a_session_that_came_over_no_network(monkeypatch):
    from test_fix_plan import OLD, host

    from fwaudit.cli.fix import session_of

    monkeypatch.setenv("SSH_CONNECTION", "UNKNOWN 65535 UNKNOWN 65535")
    assert session_of(host(OLD)) is None


def test_only_translated_connections_are_ended():
    from test_fix_plan import OLD, host

    from fwaudit.fix.planner import Wish, plan
    from fwaudit.fix.prove import prove
    from fwaudit.host.sessions import commands

    known = host(OLD)
    found = commands(prove(known, plan(known, Wish()), Wish()))
    assert ("conntrack", "-D", "-f", "ipv4", "-p", "tcp", "--orig-port-dst", "5432", "--dst-nat") in found
    assert all(argv[-1] == "--dst-nat" for argv in found)
