"""What asking does to a host, which is nothing; and what is said where Docker cannot be asked."""

from __future__ import annotations

import json

import pytest
from machine import Machine
from probes import everything, fire

pytestmark = pytest.mark.lab

_SNAPSHOT = "/tmp/host.tar.gz"

# Counters go up by themselves. The savers make no table; `iptables -L` would. ufw.lock is taken by `ufw status`.
_STATE = r"""
for saver in iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save; do
  echo "== $saver"
  $saver 2>/dev/null | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//'
done
nft list ruleset | sed -e 's/counter packets [0-9]* bytes [0-9]*//'
ipset save
cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null
cut -d ' ' -f 1 /proc/modules | sort
sysctl -a 2>/dev/null | grep -E '^net\.(ipv4\.(ip_forward|conf)|ipv6\.conf|bridge)'
ip -o addr | sed -e 's/valid_lft.*//'
ip route show table all
ip -6 route show table all | sed -e 's/expires.*//'
ss -Hlntu | sort
find /etc /root /run /var -xdev -newer /tmp/stamp -type f ! -name ufw.lock
"""
_SETTLE = "while ip -6 addr show tentative | grep -q .; do sleep 0.1; done; touch /tmp/stamp; sleep 0.05"
_ASKED = (
    ("report",), ("report", "--format", "json"), ("snapshot", "-o", _SNAPSHOT),
    ("trace", "--in", "eth0", "--from", "198.51.100.7", "--to", "203.0.113.10:5432/tcp"),
)


def _denied_but_published(machine: Machine) -> None:
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.listen("tcp:22")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_reading_changes_nothing(backend: str, machine: Machine) -> None:
    for name in ("iptables", "ip6tables"):
        machine.sh(f"update-alternatives --set {name} /usr/sbin/{name}-{backend}")
    _denied_but_published(machine)
    machine.sh(_SETTLE)
    before = machine.sh(_STATE).splitlines()
    assert any("--dport 5432 -j DNAT" in line for line in before)
    for arguments in _ASKED:
        asked = machine.fwaudit(*arguments)
        assert asked.returncode == 0, (arguments, asked.stderr)
    after = machine.sh(_STATE).splitlines()
    assert ([line for line in after if line not in before], [line for line in before if line not in after]) == ([], [])
    assert after == before


def test_a_daemon_that_does_not_answer_is_said_and_its_rules_still_count(machine: Machine) -> None:
    """A killed daemon leaves containers and rules behind: who asks only its API would say that nothing is open."""
    _denied_but_published(machine)
    probes = [probe for probe in everything(machine) if probe.place != "pg"]
    machine.docker.kill()
    outcomes = fire(machine, probes)
    assert {outcome.by for probe, outcome in zip(probes, outcomes, strict=True)
            if (probe.place, probe.dst, probe.port) == ("pub", "203.0.113.10", 5432)} == {"pg"}
    machine.fwaudit("snapshot", "-o", _SNAPSHOT)
    for arguments in (("--snapshot", _SNAPSHOT), ()):
        reported = machine.fwaudit("report", "--format", "json", *arguments)
        assert reported.returncode == 3, reported.stderr
        report = json.loads(reported.stdout)
        assert not report["complete"] and [each["source"] for each in report["unread"]] == ["docker"]
        assert [each["verdict"] for each in report["exposures"] if each["host_port"] == 5432] == ["bypass"]
    assert "docker could not be asked" in " ".join(machine.fwaudit("report").stdout.split())

    queries = "".join(json.dumps(probe.query(number)) + "\n" for number, probe in enumerate(probes))
    traced = machine.fwaudit("trace", "--snapshot", _SNAPSHOT, "--batch", "-", stdin=queries)
    answers = [json.loads(line) for line in traced.stdout.splitlines()]
    for probe, outcome, answer in zip(probes, outcomes, answers, strict=True):
        if answer["disposition"] == "undecided":  # nobody is there to tell that a container has this address
            assert probe.dst == "172.17.0.2", (probe, answer)
        else:
            assert (answer["disposition"] == "delivered") == (outcome.by is not None), (probe, outcome, answer)
