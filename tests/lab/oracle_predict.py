"""What our engine says of the packets that the kernel is asked about, in the kernel's terms.

The engine's own walk is used up to the last hook; who listens there and whether the answer gets back is left out, since
the oracle's packets end there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from oracle_frames import Packet
from oracle_world import Verdict

from fwaudit.model.host import Host
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Answerer, Query
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine
from fwaudit.path.journey import Journey
from fwaudit.path.walk import Walk, World

Judgement = Literal["agree", "undecided", "disagree"]


class Prediction(NamedTuple):
    """Everything that may become of a packet. ``kind`` of a way: input, out, rejected, dropped, no-route, undecided.

    A ``src`` of -1 is one that the engine does not tell.
    """

    ways: frozenset[Verdict]
    doubts: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The one kind that it can only be, else undecided."""
        kinds = {way.kind for way in self.ways}
        return next(iter(kinds)) if len(self.ways) == 1 else "undecided"


class _UntilTheEnd(Journey):
    """Ends each world where the oracle sees it: behind input, and behind postrouting."""

    def deliver(self, walk: Walk, world: World) -> None:
        walk.end(world, "accepted", to=place_of("input", world))

    def _reach_next(self, walk: Walk, world: World) -> None:
        walk.end(world, "accepted", to=place_of(world.state.oif, world))


def place_of(name: str, world: World) -> Answerer:
    """Where a world ended, as somebody who answers there."""
    state = world.state
    src = state.reply_dst if state.ct_snat else state.src
    unknown = "-1" if state.ct_snat else ""  # empty: as it was sent
    return Answerer("elsewhere", name, state.family, state.dst or 0, state.dport or 0,
                    unknown if src is None else str(src))


class Predictor:
    """The engine, asked for one snapshot."""

    journey: type[Journey] = _UntilTheEnd

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.host: Host = parse_host(Snapshot(files))
        self.engine = Engine(self.host)
        old: Any = self.engine._journey
        self.engine._journey = self.journey(old.host, old.tables, old.fibs, old.admission, old.services)
        self._seen: dict[Query, list[tuple[Verdict, str, IntervalSet]]] = {}

    def trace(self, packet: Packet) -> Prediction:
        """One packet, rule by rule."""
        walk = self.engine._walk(query_of(packet, IntervalSet.of(packet.src)), packet.src)
        ways: set[Verdict] = set()
        doubts: dict[str, None] = {}
        for end, worlds in walk.ends.items():
            ways.add(_verdict(end.disposition, end.to, packet.src))
            for text in (*worlds[0].doubts, end.reason):
                if text:
                    doubts[text] = None
        return Prediction(frozenset(ways), tuple(doubts))

    def reach(self, packet: Packet) -> Prediction:
        """The same from the walk of all sources at once."""
        query = query_of(packet, ALL)
        areas = self._seen.get(query)
        if areas is None:
            walk = self.engine._walk(query, None)
            areas = self._seen[query] = [
                (_verdict(end.disposition, end.to, -1), end.reason, world.peers)
                for end, worlds in walk.ends.items() for world in worlds]
        ways = {verdict for verdict, _, peers in areas if packet.src in peers}
        doubts = {reason: None for _, reason, peers in areas if reason and packet.src in peers}
        return Prediction(frozenset(ways), tuple(doubts))


    def answerable(self, packet: Packet) -> bool:
        """Whether the kernel can tell the sender of a refusal, wherever it comes about: never for groups, nor without
        a way back, nor a sender that claims an address of the host (icmp_send, icmp6_send, nf_reject)."""
        if packet.family == 4:
            if packet.src >> 24 in (0, 127) or packet.src >> 28 >= 14 or packet.dst >> 24 == 127:
                return False
        elif packet.dst in (0, 1) or 0xFFFF in (packet.dst >> 32, packet.src >> 32):
            return False  # nobody, or an IPv4 address
        elif packet.src & (1 << 64) - 1 == 0 or packet.src >> 118 == 0xFE80 >> 6:
            return False  # a subnet's routers, or somebody on one of many links
        fib = self.engine.fibs[packet.family]
        back, there = fib.lookup(packet.src)[0][1].kind, fib.lookup(packet.dst)[0][1].kind
        group = packet.dst >> 28 >= 14 if packet.family == 4 else packet.dst >> 120 == 0xFF
        return back == "unicast" and there != "broadcast" and not group


def query_of(packet: Packet, sources: IntervalSet) -> Query:
    """A packet as a question about these sources."""
    return Query(packet.family, packet.iif, packet.dst, packet.proto, packet.dport, sources, packet.sport)


def _verdict(disposition: str, to: Answerer | None, src: int) -> Verdict:
    if disposition != "accepted" or to is None:
        return Verdict(disposition)
    source = int(to.via) if to.via else src
    if to.name == "input":
        return Verdict("input", "", source, to.address, to.port)
    return Verdict("out", to.name, source, to.address, to.port)


def judge(kernel: Verdict, prediction: Prediction, answerable: bool) -> Judgement:
    """Whether what the kernel did is what the engine says: *undecided* where the engine allows more than that.

    ``answerable``: a refusal can be told to the sender; where it cannot, it is a loss.
    """
    if not any(_same(kernel, way, answerable) for way in prediction.ways):
        return "undecided" if any(way.kind == "undecided" for way in prediction.ways) else "disagree"
    return "agree" if len(prediction.ways) == 1 else "undecided"


def _same(kernel: Verdict, way: Verdict, answerable: bool) -> bool:
    if way.kind in ("input", "out"):
        return ((kernel.kind, kernel.oif, kernel.dst, kernel.dport) == (way.kind, way.oif, way.dst, way.dport)
                and (way.src in (-1, kernel.src) or way.kind == "input"))
    if way.kind == "rejected":
        return kernel.kind == "rejected" or (kernel.kind == "lost" and not answerable)
    if way.kind == "dropped":
        return kernel.kind == "lost"
    if way.kind == "no-route":
        return kernel.kind == "lost" or (kernel.kind == "rejected" and kernel.how in _NO_ROUTE)
    return False


_NO_ROUTE = ((3, 0), (3, 1), (3, 13), (1, 0), (1, 1), (1, 2), (1, 3))
"""ICMP errors (3 of IPv4, 1 of IPv6) that routing itself sends."""
