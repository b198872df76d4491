"""The fix on a live machine: two commands close the hole of the story, one undoes it, and it stays closed meanwhile."""

from __future__ import annotations

import json
import socket
import time

import pytest
from machine import Machine
from probes import Outcome, Probe, everything, fire
from requirements import requires
from situations import denied_but_published, ipv6_network, two_networks

pytestmark = pytest.mark.lab

_SAVE = "for save in iptables-save ip6tables-save; do $save | grep -v '^#' | sed 's/ *\\[[0-9:]*\\]//'; done"


def _fix(machine: Machine, *arguments: str, code: int = 0) -> str:
    done = machine.fwaudit("fix", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def _moved(probes: list[Probe], before: list[Outcome], after: list[Outcome]) -> list[Probe]:
    return [probe for probe, was, now in zip(probes, before, after, strict=True) if was.by != now.by]


def test_the_story(machine: Machine) -> None:
    denied_but_published(machine)
    rules = machine.sh(_SAVE)
    probes = list(everything(machine))
    before = fire(machine, probes)
    assert "closes" in _fix(machine, "--dry-run", code=1)
    assert machine.sh(_SAVE) == rules
    assert "Applied" in _fix(machine, "--apply")
    after = fire(machine, probes)
    moved = _moved(probes, before, after)
    assert {(probe.port, probe.place) for probe in moved} == {(5432, "pub"), (5432, "lan")}
    assert all(now.by is None for probe, now in zip(probes, after, strict=True) if probe in moved)
    assert "Confirmed" in _fix(machine, "--confirm")
    assert "nothing to fix" in _fix(machine, "--dry-run")
    report = json.loads(machine.fwaudit("report", "--format", "json").stdout)
    assert report["summary"]["reachable_against_policy"] == 0

    machine.ufw("reload", enable=False)
    machine.docker.stop()
    machine.docker.start()
    machine.docker.start_container("pg")
    assert _moved(probes, after, fire(machine, probes)) == []

    machine.docker.run("late", "8088:80", listen=("tcp:80",))
    late = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 8088, "tcp")]
    assert [outcome.how for outcome in fire(machine, late)] == ["timeout"]
    machine.ufw("allow 8088/tcp", enable=False)
    assert "Derived anew" in _fix(machine, "--sync")
    assert [outcome.by for outcome in fire(machine, late)] == ["late"]
    machine.ufw("delete allow 8088/tcp", enable=False)
    assert "Derived anew" in _fix(machine, "--sync")
    assert "Nothing has changed" in _fix(machine, "--sync")
    assert [outcome.how for outcome in fire(machine, late)] == ["timeout"]

    assert "Taken back" in _fix(machine, "--revert")
    assert "FWAUDIT" not in machine.sh(_SAVE)
    assert _moved(probes, before, fire(machine, probes)) == []
    assert machine.run("ls", "/var/lib/fwaudit").stdout.split() == ["lock"]


def test_what_nobody_confirms_is_taken_back(machine: Machine) -> None:
    denied_but_published(machine)
    rules = machine.sh(_SAVE)
    _fix(machine, "--apply", "--confirm-within", "10")
    assert "waits" in _fix(machine, "--status", code=1)
    end = time.monotonic() + 40
    while machine.sh(_SAVE) != rules and time.monotonic() < end:
        time.sleep(0.5)
    assert machine.sh(_SAVE) == rules
    assert "No fix is applied" in _fix(machine, "--status")
    done = machine.fwaudit("fix", "--confirm")
    assert (done.returncode, "no fix to confirm" in done.stderr) == (2, True)


