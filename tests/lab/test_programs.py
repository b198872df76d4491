"""Rulesets as programs load them: the tools print them as stored, and the kernel does with packets what is said."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from oracle_frames import ICMP, TCP, UDP, Packet
from oracle_predict import Predictor, judge
from oracle_world import Case, World
from requirements import requires

from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.rulesets import parse_ruleset

pytestmark = pytest.mark.lab

DATA = Path(__file__).parent.parent / "data" / "programs"
NAMES = sorted(path.name for path in DATA.iterdir() if path.name[0] != "_")
PACKETS = 600
_SOURCES = {"iptables/nft.v4": "nft.v4", "iptables/nft.v6": "nft.v6", "ipset/save": "ipset", "load.nft": "native"}
_INTERFACES = ("eth0", "eth1", "wg0", "docker0")
_SENDERS = ("198.51.100.7", "192.168.50.20", "10.8.0.5", "172.17.0.9")
_TARGETS = ("203.0.113.10", "203.0.113.11", "172.17.0.2", "172.17.0.3", "192.168.50.20", "10.8.0.1", "8.8.8.8",
            "127.0.0.1")


def case_of(name: str) -> Case:
    folder = DATA / name
    rules = {kind: (folder / source).read_text() for source, kind in _SOURCES.items() if (folder / source).exists()}
    commands = folder / "load.ip"
    return Case(rules, ip=commands.read_text().split("\n")[:-1] if commands.exists() else [])


def packets_for(name: str) -> Iterator[Packet]:
    """Packets from and to the addresses and ports that the ruleset names, their neighbours, and the host's own."""
    rng = random.Random(name)
    text = "\n".join(case_of(name).rules.values())
    named = [int(ipaddress.ip_address(each)) for each in sorted(set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)))]
    near = [each + step for each in named for step in (-1, 0, 1, 5)]
    near = [each for each in near if 0 < each < 1 << 32]
    numbers = {int(each) for each in re.findall(r"(?:port|ports|dports) (\d+)", text)}
    ports = sorted({each + step for each in numbers | {22, 80} for step in (-1, 0, 1) if 0 < each + step < 65536})
    while True:
        place = rng.randrange(len(_INTERFACES))
        src = rng.choice(near) if rng.random() < 0.5 else int(ipaddress.ip_address(_SENDERS[place]))
        dst = rng.choice(near) if rng.random() < 0.3 else int(ipaddress.ip_address(rng.choice(_TARGETS)))
        if _INTERFACES[place] == "docker0" and dst >> 16 == 0xAC11:
            continue  # neighbours on a bridge do not send to each other through us
        proto = rng.choices((TCP, UDP, ICMP), (6, 3, 1))[0]
        port = rng.choice(ports)
        yield (Packet(4, _INTERFACES[place], src, dst, ICMP, 77, 0, 8) if proto == ICMP
               else Packet(4, _INTERFACES[place], src, dst, proto, rng.randint(32768, 60999), port))


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_does_what_is_said(name: str) -> None:
    requires("iptables-nft-restore", "nft", "ipset", "ip", root=True)
    world = World()
    try:
        case = case_of(name)
        world.load(case)
        files = world.snapshot(case)
        stored = {path.relative_to(DATA / name).as_posix(): path.read_bytes() for path in (DATA / name).rglob("*.*")}
        said, kept = parse_ruleset(Snapshot(files)), parse_ruleset(Snapshot(stored))
        assert {(table.family, table.name) for table in said.tables} == {
            (table.family, table.name) for table in kept.tables}
        for mine, theirs in zip(said.tables, kept.tables, strict=True):
            for chain, other in zip(mine.chains.values(), theirs.chains.values(), strict=True):
                assert [rule.text for rule in chain.rules] == [rule.text for rule in other.rules]
        predictor = Predictor(files)
        made = packets_for(name)
        asked = [next(made) for _ in range(PACKETS)]
        wrong = [(packet, kernel, engine) for packet, kernel in zip(asked, world.ask(asked), strict=True)
                 for engine in (predictor.trace(packet), predictor.reach(packet))
                 if judge(kernel, engine, predictor.answerable(packet)) == "disagree"]
        assert not wrong, (len(wrong), wrong[0])
        undecided = sum(predictor.trace(packet).kind == "undecided" for packet in asked)
        assert undecided < PACKETS / 4, "too much of it is undecided to prove anything"
    finally:
        world.close()
