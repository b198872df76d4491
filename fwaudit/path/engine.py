"""The engine: questions about one host, answered for all sources at once (`reach`) or for one packet (`trace`)."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from fwaudit.model.host import Host
from fwaudit.model.verdict import Outcome, Query, Reach, Trace
from fwaudit.netfilter.facts import facts_of
from fwaudit.packet.fields import ICMPV6, MAX_PORT, STATE_ESTABLISHED, STATE_NEW
from fwaudit.packet.intervals import EMPTY, IntervalSet, overlap, united
from fwaudit.path.admission import Admission
from fwaudit.path.arrivals import Key, moved
from fwaudit.path.assume import Assumed
from fwaudit.path.decide import decided_by
from fwaudit.path.deliver import Services
from fwaudit.path.journey import Journey
from fwaudit.path.nat import tuple_ports
from fwaudit.path.reads import mask_of
from fwaudit.path.route import Fib
from fwaudit.path.routing_facts import RoutingFacts
from fwaudit.path.source_ports import special_source_ports
from fwaudit.path.state import PEER, PORT_FIELDS, PacketState, but
from fwaudit.path.tables import Tables
from fwaudit.path.walk import End, Walk, World
from fwaudit.records import replace

if TYPE_CHECKING:
    from fwaudit.path.chain_store import ChainStore

_MOST_ANSWERS = 1 << 16
_WRITES = re.compile(r"--(?:add|del|map)-set (\S+)|\b(?:add|update|delete) @(\S+)")
"""A set that a rule writes to, in a rule's text."""
_DESTINATION_PORTS = ("dport", "orig_dport", "reply_sport")
"""Where rules of a hook find the port that a question names."""