def test_a_reboot_and_what_is_kept(machine: Machine) -> None:
    """As after a boot: no rules at all; then ours before Docker, and Docker and ufw after it."""
    denied_but_published(machine)
    _fix(machine, "--apply", "--persist")
    assert machine.run("ls", "/etc/cron.d/fwaudit-fix").returncode != 0
    assert "written: /etc/cron.d/fwaudit-fix" in _fix(machine, "--confirm")
    probes = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 5432, "tcp"),
              Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 22, "tcp")]
    machine.docker.stop()
    machine.sh("ufw --force disable; for t in iptables ip6tables; do $t -F; $t -X; $t -t nat -F; $t -t nat -X; "
               "$t -t raw -F; $t -t raw -X; $t -P FORWARD ACCEPT; done")
    assert "its rules are gone" in _fix(machine, "--status", code=1)
    assert "Loaded again" in _fix(machine, "--restore")
    machine.sh("ufw --force enable")
    machine.docker.start()
    machine.docker.start_container("pg")
    assert [outcome.by for outcome in fire(machine, probes)] == [None, "HOST"]
    assert "applied and confirmed" in _fix(machine, "--status")
    _fix(machine, "--sync")
    assert [outcome.by for outcome in fire(machine, probes)] == [None, "HOST"]
    assert "removed: /etc/cron.d/fwaudit-fix" in _fix(machine, "--revert")
    assert machine.run("ls", "/etc/cron.d/fwaudit-fix").returncode != 0
    assert "FWAUDIT" not in machine.sh(_SAVE)


@pytest.mark.parametrize("situation", [two_networks, ipv6_network], ids=lambda each: each.__name__)
def test_networks_and_families(situation, machine: Machine) -> None:  # type: ignore[no-untyped-def]
    situation(machine)
    rules = machine.sh(_SAVE)
    probes = list(everything(machine))
    before = fire(machine, probes)
    dry = machine.fwaudit("fix", "--dry-run", "--format", "json")
    plan = json.loads(dry.stdout)
    assert plan["proof"]["holds"]
    if not plan["needed"]:
        assert dry.returncode == 0
        return
    _fix(machine, "--apply")
    after = fire(machine, probes)
    moved = _moved(probes, before, after)
    assert all(now.by is None for probe, now in zip(probes, after, strict=True) if probe in moved)
    assert all(probe.place in ("pub", "lan") for probe in moved)
    _fix(machine, "--revert")
    assert machine.sh(_SAVE) == rules


def test_one_port_for_one_network(machine: Machine) -> None:
    denied_but_published(machine)
    machine.docker.run("cache", "6379:6379")
    smaller = ("--apply", "--port", "5432/tcp", "--allow", "5432/tcp=198.51.100.0/24")
    _fix(machine, *smaller)
    probes = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 5432, "tcp"),
              Probe("pub", "eth0", "203.0.113.50", "203.0.113.10", 5432, "tcp"),
              Probe("lan", "eth1", "192.168.50.20", "192.168.50.10", 5432, "tcp"),
              Probe("pub", "eth0", "203.0.113.50", "203.0.113.10", 6379, "tcp")]
    assert [outcome.by for outcome in fire(machine, probes)] == ["pg", None, None, "cache"]
    _fix(machine, "--revert")
    _fix(machine, "--apply")
    _fix(machine, "--confirm")
    again = machine.fwaudit("fix", *smaller)
    assert (again.returncode, "would open again" in again.stderr) == (2, True), again.stderr
    assert [outcome.by for outcome in fire(machine, probes)] == [None] * 4
    _fix(machine, "--revert")


def test_ufw_limit_counts_for_a_container(machine: Machine) -> None:
    machine.ufw("limit 5432/tcp")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")
    machine.docker.run("cache", "6379:6379")
    _fix(machine, "--apply")
    probe = [Probe("pub", "eth0", "198.51.100.7", "203.0.113.10", 5432, "tcp")]
    assert [fire(machine, probe)[0].by for _ in range(5)] == ["pg"] * 5
    assert fire(machine, probe)[0].by is None
    _fix(machine, "--revert")


def test_open_connections_go_on_unless_they_are_cut(machine: Machine) -> None:
    requires("conntrack")
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.run("dns", "5300:5300/udp")
    with machine.outside["pub"].inside():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(1.0)
        client.connect(("203.0.113.10", 5300))
        assert _asks(client)
        _fix(machine, "--apply")
        assert _asks(client), "a connection that is known goes on"
        said = _fix(machine, "--revert")
        assert _asks(client)
        said = _fix(machine, "--apply", "--cut-sessions")
        assert "ended: conntrack -D -f ipv4 -p udp --orig-port-dst 5300" in said
        assert not _asks(client)
        _fix(machine, "--revert")
        assert _asks(client)


def _asks(client: socket.socket) -> bool:
    for _ in range(3):
        try:
            client.send(b"?")
            return b"dns" in client.recv(1000)
        except TimeoutError:
            continue
    return False
