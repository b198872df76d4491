"""nmap from outside, for real: no difference that is not explained."""

from __future__ import annotations

import json
import shlex
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