class Engine:
    """Answers questions about the packets of one host. Keeps what it learned, so that later answers are quick.

    ``store``: keeps what engines of several hosts have in common, which are used one after the other.
    """

    def __init__(self, host: Host, store: ChainStore | None = None) -> None:
        self.host = host
        self.fibs = {family: Fib(host, family) for family in (4, 6)}
        self.tables = Tables(host, replace(facts_of(host), routing=RoutingFacts(host, self.fibs)), store)
        self._evaluated_before = self.tables.evaluator.evaluations
        self.services = Services(host)
        self._source_ports: dict[tuple[int, int, str], tuple[IntervalSet, ...]] = {}
        self._answers: dict[Key, tuple[int, tuple[Outcome, ...]]] = {}  # each with the destination that was walked for
        self._blind = {family: _unread_rules(host, family) for family in (4, 6)}
        self._journey = Journey(host, self.tables, self.fibs, Admission(host, self.fibs), self.services)

    @property
    def evaluations(self) -> int:
        """How many chains were evaluated so far (a lost memory shows here before it shows in seconds)."""
        return self.tables.evaluator.evaluations - self._evaluated_before

    def blind(self, family: int) -> bool:
        """True where there are rules of a family that could not be read: then nothing is certain."""
        return bool(self._blind[family])

    def reach(self, query: Query) -> Reach:
        """For each disposition the sources that certainly and possibly come to it.

        Undecided outcomes are kept apart by who answers only; `trace` says what they depend on.
        """
        key = self._journey.arrivals.key(query)
        if key is None:
            return Reach(query, self._outcomes(query))
        known = self._answers.get(key)
        if known is None:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            known = self._answers[key] = query.dst, self._outcomes(query)
        return Reach(query, moved(known[1], known[0], query.dst))

    def _outcomes(self, query: Query) -> tuple[Outcome, ...]:
        walk = self._walk(query, None)
        possibly: dict[End, IntervalSet] = {}
        for end, worlds in walk.ends.items():
            area = worlds[0].peers if len(worlds) == 1 else united(tuple([world.peers for world in worlds]))
            plain = End(end.disposition, end.to) if end.reason else end
            possibly[plain] = possibly[plain] | area if plain in possibly else area
        shared = overlap(tuple(possibly.values())) if len(possibly) > 1 else EMPTY
        return tuple([Outcome(end.disposition, end.to, EMPTY if end.disposition == "undecided" else area - shared, area)
                      for end, area in possibly.items()])

    def special_source_ports(self, family: int, proto: int, device: str) -> tuple[IntervalSet, ...]:
        """As `fwaudit.path.source_ports.special_source_ports`, which every question of a kind has in common."""
        key = family, proto, device
        found = self._source_ports.get(key)
        if found is None:
            found = self._source_ports[key] = special_source_ports(self.tables, *key)
        return found

    def port_ranges(self, family: int, hook: Literal["input", "forward"], device: str) -> list[tuple[int, int]]:
        """The ranges of destination ports, both ends included, that no rule of a hook tells apart. One question for
        each range answers for all 65,536 ports."""
        chains = [self.tables.chain(base, family) for base in self.tables.base_chains(family, hook, device)]
        if any(chain.whole & mask_of(PORT_FIELDS) for chain in chains):
            return [(port, port) for port in range(MAX_PORT + 1)]
        borders = {border for chain in chains for field in _DESTINATION_PORTS
                   for border in chain.classes().borders(field)}
        starts = sorted({0, *(border for border in borders if border <= MAX_PORT)})
        return list(zip(starts, [start - 1 for start in starts[1:]] + [MAX_PORT], strict=True))

    def trace(self, query: Query, *, apart: bool = False, most_walks: int = 256) -> Trace:
        """One packet: ``query.sources`` must be one address (or the host's own choice for a packet it sends).

        A fact that several rules ask about, such as the packet's source port, is one fact; with ``apart`` each rule
        has an answer of its own, as in `reach`. An undecided packet is walked again at most ``most_walks`` times to
        learn what would decide it.
        """
        peer = query.sources.lowest() if query.sources.size(1 << 128) == 1 else None
        if peer is None and not query.iif and not query.hook:
            peer = self._own_source(query)
        if peer is None:
            raise ValueError("a trace needs one source address")
        ends = list(self._walk(query, peer).ends.items())
        end, worlds = ends[0]
        if end.disposition != "undecided" and len({(each.disposition, each.to) for each, _ in ends}) == 1:
            return Trace(end.disposition, end.to, (), worlds[0].steps)
        doubts = dict.fromkeys(text for end, worlds in ends for text in (*worlds[0].doubts, end.reason) if text)
        to = end.to if len({end.to for end, _ in ends}) == 1 else None
        longest = max((worlds[0].steps for _, worlds in ends), key=len)
        return decided_by(lambda assumed: self._walk(query, peer, assumed),
                          Trace("undecided", to, tuple(doubts), longest), most_walks, apart=apart,
                          changing=self._changing)

    def example(self, packet: Query, certainly: bool, most_walks: int = 256) -> Trace:
        """The trace of a packet that stands for many. Where `reach` leaves those open (``certainly`` False), it is
        open, too: a fact that decides for one source need not decide for the others."""
        trace = self.trace(packet, most_walks=most_walks)
        if certainly or trace.disposition == "undecided":
            return trace
        return self.trace(packet, apart=True, most_walks=most_walks)

    @cached_property
    def _changing(self) -> frozenset[str]:
        """Names of sets that rules write to."""
        return frozenset(name for table in self.host.ruleset.tables for chain in table.chains.values()
                         for rule in chain.rules for found in _WRITES.findall(rule.text) for name in found if name)

    def _own_source(self, query: Query) -> int | None:
        hops = self.fibs[query.family].lookup(query.dst)
        state = PacketState(query.family, query.proto, dst=query.dst)
        source = self._journey._own_source(state, hops[0][1]) if hops else None
        return 0 if source is None else source

    def _walk(self, query: Query, peer: int | None, assumed: Assumed | None = None) -> Walk:
        walk = Walk(self.tables, self.host, query.family, peer, assumed)
        peers = query.sources & self.fibs[query.family].universe if peer is None else IntervalSet.of(peer)
        state = PacketState(query.family, query.proto, PEER, query.dst, query.sport, query.dport,
                            128 if query.proto == ICMPV6 else 8, iif=query.iif, oif=query.oif)  # an echo request
        if query.hook:
            there, back = tuple_ports(state)
            tracked = _answer(state) if query.answer else but(
                state, ct_state=STATE_NEW, orig_dst=query.dst, orig_sport=there[0], orig_dport=there[1],
                reply_src=query.dst, reply_sport=back[0], reply_dport=back[1])
            device = query.oif if query.hook == "forward" else query.iif
            for world in walk.hook([World(tracked, peers)], query.hook, device):
                walk.end(world, "accepted")
        elif query.iif in ("", "lo"):
            self._journey.depart(walk, state._replace(iif=""), peers)
        else:
            self._journey.arrive(walk, state, peers)
        if not query.hook:
            for reason in self._blind[query.family]:
                walk.undecided(World(state, peers), reason)
        return walk


_SYN_ACK = 18


def _answer(state: PacketState) -> PacketState:
    """The peer's answer to a connection that ``dst`` opened, as FORWARD sees it: translated back already."""
    state = but(state, icmp_type=129 if state.proto == ICMPV6 else 0)  # an echo reply
    back, there = tuple_ports(state)  # the connection's first packet went the other way
    return but(
        state, tcp_flags=_SYN_ACK, ct_state=STATE_ESTABLISHED, ct_direction=1, ct_snat=1, orig_src=state.dst,
        orig_dst=PEER, orig_sport=there[0], orig_dport=there[1], reply_src=PEER, reply_dst=state.dst,
        reply_sport=back[0], reply_dport=back[1])


def _unread_rules(host: Host, family: int) -> list[str]:
    """Why there may be rules for a family that nobody has read. An ipset that was not read shows in its rules."""
    return [f"rules that were not read ({name}: {why})" for name, why in host.ruleset.unread
            if name.startswith(("iptables/", "nft/")) and not name.endswith(".v6" if family == 4 else ".v4")]
