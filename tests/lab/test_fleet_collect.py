"""Snapshots collected from two machines as people would, by the Ansible role and by ssh in a pipe; and a report."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import PYTHON, REPOSITORY, Machine
from requirements import requires

pytestmark = pytest.mark.lab

_FWAUDIT = ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "fwaudit"]
_SSHD = """
HostKey {home}/host_key
AuthorizedKeysFile {home}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


@pytest.fixture
def machines() -> Iterator[dict[str, Machine]]:
    with Machine() as one, Machine() as two:
        for name, each in (("db01", one), ("web01", two)):
            each.sh(f"hostname {name} && mkdir -p /run/sshd")
        one.ufw("allow 22/tcp")
        one.listen("tcp:22", "tcp:5432")
        yield {"db01": one, "web01": two}


def _ssh(machine: Machine, home: Path) -> list[str]:
    """The options of an ssh to the machine: a real sshd, which speaks through a pipe in the place of a network."""
    files = {each.name: machine.root / "root" / each.name for each in home.iterdir()}
    for each in home.iterdir():
        files[each.name].write_bytes(each.read_bytes())
        files[each.name].chmod(0o600)
    files["sshd_config"] = machine.root / "root" / "sshd_config"
    files["sshd_config"].write_text(_SSHD.format(home="/root"))
    server = machine.command(["/usr/sbin/sshd", "-i", "-f", "/root/sshd_config"])
    return ["-F", "none", "-o", f"ProxyCommand={shlex.join(server)}", "-i", str(home / "key"), "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]


def test_two_machines_over_ssh_and_one_that_does_not_answer(machines: dict[str, Machine], tmp_path: Path) -> None:
    requires("ssh", "sshd", "ssh-keygen", root=True)
    playbook = Path(sys.executable).with_name("ansible-playbook")
    assert playbook.exists(), "ansible-core is one of the dev extra's"
    home = tmp_path / "keys"
    home.mkdir()
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    reached = {name: _ssh(each, home) for name, each in machines.items()}
    hosts = {name: {"ansible_ssh_common_args": shlex.join(options), "ansible_ssh_pipelining": True}
             for name, options in reached.items()}
    hosts["gone01"] = {"ansible_ssh_common_args": "-F none -o ProxyCommand=false -o ConnectionAttempts=1"}
    inventory = {"all": {"hosts": hosts, "vars": {"ansible_user": "root", "ansible_python_interpreter": PYTHON}}}
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))
    collected = tmp_path / "snapshots"
    settings = {"fwaudit_snapshots": str(collected), "fwaudit_command": _FWAUDIT}
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"), "ANSIBLE_HOME": str(tmp_path / "home"),
                   "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
                   "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path / "cp"), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run([playbook, "-i", tmp_path / "inventory.json", REPOSITORY / "contrib/ansible/collect.yml",
                           "-e", json.dumps(settings)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 4, done.stdout + done.stderr  # one host is unreachable, and only that one
    assert "unreachable=1" in done.stdout and done.stdout.count("failed=0") == 3, done.stdout
    assert {each.name for each in collected.iterdir()} == {"db01.tar.gz", "web01.tar.gz"}
    assert collected.stat().st_mode & 0o777 == 0o700
    for each in machines.values():
        assert not each.sh("ls -d /tmp/fwaudit-* /root/.ansible/tmp/* 2>/dev/null; true").strip()

    with (collected / "piped.tar.gz").open("wb") as file:
        piped = subprocess.run(["ssh", *reached["db01"], "root@db01", shlex.join([*_FWAUDIT, "snapshot", "-o", "-"])],
                               stdout=file, stderr=subprocess.PIPE, timeout=60)
    assert piped.returncode in (0, 3), piped.stderr
    report = subprocess.run([sys.executable, "-m", "fwaudit", "fleet", "report", collected, "--format", "json",
                             "--policy", os.devnull], capture_output=True, text=True, timeout=60)
    found = json.loads(report.stdout)
    assert found["snapshots"] == 3 and found["failed"] == 0
    by_file = {Path(each["source"]).name: each for each in found["hosts"]}
    assert {name: each["host"] for name, each in by_file.items()} == {
        "db01.tar.gz": "db01", "piped.tar.gz": "db01", "web01.tar.gz": "web01"}
    for name in ("db01.tar.gz", "piped.tar.gz"):
        ports = {(each["port"], each["verdict"]) for each in by_file[name]["ports"]}
        assert (22, "as-intended") in ports and all(port != 5432 for port, _ in ports), ports
