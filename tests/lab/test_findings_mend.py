"""What a finding says to type mends what it is about: on a live machine, the commands are typed, and it is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import record_hosts as hosts
from machine import Machine

pytestmark = pytest.mark.lab


def dead_rule(machine: Machine) -> None:
    """Appended behind Docker's RETURN."""
    hosts.plain(machine)
    machine.sh("iptables -A DOCKER-USER -i eth0 -j DROP")


def host_port(machine: Machine) -> None:
    """The port of the host, where the container's is seen."""
    hosts.plain(machine)
    machine.sh("iptables -I DOCKER-USER -i eth0 -p tcp --dport 8080 -j DROP")


def not_called(machine: Machine) -> None:
    """FORWARD lost its jump."""
    host_port(machine)
    machine.sh("iptables -D FORWARD -j DOCKER-USER")


@pytest.mark.parametrize(("make", "id", "typed"), [
    (dead_rule, "docker-user-dead-rule", 1), (host_port, "docker-user-host-port", 1),
    (not_called, "docker-user-not-called", 1), (hosts.cuts_replies, "docker-user-cuts-replies", 1),
    (hosts.cuts_clients, "docker-user-cuts-replies", 1), (hosts.saved, "docker-user-one-interface", 1),
    (hosts.jumps_to_ufw, "docker-user-jumps-to-ufw", 1), (hosts.stale, "docker-user-stale", 1),
    (hosts.input_flushed, "ufw-not-hooked", 2), (hosts.edited_rules, "ufw-drift", 2),
    (hosts.forward_accept, "ufw-forward-accept", 1),
], ids=lambda each: each if isinstance(each, str) else getattr(each, "__name__", ""))
def test_the_commands_mend_it(make: Callable[[Machine], None], id: str, typed: int, machine: Machine) -> None:
    """``typed``: so many of the commands of each finding; behind them come others to choose from."""
    make(machine)
    before = _found(machine, id)
    assert before
    for finding in before:
        for command in finding["next"][:typed]:
            machine.sh(command)
    assert _found(machine, id) == []
    assert _found(machine, "docker-user-cuts-replies") == []


def _found(machine: Machine, id: str) -> list[dict[str, Any]]:
    reported = machine.fwaudit("report", "--format", "json")
    assert reported.returncode == 0, reported.stderr
    return [each for each in json.loads(reported.stdout)["findings"] if each["id"] == id]
