"""``fwaudit watch`` beside a real engine and a real ufw: what opens and what closes is said, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import REPOSITORY, Machine
from test_reading import _SETTLE as SETTLE
from test_reading import _STATE as STATE

pytestmark = pytest.mark.lab

_PATIENCE = 60.0
Said = dict[str, Any]


class Watching:
    """A watch that runs on a machine, and what it has said so far."""

    def __init__(self, machine: Machine, *options: str) -> None:
        self._machine = machine
        env = {**machine.env, "PYTHONPATH": str(REPOSITORY)}
        argv = [sys.executable, "-m", "fwaudit", "watch", "--format", "json", "--interval", "1", "--every", "60",
                *options]
        self.process = subprocess.Popen(machine.command(argv), env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: list[Said] = []
        self._seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait(lambda each: each["event"] == "state")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def wait(self, wanted: Callable[[Said], bool]) -> Said:
        """The next thing said that is wanted, behind what was waited for before."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for place, each in enumerate(self.said[self._seen:], self._seen):
                if wanted(each):
                    self._seen = place + 1
                    return each
            time.sleep(0.02)
        raise AssertionError(f"not said, but: {self.said[self._seen:]}")

    def change(self, kind: str, port: int) -> Said:
        """A change of a port of the host."""
        return self.wait(lambda each: each["event"] == "change" and each["kind"] == kind and each["port"] == port
                         and each["service"] != "container-port")

    @property
    def pid(self) -> int:
        """nsenter forks: the watch is its child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it by a signal; its exit code and what it said on stderr."""
        subprocess.run(["kill", f"-{int(number)}", str(self.pid)], check=True)
        code = self.process.wait(_PATIENCE)
        self._reader.join()
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@pytest.fixture
def host(machine: Machine) -> Iterator[Machine]:
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.listen("tcp:22")
    yield machine


def test_what_opens_and_closes_is_said(host: Machine) -> None:
    host.docker.start()
    watching = Watching(host)
    host.docker.run("pg", "0.0.0.0:5432:5432")
    opened = watching.change("opened", 5432)
    assert (opened["effect"], opened["severity"], opened["container"]) == ("against", "critical", "pg")
    assert "docker-bypasses-ufw" in opened["findings"] and opened["standing"] == "breach"
    assert watching.wait(lambda each: each["event"] == "state")["level"] == "critical"

    host.sh("iptables -I DOCKER-USER -j DROP")
    assert watching.change("closed", 5432)["verdict_after"] == "blocked"
    host.sh("iptables -D DOCKER-USER -j DROP")
    watching.change("opened", 5432)
    host.docker.api("DELETE", "/containers/pg?force=1")
    assert watching.change("closed", 5432)["verdict_after"] == ""

    host.listen("tcp:8080")  # a process of the host, which ufw hides
    host.sh("ufw allow 8080/tcp")
    assert watching.change("opened", 8080)["effect"] == "opened"
    host.sh("ufw delete allow 8080/tcp")
    watching.change("closed", 8080)
    runs = json.loads(host.fwaudit("history", "--format", "json").stdout)["runs"]
    assert {"ok", "critical"} <= {run["level"] for run in runs}
    assert watching.end() == (0, "")


def test_a_process_that_begins_to_listen_is_seen_without_any_event(host: Machine) -> None:
    host.ufw("allow 8080/tcp", "allow 9999/udp")
    watching = Watching(host, "--no-history")
    host.listen("tcp:8080")
    watching.change("opened", 8080)
    host.listen("udp:9999")
    watching.change("opened", 9999)
    code, said = watching.end(signal.SIGINT)
    assert (code, said) == (130, "fwaudit: interrupted\n")


def test_a_container_that_begins_to_listen_late_is_seen(host: Machine) -> None:
    host.docker.start()
    host.docker.run("late", "8000:8000", listen=("tcp:9000",))
    host.sh("iptables -I DOCKER-USER -j ACCEPT")
    watching = Watching(host)
    (pid,) = (each.pid for each in host.docker.containers())
    host.spawn("nsenter", "-t", str(pid), "-n", "/usr/bin/python3", "/lab/svc.py", "late", "tcp:7000")
    watching.wait(lambda each: each["event"] == "change" and each["port"] == 7000
                  and each["service"] == "container-port" and each["gained"])
    watching.end()


