"""Preview against what happens: a Compose file is previewed on a machine, then its containers are started there, and
every packet has to become what the preview said of it; and so has every verdict of the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from machine import Machine
from probes import everything, fire, who_answers

pytestmark = pytest.mark.lab

_FILE = "/srv/shop/compose.yaml"
_KEPT = "/root/would-be.tar.gz"


@dataclass(frozen=True)
class Story:
    """``before``: what the machine is. ``compose``: the file. ``up``: the same, with docker run."""

    before: Callable[[Machine], None]
    compose: str
    up: Callable[[Machine], None]


def _usual(machine: Machine) -> None:
    machine.ufw("allow 22/tcp", "allow 8080/tcp", "deny 5432")
    machine.listen("tcp:22")
    machine.docker.start()


def _up_usual(machine: Machine) -> None:
    machine.docker.network("shop_default")
    machine.docker.run("shop-db-1", "127.0.0.1:5432:5432", "192.168.50.10:5433:5432", network="shop_default")
    machine.docker.run("shop-web-1", "8080:80", "9000-9002:9000-9002", "5353:53/udp", "[::1]:8443:80",
                       network="shop_default")


USUAL = Story(_usual, """
services:
  db:
    image: lab:1
    ports:
      - 127.0.0.1:5432:5432
      - {target: 5432, published: "5433", host_ip: 192.168.50.10}
  web:
    image: lab:1
    ports: ["8080:80", "9000-9002:9000-9002", "5353:53/udp", "[::1]:8443:80"]
""", _up_usual)


def _with_another(machine: Machine) -> None:
    """A container is there already, and IPv6 forwarding is off: the file's network switches it on."""
    _usual(machine)
    machine.docker.run("old", "7000:70")


def _up_two_networks(machine: Machine) -> None:
    machine.docker.network("shop_front", "172.31.5.0/24", "fd00:5::/64", EnableIPv6=True)
    machine.docker.network("shop_back", "172.31.6.0/24", Internal=True)
    machine.docker.run("shop-db-1", "5432:5432", network="shop_back")
    machine.docker.run("shop-web-1", "8080:80", "9000:9000/udp", network="shop_front")


TWO_NETWORKS = Story(_with_another, """
services:
  db:
    image: lab:1
    ports: ["5432:5432"]
    networks: [back]
  web:
    image: lab:1
    ports: ["8080:80", "9000:9000/udp"]
    networks: [front]
networks:
  front:
    enable_ipv6: true
    ipam: {config: [{subnet: 172.31.5.0/24}, {subnet: "fd00:5::/64"}]}
  back:
    internal: true
    ipam: {config: [{subnet: 172.31.6.0/24}]}
""", _up_two_networks)


def _without_proxy(machine: Machine) -> None:
    machine.ufw("allow 22/tcp")
    machine.docker.start("--userland-proxy=false")


def _without_rules(machine: Machine) -> None:
    machine.ufw("allow 22/tcp", "allow 8080/tcp")
    machine.docker.start("--iptables=false")


def _up_plain(machine: Machine) -> None:
    machine.docker.network("shop_default")
    machine.docker.run("shop-web-1", "8080:80", "8081:81", "127.0.0.1:8082:82", network="shop_default")


_PLAIN = """
services:
  web:
    image: lab:1
    ports: ["8080:80", "8081:81", "127.0.0.1:8082:82"]
"""
WITHOUT_PROXY = Story(_without_proxy, _PLAIN, _up_plain)
WITHOUT_RULES = Story(_without_rules, _PLAIN, _up_plain)


def _with_rules_of_the_admin(machine: Machine) -> None:
    """A rule at the top of FORWARD, above which up to 27 the rules of every new network go, and one in DOCKER-USER."""
    _usual(machine)
    machine.sh("iptables -I FORWARD 1 -i eth0 -p tcp --dport 80 -j DROP;"
               "iptables -I DOCKER-USER -i eth1 -p tcp --dport 81 -j DROP")


def _up_in_many(machine: Machine) -> None:
    for name in ("zz", "aa", "mm"):
        machine.docker.network(f"shop_{name}", Internal=name == "aa")
    machine.docker.run("shop-one-1", "8080:80", "8081:81", network="shop_zz", also=["shop_aa", "shop_mm"])
    machine.docker.run("shop-two-1", "8082:80", "8083:81", network="shop_aa", also=["shop_zz"])


MANY = Story(_with_rules_of_the_admin, """
services:
  one:
    image: lab:1
    ports: ["8080:80", "8081:81"]
    networks: [zz, aa, mm]
  two:
    image: lab:1
    ports: ["8082:80", "8083:81"]
    networks: [aa, zz]
networks:
  zz: {}
  aa: {internal: true}
  mm: {}
""", _up_in_many)


@pytest.mark.parametrize("story", [USUAL, MANY, TWO_NETWORKS, WITHOUT_PROXY, WITHOUT_RULES],
                         ids=["usual", "many", "two_networks", "without_proxy", "without_rules"])
def test_a_preview_comes_true(story: Story, machine: Machine) -> None:
    story.before(machine)
    file = machine.root / _FILE.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text(story.compose)
    previewed = machine.fwaudit("preview", _FILE, "--format", "json", "--keep", _KEPT)
    assert previewed.returncode in (0, 1, 2), previewed.stdout + previewed.stderr
    report = json.loads(previewed.stdout)
    assert not report["unread"]
    story.up(machine)
    _check_packets(machine)
    _check_verdicts(machine, report)


def _check_packets(machine: Machine) -> None:
    """Probe for probe: delivered, and by whom, if and only if there was a reply from there."""
    probes = [replace(each, iif=_would_be_name(machine, each.iif)) for each in everything(machine)]
    outcomes = fire(machine, everything(machine))
    queries = "".join(json.dumps(probe.query(number)) + "\n" for number, probe in enumerate(probes))
    traced = machine.fwaudit("trace", "--snapshot", _KEPT, "--batch", "-", stdin=queries)
    assert traced.returncode == 0, traced.stderr
    answers = [json.loads(line) for line in traced.stdout.splitlines()]
    wrong = [(probe, outcome, answer) for probe, outcome, answer in zip(probes, outcomes, answers, strict=True)
             if who_answers(answer) != outcome.by]
    assert not wrong, f"{len(wrong)} of {len(probes)} probes, the first of them: {wrong[0]}"
    assert any(outcome.by for outcome in outcomes) and not all(outcome.by for outcome in outcomes)


def _would_be_name(machine: Machine, interface: str | None) -> str | None:
    """A network's bridge in the preview; its name is made of an id that nobody knows beforehand."""
    real = {f"br-{each['Id'][:12]}": each["Name"] for each in machine.docker.api("GET", "/networks")}
    if interface not in real:
        return interface
    archive = machine.run("tar", "-xzOf", _KEPT, "docker/networks.json")
    ids = {each["Name"]: each["Id"] for each in json.loads(archive.stdout)}
    return f"br-{ids[real[interface]][:12]}"


def _check_verdicts(machine: Machine, previewed: dict[str, Any]) -> None:
    """What the report says of the containers that run is what the preview said of them."""
    reported = machine.fwaudit("report", "--format", "json")
    assert reported.returncode == 0, reported.stderr
    assert _verdicts(json.loads(reported.stdout)) == _verdicts(previewed)


def _verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {f"{each['kind']} {each['container']} {each['host_address']}{each['container_address']} {each['host_port']} "
            f"{each['container_port']} {each['protocol']} {each['family']}": each["verdict"]
            for each in report["exposures"] if each["container"].startswith("shop-")}
