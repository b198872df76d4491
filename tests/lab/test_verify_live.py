"""nmap from outside, for real: no difference that is not explained."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine
from requirements import requires
from situations import denied_but_published

pytestmark = pytest.mark.lab


def test_the_planned_scans_see_what_the_verdicts_say(machine: Machine, tmp_path: Path) -> None:
    requires("nmap")
    denied_but_published(machine)
    machine.docker.run("dns", "5300:5300/udp")
    planned = [shlex.split(line) for line in machine.fwaudit("verify", "--plan").stdout.splitlines()
               if "nmap -Pn" in line]
    assert len(planned) >= 2
    found = []
    for argv in planned:
        argv = argv[1:] if argv[0] == "sudo" else argv
        place = argv.index("-oX") + 1
        name = argv[place]
        argv[place] = str(tmp_path / name)
        machine.outside["pub"].run(argv)
        (machine.root / "root" / name).write_bytes((tmp_path / name).read_bytes())
        done = machine.fwaudit("verify", "--nmap", f"/root/{name}", "--format", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        found += json.loads(done.stdout)["ports"]
    assert {each["agreement"] for each in found} <= {"agrees", "tells-nothing"}
    assert ("open", "open") in {(each["scan"], each["expected"]) for each in found if each["port"] == 5432}
    machine.sh("iptables -I DOCKER-USER 1 -p tcp --dport 5432 -j DROP")
    done = machine.fwaudit("verify", "--nmap", "/root/scan-ipv4-tcp.xml")
    assert done.returncode == 2, done.stdout
    assert "203.0.113.10:5432/tcp" in done.stdout


# a tmpfs for what sshd wants below /run, and for root's home: it is this machine's own user, and its own files stay
_SSHD = """mount -t tmpfs tmpfs /run && mkdir -p -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f /dev/null -p 2222 \\
  -h {0}/host -o AuthorizedKeysFile={0}/user.pub -o StrictModes=no -o UsePAM=no -o PermitRootLogin=prohibit-password \\
  -o PasswordAuthentication=no -o ListenAddress=203.0.113.50 -o PidFile=none"""


@pytest.fixture
def elsewhere(machine: Machine, tmp_path: Path) -> Iterator[None]:
    """An sshd on the host outside, with keys of its own, to which the machine's root has one."""
    requires("nmap", "sshd", "ssh-keygen")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    folder = machine.root / "root/.ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "id").write_bytes((tmp_path / "user").read_bytes())
    (folder / "id").chmod(0o600)
    (folder / "known").write_text(f"[203.0.113.50]:2222 {(tmp_path / 'host.pub').read_text()}")
    (folder / "config").write_text("Host elsewhere\n HostName 203.0.113.50\n Port 2222\n User root\n"
                                   " IdentityFile /root/.ssh/id\n UserKnownHostsFile /root/.ssh/known\n")
    with machine.outside["pub"].inside():
        daemon = subprocess.Popen(["unshare", "-m", "sh", "-c", _SSHD.format(tmp_path)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while machine.run("ssh", "-o", "BatchMode=yes", "elsewhere", "true").returncode:
        assert daemon.poll() is None and time.monotonic() < deadline, daemon.stderr and daemon.stderr.read1(4000)
        time.sleep(0.1)
    yield
    daemon.kill()
    daemon.communicate()


def test_the_scan_over_ssh(machine: Machine, elsewhere: None) -> None:
    denied_but_published(machine)
    done = machine.fwaudit("verify", "--ssh", "elsewhere", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    ports = {(each["address"], each["port"]): each for each in json.loads(done.stdout)["ports"]}
    assert ports["203.0.113.10", 5432]["scan"] == ports["203.0.113.10", 5432]["expected"] == "open"
    assert any(":" in address for address, _ in ports)  # IPv6 as well
    (machine.root / "root/.ssh/known").write_text("")
    done = machine.fwaudit("verify", "--ssh", "elsewhere")
    assert done.returncode == 3
    assert done.stderr.startswith("fwaudit: elsewhere: ") and "Traceback" not in done.stderr
