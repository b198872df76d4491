"""What root may do is given up once the host has been read, and what is to be written is written all the same.

Each test starts processes of its own: what is given up is gone for good.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import REPOSITORY, Machine
from requirements import requires
from spy import SPY

from fwaudit import cli
from fwaudit.errors import HistoryError, UsageError
from fwaudit.host import privileges
from fwaudit.host.keeper import keep

pytestmark = pytest.mark.lab

DEMO = str(REPOSITORY / "fwaudit/cli/demo.tar.gz")
NONE = ["0" * 16]


@pytest.fixture(autouse=True)
def root() -> None:
    requires("setpriv", root=True)


def spied(done: subprocess.CompletedProcess[str]) -> dict:
    line, = (line for line in done.stderr.splitlines() if line.startswith("SPY "))
    return json.loads(line[4:])


def run(*words: str, prefix: tuple[str, ...] = (), **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*prefix, sys.executable, "-c", SPY, *words], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, **options)


def test_root_keeps_no_capability_and_programs_get_none_back(tmp_path):
    done = run("report", "--snapshot", DEMO, "-o", str(tmp_path / "report.json"), "--format", "json")
    said = spied(done)
    assert said["CapEff"] == said["CapPrm"] == said["CapInh"] == said["CapBnd"] == said["CapAmb"] == NONE
    assert said["NoNewPrivs"] == ["1"]
    assert said["child"].split()[1:] == NONE
    assert done.returncode == 0 and json.loads((tmp_path / "report.json").read_text())


def test_a_fleet_is_read_with_the_right_to_read_alone(tmp_path):
    """Here and in the workers, since snapshots are other hosts' data; and what was named is written all the same."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    snapshot = theirs / "host.tar.gz"
    snapshot.write_bytes(Path(DEMO).read_bytes())
    snapshot.chmod(0o600)
    os.chown(snapshot, 4321, 4321)
    os.chown(theirs, 4321, 4321)
    theirs.chmod(0o700)
    done = run("fleet", "report", str(theirs), "--format", "json", "-o", str(tmp_path / "fleet.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "fleet.json").read_text())["snapshots"] == 1
    said = [json.loads(line[4:]) for line in done.stderr.splitlines() if line.startswith("SPY ")]
    assert len(said) >= 2, "the parent's first, to load everything, and a worker's"
    for each in said:
        assert each["CapEff"] == each["CapPrm"] == each["CapBnd"] == [f"{1 << privileges.DAC_READ_SEARCH:016x}"]
        assert each["NoNewPrivs"] == ["1"]
    db = theirs / "fleet.db"
    for _ in range(2):
        done = run("fleet", "report", str(theirs), "--db", str(db), "--parquet", str(theirs / "parquet"))
        assert done.returncode == 0 and db.exists() and (theirs / "parquet/hosts.parquet").exists(), done.stderr
        os.chown(db, 4321, 4321)


def test_programs_get_none_back_where_the_bounding_set_cannot_be_made_smaller():
    """As in the unit, which has no CAP_SETPCAP."""
    without = ("setpriv", "--bounding-set=-setpcap", "--inh-caps=-setpcap")
    said = spied(run("report", "--snapshot", DEMO, prefix=without))
    assert said["CapBnd"] != NONE
    assert said["CapEff"] == said["CapPrm"] == NONE
    assert said["child"].split()[1:] == NONE


@pytest.mark.parametrize(("mode", "sticky", "capability"), [(0o700, False, 1), (0o777, True, 3)])
def test_what_somebody_elses_folder_needs_is_kept_and_nothing_more(tmp_path, mode, sticky, capability):
    folder = tmp_path / "theirs"
    folder.mkdir()
    target = folder / "report.html"
    target.write_text("old")
    os.chown(folder, 65534, 65534)
    os.chown(target, 4321, 4321)
    folder.chmod(mode | (0o1000 if sticky else 0))
    done = run("report", "--snapshot", DEMO, "-o", str(target), "--format", "html")
    assert spied(done)["CapEff"] == [f"{1 << capability:016x}"]
    assert done.returncode == 0 and "<html" in target.read_text()


def test_code_that_only_its_owner_can_read_is_still_imported(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    assert privileges.needed([], [str(folder)]) == {privileges.DAC_READ_SEARCH}
    assert privileges.needed([str(tmp_path / "x")], [str(tmp_path)]) == set()
    assert privileges.needed([str(folder / "x"), "/dev/null"], []) == {privileges.DAC_OVERRIDE}
    assert os.access(folder, os.R_OK, effective_ids=True), "it was set aside, and is there again"


def test_a_command_that_is_not_alone_in_its_process_gives_nothing_up(tmp_path):
    before = privileges.capabilities()
    assert cli.run(["report", "--snapshot", DEMO, "-o", str(tmp_path / "x")]) == 0
    assert privileges.capabilities() == before


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Where everybody may read the code that is run, with an engine to ask."""
    with Machine() as machine:
        for place in (str(REPOSITORY), sys.prefix, sys.base_prefix):
            parts = [str(each) for each in (Path(place), *Path(place).parents) if str(each) != "/"]
            machine.run("chmod", "o+rx", *parts)
        machine.ufw("allow 22/tcp")
        machine.sh("groupadd -f docker && usermod -aG docker nobody")
        machine.docker.start()
        machine.docker.run("pg", "5432:5432")
        yield machine


def test_another_user_goes_on_and_everything_is_written_all_the_same(machine: Machine) -> None:
    machine.sh("mkdir -m 700 /secret /secret/out")
    hook = machine.root / "secret/hook"
    hook.write_text("#!/bin/sh\nid -u >/secret/who\ncat >>/secret/told\n")
    hook.chmod(0o700)
    words = ("check", "--drop-privileges", "-o", "json=/secret/out/check.json", "-o",
             "prometheus=/secret/out/check.prom", "--notify-command", "/secret/hook")

    def check(*more: str) -> subprocess.CompletedProcess[str]:
        return machine.run(sys.executable, "-c", SPY, *words, *more, PYTHONPATH=str(REPOSITORY))

    done = check()
    said = spied(done)
    assert said["Uid"] == said["Gid"] == ["65534"] * 4
    assert said["Groups"] == []
    assert said["CapEff"] == said["CapPrm"] == NONE
    assert not said["root"]
    assert done.returncode == cli.CRITICAL, done.stderr
    assert "5432/tcp" in done.stdout
    assert json.loads((machine.root / "secret/out/check.json").read_text())["check"]["level"] == "critical"
    assert "fwaudit_last_run_success 1" in (machine.root / "secret/out/check.prom").read_text()
    assert (machine.root / "secret/who").read_text() == "0\n", "who is told is told by root, as ever"
    assert "first check" in (machine.root / "secret/told").read_text()
    again = check()
    assert again.returncode == cli.CRITICAL and "not written down" not in again.stderr
    assert (machine.root / "secret/told").read_text().count('"schema_version"') == 1
    assert len(json.loads(machine.fwaudit("history", "--format", "json").stdout)["runs"]) == 2
    machine.sh("ls -l /var/lib/fwaudit/history.db | grep -q '^-rw------- 1 root root'")
    # an error behind that point is told, and written for monitoring, as well
    broken = SPY.replace("return real(snapshot, *store)", "raise RuntimeError('broken')")
    failed = machine.run(sys.executable, "-c", broken,
                         *words, PYTHONPATH=str(REPOSITORY))
    assert failed.returncode == cli.UNKNOWN and "broken" in failed.stderr
    assert "fwaudit_last_run_success 0" in (machine.root / "secret/out/check.prom").read_text()
    assert "could not be made: broken" in (machine.root / "secret/told").read_text()


def test_root_without_capabilities_holds_no_line_to_the_engine(machine: Machine) -> None:
    """Who can write to the engine's socket is root."""
    done = machine.run(sys.executable, "-c", SPY, "report", PYTHONPATH=str(REPOSITORY))
    said = spied(done)
    assert said["CapEff"] == NONE and said["engine"] is False
    assert "5432/tcp" in done.stdout


@pytest.mark.parametrize(("words", "said"), [
    (["--drop-privileges=root"], "is root"), (["--drop-privileges=0"], "is root"),
    (["--drop-privileges=nosuchuser"], "no such user"), (["--drop-privileges=99999999999999999999"], "no such user"),
])
def test_users_that_are_none(words, said, capsys):
    assert cli.run(["report", "--snapshot", DEMO, *words]) == cli.UNKNOWN
    assert said in capsys.readouterr().err


# ---- the process that keeps them -------------------------------------------------------------------------------------


class Served:
    def add(self, one: int, two: int) -> int:
        return one + two

    def refuse(self) -> None:
        raise HistoryError("locked", "Wait.")

    def break_(self) -> None:
        raise RuntimeError("x")

    def end(self) -> None:
        os._exit(0)

    def secret(self) -> str:
        return "no"


def test_the_keeper_does_what_it_may_and_says_what_went_wrong():
    asking = keep(Served(), frozenset({"add", "refuse", "break_", "end"}))
    assert asking.add(2, 3) == 5
    with pytest.raises(HistoryError, match="locked") as error:
        asking.refuse()
    assert error.value.hint == "Wait."
    with pytest.raises(UsageError, match="RuntimeError: x"):
        asking.break_()
    with pytest.raises(AttributeError):
        asking.secret()
    with pytest.raises(UsageError, match="has ended"):
        asking.end()
    os.waitpid(asking._child, 0)


def test_who_has_taken_over_the_asking_process_cannot_ask_for_more():
    asking = keep(Served(), frozenset({"add"}))
    for words in (b'["secret", []]\n', b"not json\n", b'["add"]\n'):
        asking = keep(Served(), frozenset({"add"}))
        asking._stream.write(words)
        asking._stream.flush()
        assert asking._stream.readline() == b""
        os.waitpid(asking._child, 0)


def test_files_that_were_not_named_are_not_written(tmp_path):
    from fwaudit.cli.deeds import METHODS, Deeds

    asking = keep(Deeds([str(tmp_path / "a")]), METHODS)
    asking.put("text", str(tmp_path / "a"), 0o600)
    with pytest.raises(UsageError, match="not one of the files"):
        asking.put("text", str(tmp_path / "b"), 0o600)
    assert (tmp_path / "a").read_text() == "text" and not (tmp_path / "b").exists()
    asking._stream.close()
    asking._line.close()
    os.waitpid(asking._child, 0)
