"""The lab itself: what is done in it stays in it, and nothing of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine import Machine

pytestmark = pytest.mark.lab


def _leftovers(machine: Machine) -> list[str]:
    groups = [str(each) for each in Path("/sys/fs/cgroup").glob(f"**/{machine.name}")]
    commands = [each.read_bytes() for each in Path("/proc").glob("[0-9]*/cmdline") if each.exists()]
    return groups + [each.decode() for each in commands if machine.name.encode() in each]


def test_nothing_is_left_of_a_machine() -> None:
    with Machine() as machine:
        machine.docker.start()
        machine.docker.run("web", "8080:80")
        assert _leftovers(machine)
    assert _leftovers(machine) == []


def test_what_is_changed_on_a_machine_is_changed_nowhere_else(machine: Machine) -> None:
    before = {path: path.read_bytes() for path in Path("/etc/ufw").rglob("*") if path.is_file()}
    machine.ufw("allow 22/tcp")
    machine.sh("echo x > /etc/left; echo x > /run/left; echo x > /tmp/left")
    assert {path: path.read_bytes() for path in Path("/etc/ufw").rglob("*") if path.is_file()} == before
    assert not any(Path(path).exists() for path in ("/etc/left", "/run/left", "/tmp/left"))


def test_two_machines_know_nothing_of_each_other(machine: Machine) -> None:
    with Machine() as other:
        machine.ufw("deny 22/tcp")
        assert "inactive" in other.sh("ufw status") and "22/tcp" in machine.sh("ufw status")
