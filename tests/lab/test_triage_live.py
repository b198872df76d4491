"""Triage on a live machine: what an intruder leaves is seen, and an honest container is not accused."""

from __future__ import annotations

import json

import pytest
from machine import Machine

pytestmark = pytest.mark.lab

_MINER = """
mkdir -p /tmp /var/tmp /etc/cron.d
cp /usr/bin/python3 /tmp/kdevtmpfsi
cp /usr/bin/python3 /var/tmp/gone
echo '* * * * * root /tmp/kinsing' > /etc/cron.d/update
(/tmp/kdevtmpfsi -c 'while True: pass' >/dev/null 2>&1 &)
(/var/tmp/gone -c 'import time; time.sleep(600)' >/dev/null 2>&1 &)
sleep 0.5
rm /var/tmp/gone
"""


def _triage(machine: Machine, *arguments: str, code: int) -> dict[str, dict[str, object]]:
    done = machine.fwaudit("triage", "--format", "json", "--seconds", "1.5", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)["containers"]}


def test_an_intruder_is_seen_and_an_honest_container_is_not_accused(machine: Machine) -> None:
    machine.docker.start()
    machine.docker.run("honest", "8080:8080")
    machine.docker.run("pg", "5432:5432")
    machine.docker.run("inner", listen=("tcp:9000",))
    assert {name: each["level"] for name, each in _triage(machine, code=0).items()} == {"honest": "none", "pg": "none"}
    pid, = (each.pid for each in machine.docker.containers() if each.name == "pg")
    planted = machine.run("nsenter", "-t", str(pid), "-m", "-p", "-n", "--", "/bin/sh", "-c", _MINER)
    assert planted.returncode == 0, planted.stderr
    found = _triage(machine, "--all", code=2)
    assert {name: each["level"] for name, each in found.items()} == {"honest": "none", "pg": "strong", "inner": "none"}
    kinds = {sign["kind"] for sign in found["pg"]["signs"]}  # type: ignore[attr-defined]
    assert {"miner-process", "scratch-process", "miner-file", "cron-entry"} <= kinds
    assert found["pg"]["cpu_percent"] > 5 > found["honest"]["cpu_percent"]  # type: ignore[operator]
    assert found["pg"]["not_seen"] == []
    screen = machine.fwaudit("triage", "--seconds", "0.2", "--container", "pg").stdout
    assert "somebody else is at work" in screen
    assert "docker export -o pg-evidence.tar pg" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())


def test_it_says_what_it_cannot_see(machine: Machine) -> None:
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")
    machine.docker.kill()
    done = machine.fwaudit("triage", "--seconds", "0.2")
    assert done.returncode == 3, done.stdout
    assert "could not be asked" in done.stderr
    assert "It cannot see" in done.stdout