def test_an_engine_that_is_killed_closes_nothing_and_is_followed_again(host: Machine) -> None:
    host.docker.start("--live-restore")
    host.docker.run("pg", "5432:5432")
    watching = Watching(host)
    begun = len(watching.said)
    host.docker.kill()
    assert watching.wait(lambda each: each["event"] == "lost")["source"] == "docker"
    state = watching.wait(lambda each: each["event"] == "state")
    assert not state["complete"] and [each["source"] for each in state["unread"]] == ["docker"]

    host.listen("tcp:9090")
    host.sh("ufw allow 9090/tcp")  # what can be seen is said all the same
    assert watching.change("opened", 9090)["effect"] == "opened"

    host.docker.start("--live-restore")
    assert watching.wait(lambda each: each["event"] == "back")["source"] == "docker"
    host.docker.run("web", "8080:8080")
    assert watching.change("opened", 8080)["container"] == "web"
    said = watching.said[begun:]
    assert [each["source"] for each in said if each["event"] in ("lost", "back")] == ["docker", "docker"]
    assert not [each for each in said if each["event"] == "change" and each["effect"] == "closed"]
    assert not [each for each in said if each["event"] == "change" and each["port"] == 5432]
    host.docker.stop()
    assert watching.wait(lambda each: each["event"] == "lost")
    assert watching.end()[0] == 0


def test_legacy_tables_and_ipsets_are_looked_at(host: Machine) -> None:
    for name in ("iptables", "ip6tables"):
        host.sh(f"update-alternatives --set {name} /usr/sbin/{name}-legacy")
    host.sh("ufw --force disable; iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT")
    host.sh("ipset create friends hash:net; "
            "iptables -A INPUT -p tcp --dport 22 -m set --match-set friends src -j ACCEPT")
    watching = Watching(host, "--no-history")
    host.sh("iptables -D INPUT -p tcp --dport 22 -j ACCEPT")
    assert watching.change("closed", 22)["family"] == 4
    host.sh("ipset add friends 198.51.100.0/24")
    assert watching.change("opened", 22)["gained"][0]["words"] == "198.51.100.0/24"
    watching.end()


def test_addresses_routes_and_settings_are_followed(host: Machine) -> None:
    host.docker.start()
    host.docker.run("pg", "5432:5432")
    watching = Watching(host, "--no-history")
    host.sh("sysctl -qw net.ipv4.ip_forward=0")
    watching.change("closed", 5432)
    host.sh("sysctl -qw net.ipv4.ip_forward=1")
    watching.change("opened", 5432)
    host.sh("ip link set eth1 down")
    assert watching.wait(lambda each: each["event"] == "change" and each["port"] == 5432 and each["lost"])
    watching.end()


def test_the_policy_is_read_again_and_hooks_are_told(host: Machine) -> None:
    policy = host.root / "root/policy.toml"
    policy.write_text("schema_version = 1\n")
    host.docker.start()
    watching = Watching(host, "--policy", "/root/policy.toml", "--notify-command", "tee -a /root/told")
    host.docker.run("pg", "127.0.0.1:5432:5432", "6379:6379")
    watching.change("opened", 6379)
    policy.write_text('schema_version = 1\n[[accept]]\nport = 6379\nreason = "meant so"\n'
                      '[[accept]]\nport = 5432\ncontainer = "pg"\nreason = "no harm"\n')
    assert watching.wait(lambda each: each["event"] == "state" and each["level"] == "ok")
    policy.write_text("schema_version = [")
    assert "policy.toml" in watching.wait(lambda each: each["event"] == "trouble")["why"]
    told = host.root / "root/told"
    deadline = time.monotonic() + _PATIENCE
    notices: list[Said] = []
    while len(notices) < 2 and time.monotonic() < deadline:
        lines = told.read_text().splitlines() if told.exists() else []
        notices = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        time.sleep(0.05)
    assert [(each["level"], each["was"]) for each in notices] == [("critical", "ok"), ("ok", "critical")]
    assert any(each["port"] == 6379 for each in notices[0]["data"]["changes"])
    watching.end()


def test_watching_changes_nothing(machine: Machine) -> None:
    """With legacy tables, which asking for makes. test_reading.py looks at more."""
    for name in ("iptables", "ip6tables"):
        machine.sh(f"update-alternatives --set {name} /usr/sbin/{name}-legacy")
    machine.sh("iptables -A INPUT -p tcp --dport 22 -j ACCEPT")
    state = "\n".join(line for line in STATE.splitlines() if not line.startswith(("find ", "sysctl ")))
    machine.sh(SETTLE)
    before = machine.sh(state)
    assert "--dport 22" in before
    watching = Watching(machine, "--no-history", "--every", "0.1")
    time.sleep(5)  # two looks at each thing
    watching.end()
    assert machine.sh(state) == before


def test_what_changed_while_nobody_watched_is_said_at_the_start(host: Machine) -> None:
    host.docker.start()
    Watching(host).end()
    host.docker.run("pg", "5432:5432")
    watching = Watching(host)
    assert [each["event"] for each in watching.said[:2]] == ["since", "change"]
    assert watching.said[1]["effect"] == "against"
    watching.end()
