"""Podman, rootful, with netavark: what it publishes past an INPUT that denies, and the fix for it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from dockerd import _image
from machine import Machine
from requirements import requires

pytestmark = pytest.mark.lab

_CONFIGURATION = """
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.fixture
def podman() -> Iterator[Machine]:
    """A machine with a container that publishes 5432, and an INPUT that lets nobody in but to 22."""
    requires("podman", "runc", root=True)
    with Machine() as machine:
        machine.sh("sysctl -qw net.ipv4.ip_forward=1 && mkdir -p /etc/containers /run/podman /var/lib/containers && "
                   "mount -t tmpfs tmpfs /var/lib/containers")
        (machine.root / "etc/containers/containers.conf").write_text(_CONFIGURATION)
        (machine.root / "root/image.tar").write_bytes(_image())
        machine.sh("iptables -P INPUT DROP && iptables -A INPUT -i lo -j ACCEPT && "
                   "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && "
                   "iptables -A INPUT -p tcp --dport 22 -j ACCEPT")
        machine.listen("tcp:22")
        machine.sh("podman import /root/image.tar localhost/lab:1 && podman run -d --name pg -p 5432:5432 "
                   "-v /usr:/usr:ro -v /lab:/lab:ro localhost/lab:1 /usr/bin/python3 /lab/svc.py pg tcp:5432")
        machine.spawn("podman", "system", "service", "--time=0", "unix:///run/podman/podman.sock")
        while machine.run("test", "-S", "/run/podman/podman.sock").returncode:
            time.sleep(0.05)
        yield machine
        machine.run("podman", "rm", "-f", "-t", "0", "pg")


def _answers(machine: Machine, port: int) -> bool:
    with machine.outside["pub"].inside():
        for _ in range(2):
            try:
                with socket.create_connection(("203.0.113.10", port), 1.0) as client:
                    return b"pg" in client.recv(1000)
            except OSError:
                continue
    return False


def test_what_podman_publishes_is_seen_and_closed(podman: Machine) -> None:
    assert _answers(podman, 5432)
    report = json.loads(podman.fwaudit("report", "--format", "json").stdout)
    assert report["engine"].startswith("podman 4")
    published = [each for each in report["exposures"] if each["kind"] == "published" and each["family"] == 4]
    assert [(each["host_port"], each["verdict"], each["container"]) for each in published] == [(5432, "bypass", "pg")]
    rules = podman.sh("iptables-save | grep -v '^[#:]'")
    done = podman.fwaudit("fix", "--apply")
    assert done.returncode == 0, done.stderr
    assert not _answers(podman, 5432)
    assert podman.fwaudit("fix", "--confirm").returncode == 0
    asks = "import socket; socket.create_connection(('203.0.113.10', 22), 2)"
    inside = podman.run("podman", "exec", "pg", "/usr/bin/python3", "-c", asks)
    assert inside.returncode == 0, inside.stderr
    assert podman.fwaudit("fix", "--revert").returncode == 0
    assert podman.sh("iptables-save | grep -v '^[#:]'") == rules
    assert _answers(podman, 5432)
