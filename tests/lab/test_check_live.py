"""``check`` on a real host with ufw and Docker: opened, answered for, expired, not to be told; and what does not work
on hosts as they are: clocks, time zones, full disks, folders and users that may not, several at once."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys

import pytest
from machine import PYTHON, REPOSITORY, Machine
from requirements import requires

pytestmark = pytest.mark.lab

POLICY = "etc/fwaudit/policy.toml"
_LOCKS = """import sqlite3, time
database = sqlite3.connect("/var/lib/fwaudit/history.db", isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(600)"""
OPEN = '\n[[accept]]\nport = 5432\nreason = "the partners\' database"\nexpires = {}\n'


@pytest.fixture
def host(machine: Machine) -> Machine:
    """ufw and Docker, an sshd, and a policy that they fulfil."""
    machine.ufw("allow 22/tcp")
    machine.listen("tcp:22")
    machine.docker.start()
    assert machine.fwaudit("policy", "init").returncode == 0
    return machine


def at(host: Machine, offset: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """fwaudit with the clock moved by ``offset`` (``+2d``)."""
    return host.run("faketime", "-f", offset, sys.executable, "-m", "fwaudit", *arguments, PYTHONPATH=str(REPOSITORY),
                    FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")


def standings(done: subprocess.CompletedProcess[str]) -> dict[int, dict]:
    """Port → how it stands over IPv4, where it is published or listens."""
    return {each["port"]: each for each in json.loads(done.stdout)["check"]["standings"]
            if each["kind"] != "container-port" and each["family"] == 4}


def today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()


def test_a_port_opens_is_answered_for_expires_and_the_engine_goes_silent(host: Machine) -> None:
    requires("faketime")
    policy = host.root / POLICY
    lists_ssh = policy.read_text()
    quiet = host.fwaudit("check", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")

    host.docker.run("pg", "5432:5432")
    done = host.fwaudit("check")
    assert done.returncode == 2
    assert "5432/tcp pg" in done.stdout.splitlines()[0]
    assert "1 port opened" in done.stderr or "ports opened" in done.stderr

    policy.write_text(lists_ssh + OPEN.format(today()))
    done = host.fwaudit("check", "--format", "json")
    assert done.returncode == 0, done.stdout
    assert standings(done)[5432]["accepted_by"][0]["reason"] == "the partners' database"
    assert "3 closed" not in done.stderr  # nothing has changed but who answers for it

    later = at(host, "+2d", "check", "--format", "nagios")
    assert later.returncode == 1
    assert later.stdout.startswith("FWAUDIT WARNING - 1 entry of the policy")
    assert f"5432/tcp has expired on {today()}" in later.stdout

    host.docker.kill()  # its containers and its rules stay
    done = host.fwaudit("check", "--format", "nagios")
    assert done.returncode == 3
    assert done.stdout.startswith("FWAUDIT UNKNOWN - 1 source could not be read")
    assert host.fwaudit("check", "-q").returncode == 3


def test_clocks_and_time_zones(host: Machine) -> None:
    requires("faketime")
    host.docker.run("pg", "5432:5432")
    zones = [host.fwaudit("check", "--format", "json", "--no-history", TZ=zone) for zone in
             ("Pacific/Kiritimati", "Not/AZone")]
    assert {done.returncode for done in zones} == {2}
    for done in zones:  # whatever the zone, the report's time is UTC
        taken = datetime.datetime.fromisoformat(json.loads(done.stdout)["taken_at"].replace("Z", "+00:00"))
        assert abs(datetime.datetime.now(datetime.timezone.utc) - taken) < datetime.timedelta(minutes=5)

    for offset in ("+5d", "-3d"):  # a clock that ran ahead, was set too far back, and is right again
        assert at(host, offset, "check", "-q").returncode == 2
    done = host.fwaudit("check", "--format", "json", "-o", "prometheus=/root/fwaudit.prom")
    since = standings(done)[5432]["since"]
    assert since[:10] == str(today() - datetime.timedelta(days=3))  # never later than a time at which it was seen
    assert f"open since {since[:10]}" in host.fwaudit("check").stdout
    runs = json.loads(host.fwaudit("history", "--format", "json").stdout)["runs"]
    assert [run["id"] for run in runs] == [4, 3, 2, 1]  # in the order in which they were made
    metric = next(line for line in (host.root / "root/fwaudit.prom").read_text().splitlines()
                  if line.startswith("fwaudit_last_run_timestamp_seconds "))
    assert abs(float(metric.split()[1]) - datetime.datetime.now(datetime.timezone.utc).timestamp()) < 300


def test_a_full_disk_loses_neither_the_verdict_nor_what_was_written(host: Machine) -> None:
    host.sh("mkdir /full && mount -t tmpfs -o size=256k tmpfs /full")
    files = ("-o", "prometheus=/full/fwaudit.prom", "-o", "json=/full/fwaudit.json", "--history", "/full/h.db")
    assert host.fwaudit("check", *files).returncode == 0
    good = (host.root / "full/fwaudit.prom").read_text()
    host.sh("dd if=/dev/zero of=/full/fill bs=1k 2>/dev/null || true")
    done = host.fwaudit("check", "--format", "nagios", *files)
    assert done.returncode == 3
    assert done.stdout.startswith("FWAUDIT UNKNOWN - cannot write /full/")
    assert "No space left on device" in done.stderr and "Make room there" in done.stderr
    assert "this run is not written down" in done.stderr and "Traceback" not in done.stderr
    old = (host.root / "full/fwaudit.prom").read_text()
    assert old == good.replace("success 1\n", "success 0\n") != good  # all is kept, and no longer said to be sure

    host.docker.run("pg", "5432:5432")
    done = host.fwaudit("check", "--format", "nagios", *files)
    assert done.returncode == 2  # 3 never wins over it
    assert "5432/tcp pg" in done.stdout.splitlines()[0]
    assert "cannot write /full/fwaudit.json" in done.stderr
    assert sorted(path.name for path in (host.root / "full").iterdir() if path.name.startswith(".")) == []
    host.sh("rm /full/fill")
    assert host.fwaudit("check", *files).returncode == 2
    assert "success 1\n" in (host.root / "full/fwaudit.prom").read_text()


def test_a_history_that_cannot_be_written_and_users_who_may_not_look(host: Machine) -> None:
    folder = host.root / "var/lib/fwaudit"
    assert host.fwaudit("check", "-q").returncode == 0
    host.sh("mount --bind /var/lib/fwaudit /var/lib/fwaudit && mount -o remount,bind,ro /var/lib/fwaudit")
    done = host.fwaudit("check")
    assert done.returncode == 0
    assert "this run is not written down" in done.stderr and "--no-history" in done.stderr
    assert "OK: " in done.stdout
    host.sh("umount /var/lib/fwaudit")

    other = host.spawn(PYTHON, "-c", _LOCKS)
    assert other.stdout is not None and other.stdout.readline() == "locked\n"
    done = host.fwaudit("check")
    other.kill()
    assert done.returncode == 0
    assert "database is locked" in done.stderr and "Another fwaudit is writing it" in done.stderr

    (folder / "history.db").write_bytes(b"no database" * 5000)
    done = host.fwaudit("check")
    assert done.returncode == 0
    assert "If it is damaged, move it away" in done.stderr

    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "fwaudit", "check")
    done = host.run(*nobody, PYTHONPATH=str(REPOSITORY))
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["fwaudit: cannot read /etc/fwaudit/policy.toml: Permission denied",
                                        "  Run it as root."]
    (host.root / POLICY).unlink()
    done = host.run(*nobody, PYTHONPATH=str(REPOSITORY))
    assert done.returncode == 3
    assert "run as root" in done.stdout + done.stderr


def test_several_at_once_are_each_written_down(host: Machine) -> None:
    host.docker.run("pg", "5432:5432")
    assert host.fwaudit("check", "-q").returncode == 2
    checks = [host.spawn(sys.executable, "-m", "fwaudit", "check", "--format", "nagios", "-o",
                         "prometheus=/root/fwaudit.prom") for _ in range(5)]
    said = [check.communicate(timeout=60)[0] for check in checks]
    assert [check.returncode for check in checks] == [2] * 5, said
    assert all(text.startswith("FWAUDIT CRITICAL - 2 exposures") for text in said)
    runs = json.loads(host.fwaudit("history", "--format", "json").stdout)["runs"]
    assert [(run["id"], run["breaches"]) for run in runs] == [(number, 2) for number in range(6, 0, -1)]
    assert (host.root / "root/fwaudit.prom").read_text().endswith("success 1\n")
