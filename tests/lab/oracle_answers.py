"""Connections instead of first packets: the kernel lets the first one through and confirms it, an answer is sent from
where it arrived, and whether that gets back to the client is held against the engine's *delivered*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import oracle_frames as frames
from oracle_frames import Packet
from oracle_namespace import one_cpu
from oracle_nflog import flush_conntrack
from oracle_predict import Predictor, place_of, query_of
from oracle_world import Verdict, World

from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.admission import special_destination
from fwaudit.path.journey import Journey
from fwaudit.path.walk import Walk
from fwaudit.path.walk import World as Peers

_SYN_ACK = 18


class Connection(NamedTuple):
    """What became of a first packet, and whether the answer to it came back to the client as one to what it sent."""

    first: Verdict
    answered: bool


def connect(world: World, packets: Sequence[Packet]) -> dict[Packet, Connection]:
    """The TCP packets among these, as far as their connections do not meet in one tuple. The case has to be loaded."""
    world.let_through()
    asked = _apart(packet for packet in packets if packet.proto == frames.TCP)
    with one_cpu():
        try:
            base = world.tag + 1
            arrived = {asked[tag - base]: (tag, seen) for tag, seen in world.watch(asked).items()}
            answers = {packet: _answer(packet, seen, tag) for packet, (tag, seen) in arrived.items()}
            base = world.tag + 1
            back = list(answers)
            turned = {back[tag - base]: seen for tag, seen in world.watch(list(answers.values())).items()}
        finally:
            with world.machine.inside():
                flush_conntrack()
    return {packet: Connection(seen, _is_answer(turned.get(packet), packet)) for packet, (_, seen) in arrived.items()}


def _apart(packets: Any) -> list[Packet]:
    """Packets of which none is in the connection of another, in either direction."""
    out: list[Packet] = []
    seen: set[tuple[int, ...]] = set()
    for packet in packets:
        tuples = {(packet.src, packet.dst, packet.sport, packet.dport), (packet.dst, packet.src, packet.dport,
                                                                         packet.sport)}
        if not tuples & seen:
            seen |= tuples
            out.append(packet)
    return out


def _answer(packet: Packet, seen: Verdict, tag: int) -> Packet:
    """A SYN/ACK from whoever got the packet."""
    return Packet(packet.family, seen.oif, seen.dst, seen.src, frames.TCP, seen.dport, seen.sport, flags=_SYN_ACK,
                  ack=(tag + 1) & 0xFFFFFFFF)


def _is_answer(seen: Verdict | None, packet: Packet) -> bool:
    return seen is not None and seen.kind == "out" and (seen.src, seen.dst, seen.sport, seen.dport) == (
        packet.dst, packet.src, packet.dport, packet.sport)


class _ToTheEnd(Journey):
    """Whoever gets the packet answers it."""

    def deliver(self, walk: Walk, world: Peers) -> None:
        self._back.from_host(walk, world, place_of("input", world))

    def _reach_next(self, walk: Walk, world: Peers) -> None:
        self._back.from_beyond(walk, world, place_of(world.state.oif, world), (world.state.oif,))


class AnswerPredictor(Predictor):
    """The engine, asked whether packets are delivered, which takes their answers."""

    journey = _ToTheEnd

    def is_plain(self, packet: Packet) -> bool:
        """Whether the packet is one machine's to another one: addresses of this host come in by no honest wire, and
        nobody answers for a group."""
        fib = self.engine.fibs[packet.family]
        if not packet.src or special_destination(packet.family, packet.dst) is not None:
            return False
        return fib.lookup(packet.src)[0][1].kind == "unicast" and fib.lookup(packet.dst)[0][1].kind in (
            "unicast", "local")

    def is_fair(self, packet: Packet, connection: Connection, routed: bool) -> bool:
        """Whether the answer that is sent here is sent as a real one would be.

        A bare socket does not know its peer's link, nor what a policy rule makes of its own address; and who is on the
        same bridge as the client answers it without this host.
        """
        seen = connection.first
        if seen.kind == "input":
            return not routed and not (packet.family == 6 and packet.src >> 118 == 0xFE80 >> 6)
        return seen.oif != packet.iif or self.host.interfaces[seen.oif].kind != "bridge"

    def dispositions(self, packet: Packet) -> tuple[set[str], set[str]]:
        """What may become of it: of one packet, and of all sources at once."""
        one = self.engine._walk(query_of(packet, IntervalSet.of(packet.src)), packet.src)
        everybody = self.engine._walk(query_of(packet, ALL), None)
        return {end.disposition for end in one.ends}, {
            end.disposition for end, worlds in everybody.ends.items()
            if any(packet.src in world.peers for world in worlds)}


def faults(connection: Connection, said: set[str]) -> str:
    """What is wrong with what the engine says of a packet that arrived; empty where nothing is."""
    if "undecided" in said:
        return ""
    if connection.answered and "delivered" not in said:
        return "said lost, answered"
    return "said answered, lost" if not connection.answered and said == {"delivered"} else ""
