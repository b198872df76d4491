"""Probes: real packets from everywhere to everything, and what became of them.

Silence means *dropped*, and takes a timeout to be heard; so all probes are fired at once, and what was not answered is
asked once more, so that a busy machine cannot pass for a firewall.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dockerd import Container
from machine import ADDRESSES, HERE, LAN, PUB, PYTHON, Machine

CLOSED = ("tcp", 9999)
"""Nobody listens there: the control."""

_TIMEOUT = 0.6
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Probe:
    """One packet. ``place``: pub, lan, host (the machine itself), or a container's name. ``iif``: the machine's
    interface that it comes in by; None for one of its own, which chooses its source itself."""

    place: str
    iif: str | None
    src: str | None
    dst: str
    port: int
    proto: str

    def query(self, number: int) -> dict[str, Any]:
        """The same question, for `trace --batch`."""
        asked = {"id": number, "in": self.iif, "dst": self.dst, "dport": self.port, "proto": self.proto}
        return asked if self.src is None else {**asked, "src": self.src}


@dataclass(frozen=True)
class Outcome:
    """``how``: reply, refused, timeout, unreach, ... ``by``: who replied, a container's name or HOST. ``saw``: the
    source address that it saw."""

    how: str
    ms: int
    by: str | None = None
    port: int | None = None
    saw: str | None = None


def fire(machine: Machine, probes: Sequence[Probe]) -> list[Outcome]:
    """Fire all probes at once, and what was not answered once more."""
    outcomes = _fire(machine, probes)
    silent = [number for number, outcome in enumerate(outcomes) if outcome.how == "timeout"]
    for number, outcome in zip(silent, _fire(machine, [probes[each] for each in silent]), strict=True):
        outcomes[number] = outcome
    return outcomes


def _fire(machine: Machine, probes: Sequence[Probe]) -> list[Outcome]:
    places: dict[str, list[int]] = {}
    for number, probe in enumerate(probes):
        places.setdefault(probe.place, []).append(number)
    pids = {container.name: container.pid for container in machine.docker.containers()}
    shooters = {place: _shooter(machine, place, pids) for place in places}
    for place, shooter in shooters.items():
        assert shooter.stdin is not None
        with shooter.stdin:
            json.dump([asdict(probes[number]) for number in places[place]], shooter.stdin)
        shooter.stdin = None
    outcomes: dict[int, Outcome] = {}
    for place, shooter in shooters.items():
        said, trouble = shooter.communicate()
        assert shooter.returncode == 0, trouble
        outcomes.update(zip(places[place], (Outcome(**each) for each in json.loads(said)), strict=True))
    return [outcomes[number] for number in range(len(probes))]


def _shooter(machine: Machine, place: str, pids: dict[str, int]) -> subprocess.Popen[str]:
    argv = [PYTHON, "-S", "-E", str(HERE / "share/probe.py"), str(_TIMEOUT)]
    pipe = subprocess.PIPE
    pipes: dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True}
    if place in machine.outside:
        with machine.outside[place].inside():
            return subprocess.Popen(argv, **pipes)
    argv[3] = "/lab/probe.py"
    if place != "host":
        argv = ["nsenter", f"--net=/proc/{pids[place]}/ns/net", *argv]
    return subprocess.Popen(machine.command(argv), env=machine.env, **pipes)


def everything(machine: Machine) -> list[Probe]:
    """Every probe that this lab can fire: from everywhere to every address × every port that means something."""
    containers = machine.docker.containers()
    return [probe for dst, port, proto, owner in _targets(machine, containers)
            for probe in _sources(containers, dst, port, proto, owner)]


def _targets(machine: Machine, containers: Sequence[Container]) -> Iterator[tuple[str, int, str, str]]:
    """(address, port, protocol, the container that has the address or empty)."""
    ports = {CLOSED, *machine.services}
    for container in containers:
        ports.update(container.listens if container.host_network else ())
        for proto, outer, inner in container.published:
            ports |= {(proto, outer), (proto, inner)}  # is the container's own port open on the host, too?
    for dst in (*ADDRESSES, *_LOOPBACK, *machine.docker.gateways()):
        for proto, port in sorted(ports):
            yield dst, port, proto, ""
    for container in containers:
        for attachment in container.attachments:
            for dst in attachment.addresses:
                for proto, port in container.listens:
                    yield dst, port, proto, container.name


def _sources(containers: Sequence[Container], dst: str, port: int, proto: str, owner: str) -> Iterator[Probe]:
    family = 6 if ":" in dst else 4
    for outside in (PUB, LAN) if dst != "::1" else ():
        for src in outside.sources(family):
            yield Probe(outside.name, outside.iif, src, dst, port, proto)
    yield Probe("host", None, None, dst, port, proto)
    for container in containers:
        # one in several networks chooses its way out by itself, so it is no source
        if container.host_network or dst in _LOOPBACK or owner == container.name or len(container.attachments) != 1:
            continue
        attachment = container.attachments[0]
        for src in attachment.addresses:
            if (":" in src) == (family == 6):
                yield Probe(container.name, attachment.bridge, src, dst, port, proto)


def who_answers(answer: dict[str, Any]) -> str | None:
    """Who replies, according to a trace: HOST, a container's name, or None where nobody does."""
    if answer["disposition"] != "delivered":
        return None if answer["disposition"] != "undecided" else "undecided"
    to = answer["to"]
    return "HOST" if to["kind"] == "host-socket" else str(to["name"])
