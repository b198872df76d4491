"""Whatever goes wrong while a fix is applied, the host ends as it was, or as proven; and nothing of ours is left."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from machine import REPOSITORY, Machine
from probes import Probe, fire
from situations import denied_but_published

pytestmark = pytest.mark.lab

_SAVE = ("for save in iptables-nft-save ip6tables-nft-save; do $save | grep -v '^#' | sed 's/ *\\[[0-9:]*\\]//'; done; "
         "nft -s list ruleset | grep -c fwaudit || true")
_FOLDER = "/run/fwaudit-fix"
_SECONDS = 3.0
_PATIENCE = 30.0


def test_every_step_may_fail_or_be_the_last(machine: Machine) -> None:
    denied_but_published(machine)
    before = machine.sh(_SAVE)
    steps = _faulty(machine, -1, "count").splitlines()[-1].split()
    assert steps == ["look", *["undo"] * 3, "write", "timer", *["load"] * 3, "look", "write"]
    assert machine.fwaudit("fix", "--revert", "--state", _FOLDER).returncode == 0
    assert machine.sh(_SAVE) == before
    for number, name in enumerate(steps):
        for how in ("kill", "fail", "late-fail"):
            said = _faulty(machine, number, how)
            if how != "kill":
                assert "failed:" in said, (number, name, how, said)
            _wait_until_it_is(machine, before, (number, name, how))


def _faulty(machine: Machine, number: int, how: str) -> str:
    done = machine.run(sys.executable, "/lab/faulty.py", _FOLDER, str(_SECONDS if how != "count" else 60), str(number),
                       how, PYTHONPATH=str(REPOSITORY))
    assert done.returncode in (0, -9, 137), done.stderr
    return done.stdout


def _wait_until_it_is(machine: Machine, before: str, what: object) -> None:
    """At once, or as soon as the timer has taken it back."""
    end = time.monotonic() + _PATIENCE
    while machine.sh(_SAVE) != before or machine.run("test", "-e", f"{_FOLDER}/fix.json").returncode == 0:
        if time.monotonic() > end:
            status = machine.fwaudit("fix", "--status", "--state", _FOLDER).stdout
            # before the timer runs nothing is loaded: then only the note of it is left, and status says so
            assert machine.sh(_SAVE) == before, what
            assert "before it loaded anything" in status, (what, status)
            assert machine.fwaudit("fix", "--revert", "--state", _FOLDER).returncode == 0
            return
        time.sleep(0.2)


FIRST_LOAD, SECOND_LOAD = 6, 7


def test_docker_restarts_in_the_middle(machine: Machine) -> None:
    denied_but_published(machine)

    def restart() -> None:
        machine.docker.stop()
        machine.docker.start()
        machine.docker.start_container("pg")

    said = _meanwhile(machine, SECOND_LOAD, restart)
    assert "ended" in said, said
    assert "waits" in machine.fwaudit("fix", "--status", "--state", _FOLDER).stdout
    assert fire(machine, _STRANGER)[0].by is None
    assert machine.fwaudit("fix", "--revert", "--state", _FOLDER).returncode == 0
    assert "FWAUDIT" not in machine.sh(_SAVE)
    assert fire(machine, _STRANGER)[0].by == "pg"


def test_a_container_starts_in_the_middle(machine: Machine) -> None:
    denied_but_published(machine)
    said = _meanwhile(machine, FIRST_LOAD, lambda: machine.docker.run("late", "6379:6379"))
    assert "ended" in said, said
    late = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 6379, "tcp")]
    assert [outcome.by for outcome in fire(machine, [*_STRANGER, *late])] == [None, None]
    assert machine.fwaudit("fix", "--revert", "--state", _FOLDER).returncode == 0
    assert fire(machine, late)[0].by == "late"


def test_the_tool_vanishes_in_the_middle_and_comes_back(machine: Machine) -> None:
    """Where even the undo cannot be loaded, the timer tries again until it can."""
    denied_but_published(machine)
    before = machine.sh(_SAVE)
    tool = machine.sh("command -v iptables-nft-restore").strip()
    said = _meanwhile(machine, SECOND_LOAD, lambda: machine.sh(f"mv {tool} {tool}.away"))
    assert "taking it back failed as well" in said, said
    machine.sh(f"mv {tool}.away {tool}")
    _wait_until_it_is(machine, before, "tool")


def _meanwhile(machine: Machine, step: int, act: Callable[[], object]) -> str:
    """Apply, and do something just before one of the steps."""
    argv = machine.command(["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "/lab/faulty.py", _FOLDER, "20",
                            str(step), "wait"])
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while machine.run("test", "-e", f"{_FOLDER}/waiting").returncode != 0:
        assert child.poll() is None, child.communicate()[0]
        time.sleep(0.1)
    act()
    machine.sh(f"touch {_FOLDER}/go")
    said = child.communicate()[0]
    machine.sh(f"rm {_FOLDER}/go {_FOLDER}/waiting")
    return said


_STRANGER = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 5432, "tcp")]


def test_a_full_disk_changes_nothing(machine: Machine) -> None:
    denied_but_published(machine)
    before = machine.sh(_SAVE)
    machine.sh(f"mkdir -p {_FOLDER} && mount -t tmpfs -o size=4k,nr_inodes=8,mode=700 tmpfs {_FOLDER} && "
               f"head -c 4096 /dev/zero > {_FOLDER}/full")
    done = machine.fwaudit("fix", "--apply", "--state", _FOLDER)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert machine.sh(_SAVE) == before


def test_two_at_once(machine: Machine) -> None:
    denied_but_published(machine)
    before = machine.sh(_SAVE)
    argv = machine.command(["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "fwaudit", "fix", "--apply",
                            "--state", _FOLDER])
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)]
    said = [child.communicate()[0] for child in children]
    assert sum("Applied" in each for each in said) == 1, said
    assert sum("at work" in each or "waits to be confirmed" in each for each in said) == 2, said
    assert machine.fwaudit("fix", "--revert", "--state", _FOLDER).returncode == 0
    assert machine.sh(_SAVE) == before


def test_rules_that_somebody_flushed_are_taken_back_all_the_same(machine: Machine) -> None:
    denied_but_published(machine)
    assert machine.fwaudit("fix", "--apply", "--state", _FOLDER).returncode == 0
    machine.sh("iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN")
    done = machine.fwaudit("fix", "--revert", "--state", _FOLDER)
    assert done.returncode == 0, done.stderr
    assert "FWAUDIT" not in machine.sh(_SAVE)


def test_rules_without_their_checkpoint_are_taken_back(machine: Machine) -> None:
    denied_but_published(machine)
    before = machine.sh(_SAVE)
    assert machine.fwaudit("fix", "--apply", "--state", _FOLDER).returncode == 0
    machine.sh(f"rm {_FOLDER}/fix.json")
    assert "Taken back" in machine.fwaudit("fix", "--revert", "--state", _FOLDER).stdout
    assert _without_empty_tables(machine.sh(_SAVE)) == _without_empty_tables(before)


def _without_empty_tables(text: str) -> list[str]:
    """Whether a table was there before cannot be told without the checkpoint: an empty one may stay."""
    kept: list[str] = []
    for table in text.split("COMMIT\n"):
        if "-A" in table or " DROP" in table:
            kept += table.splitlines()
    return kept
