"""The way of a first packet through a host, for all peers at once or for one, and of the answer back.

A walk carries *worlds*: a packet's state and the peers for which it is in that state. Rules, NAT and routing split
worlds; whatever ends one is noted with its peers as a result. A peer with one result is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Dnat, Hook, NetmapDnat, Redirect, Snat
from fwaudit.model.verdict import Answerer, Disposition, Step
from fwaudit.netfilter.hooks import BaseChain
from fwaudit.packet.fields import STATE_ESTABLISHED, STATE_INVALID, STATE_NEW, STATE_UNTRACKED
from fwaudit.packet.intervals import IntervalSet
from fwaudit.packet.steps import StepFunction
from fwaudit.path import nat
from fwaudit.path.assume import Assumed
from fwaudit.path.outcome import Outcome, changed
from fwaudit.path.point import Given, Met, walk_chain
from fwaudit.path.state import DESTINATION_DONE, SOURCE_DONE, PacketState, but
from fwaudit.path.tables import Line, Stop, Tables
from fwaudit.records import NamedTuple

_Each = TypeVar("_Each")
ONE_OF_ROUTES = "which interface of a multipath route it takes"


class World(NamedTuple):
    """A packet's state and the peers for which it is in that state. ``steps`` and ``doubts``: of a single packet."""

    state: PacketState
    peers: IntervalSet
    steps: tuple[Step, ...] = ()
    doubts: tuple[str, ...] = ()

    def among(self, peers: IntervalSet) -> World:
        """The world of these peers alone."""
        return self if peers is self.peers else World(self.state, peers, self.steps, self.doubts)

    def but(self, **changes: object) -> World:
        """The world with its packet changed."""
        return World(but(self.state, **changes), self.peers, self.steps, self.doubts)


class End(NamedTuple):
    """Where worlds end: a disposition and who answers; ``reason`` says what an undecided one depends on."""

    disposition: Disposition
    to: Answerer | None = None
    reason: str = ""


class Walk:
    """One question under way: its worlds go through hooks, its results are collected in ``ends``. ``met``: the hooks.

    ``peer`` is the one source of a trace, None where all are asked at once. ``assumed``: what is taken for true of
    facts that nobody knows, so that the one packet has one way; None: each goes both ways.
    """

    __slots__ = ("_below", "assumed", "ends", "family", "host", "met", "peer", "tables")

    def __init__(self, tables: Tables, host: Host, family: int, peer: int | None = None,
                 assumed: Assumed | None = None) -> None:
        self.tables = tables
        self.host = host
        self.family = family
        self.peer = peer
        self.assumed = assumed
        self._below = tables.below if tables.below.exists else None
        self.ends: dict[End, list[World]] = {}
        self.met: set[Hook] = set()

    # ---- results ----------------------------------------------------------------------------------------------------

    def end(self, world: World, disposition: Disposition, text: str = "", does: str = "", *, hook: str = "",
            to: Answerer | None = None, reason: str = "") -> None:
        """Note that a world ends here; ``text`` is a step for what the kernel did without a rule."""
        if not world.peers.bounds:
            return
        if text and self.peer is not None:
            world = world._replace(steps=(*world.steps, kernel_step(self.family, hook, text, does)))
        self.ends.setdefault(End(disposition, to, reason), []).append(world)

    def undecided(self, world: World, reason: str) -> None:
        """Note that nobody can say what becomes of a world."""
        self.end(world, "undecided", reason=reason)

    def refuse(self, world: World, refused: Sequence[tuple[IntervalSet, str]], words: str) -> World:
        """Without the peers that routing refuses, and those of whom nobody knows whether it does: (area, why, or
        nothing). ``words``: what it does to them, ``{}`` being the interface."""
        for area, why in refused:
            here, rest = world.peers.divide(area)
            if not here.bounds:
                continue
            if why:
                self.undecided(world.among(here), why)
            else:
                self.end(world.among(here), "dropped", words.format(world.state.iif), "drop", hook="routing")
            world = world.among(rest)
        return world

    def one_of(self, these: Sequence[_Each], words: str, label: Callable[[_Each], str] = str) -> Sequence[_Each]:
        """All of several that the kernel may take; where facts are assumed, the one that it takes.

        ``words``: what decides between them.
        """
        if self.assumed is None or len(these) < 2:
            return these
        place = self.assumed.one_of((words, len(these)), words, [label(each) for each in these])
        return these[place : place + 1]

    # ---- hooks ------------------------------------------------------------------------------------------------------

    def hook(self, worlds: list[World], hook: Hook, device: str, *, looped: bool = False) -> list[World]:
        """Run every base chain of a hook, in order; the worlds that are let through. Egress is behind postrouting.

        ``looped``: prerouting of a packet that this host sent to itself. It keeps the connection that it got on
        output, and NAT of its destination is settled (nf_conntrack_in, nf_nat_initialized).
        """
        if self._below is not None and not looped:
            for world in worlds:
                for why in self._below.why(hook, device, crossing=bool(world.state.bridged)):
                    self.undecided(world, why)
        self.met.add(hook)
        lines = self.tables.lines(self.family, hook, device)
        if len(lines) == 1:
            worlds = self._pass(worlds, lines[0], hook, looped)
        elif lines:
            worlds = [world for line in lines for world in self._pass(worlds, line, hook, looped)]
        else:
            for world in worlds:
                self.undecided(world, f"the order of the chains of one priority on {hook}")
            return []
        if len(worlds) > 1:
            worlds = _merge(worlds)
        return self.hook(worlds, "egress", device) if hook == "postrouting" and self.tables.has_egress else worlds

    def _pass(self, worlds: list[World], line: Line, hook: Hook, looped: bool) -> list[World]:
        """The base chains in one order, with what the kernel does between them."""
        for stop in line.untracked:
            worlds = self._run(stop, worlds, hook, looped)
        if line.tracks and not looped:
            worlds = [self._track(world) for world in worlds]
        for stop in line.tracked:
            worlds = self._run(stop, worlds, hook, looped)
        if line.turns and not looped:
            worlds = [_turn_back(world, hook) if world.state.ct_direction else world for world in worlds]
        for stop in line.turned:
            worlds = self._run(stop, worlds, hook, looped)
        return worlds

    def _track(self, world: World) -> World:
        """Connection tracking: from here on the packet has a state and remembers where it was sent."""
        state = world.state
        if state.ct_state == STATE_UNTRACKED:
            return world
        if state.ct_direction:
            if state.answers is None:
                return world.but(ct_state=STATE_INVALID)
            snat, dnat = state.answers
            return world.but(ct_state=STATE_ESTABLISHED, ct_snat=snat, ct_dnat=dnat)
        there, back = nat.tuple_ports(state)
        return world.but(
            ct_state=STATE_NEW, orig_src=state.src, orig_dst=state.dst, orig_sport=there[0], orig_dport=there[1],
            reply_src=state.dst, reply_dst=state.src, reply_sport=back[0], reply_dport=back[1])

    def _run(self, stop: Stop, worlds: list[World], hook: Hook, looped: bool) -> list[World]:
        """One base chain. NAT is decided once, by the first packet of a connection that is tracked."""
        base, chain, is_nat = stop
        if is_nat:
            if looped:
                return worlds
            done = _nat_done(hook)
        out: list[World] = []
        evaluator = self.tables.evaluator
        for world in worlds:
            if is_nat and (world.state.ct_state != STATE_NEW or world.state.nat_done == done):
                out.append(world)
                continue
            if self.peer is not None:
                outcomes = self._ways(stop, world, hook, self.peer)
            else:
                function = evaluator.evaluate(chain, world.state)
                if len(function.values) == 1 and evaluator.steps.passes(function.values[0], base.chain.policy):
                    out.append(world)  # as most packets are by most chains
                    continue
                outcomes = self._areas(function, world)
            for outcome, passed in outcomes:
                out += self._apply(base, outcome, passed, hook)
        return _merge(out) if self.peer is None and len(out) > 1 else out

    def _ways(self, stop: Stop, world: World, hook: Hook, peer: int) -> Iterator[tuple[Outcome, World]]:
        """What may become of one packet in a base chain, with the rules that it met."""
        base = stop.base
        given = Given(self.assumed, base.table.name) if self.assumed else None
        ways = walk_chain(stop.chain, base.table, world.state, peer, given)
        single = len(ways) == 1
        for outcome, fork in ways.items():
            steps = tuple(self._step(base, hook, met, world.state) for met in fork.met)
            doubts = world.doubts if single else (*world.doubts, *fork.doubts)
            yield outcome, world._replace(steps=world.steps + steps, doubts=doubts)

    def _areas(self, function: StepFunction, world: World) -> Iterator[tuple[Outcome, World]]:
        """What may become of packets in a base chain, each with the peers for which it may."""
        steps = self.tables.evaluator.steps
        if len(function.values) == 1:
            for outcome in steps.outcomes(function.values[0]):
                yield outcome, world
            return
        areas: dict[Outcome, IntervalSet] = {}
        peers = world.peers
        everybody = len(peers.bounds) == 2 and peers.bounds[0] == 0
        for value, area in function.by_value(peers.bounds[1] if everybody else None).items():
            here = area if everybody else area & peers
            if here.bounds:
                for outcome in steps.outcomes(value):
                    areas[outcome] = areas[outcome] | here if outcome in areas else here
        for outcome, area in areas.items():
            yield outcome, world if area is world.peers else World(world.state, area)

    def _apply(self, base: BaseChain, outcome: Outcome, world: World, hook: Hook) -> list[World]:
        verdict, detail = outcome.verdict, outcome.detail
        if outcome.change:
            world = world._replace(state=changed(world.state, outcome.change))
        if verdict == "fall":
            if base.chain.policy == "accept":
                return [world]
            step = Step(hook, base.table.family, base.table.backend, base.table.name, base.chain.name, 0,
                        f"chain policy {base.chain.policy}", "drop")
            self.end(world._replace(steps=(*world.steps, step)), "dropped")
        elif verdict == "accept":
            return [world]
        elif verdict == "drop":
            self.end(world, "dropped")
        elif verdict == "reject":
            self.end(world, "rejected")
        elif verdict == "nat":
            return self._translate(world, detail)
        else:
            self.undecided(world, str(detail))
        return []

    def _translate(self, world: World, target: object) -> list[World]:
        assert isinstance(target, Dnat | Redirect | NetmapDnat | Snat)
        try:
            states = nat.translate(world.state, target, self.host)
        except nat.NatUnknown as unknown:
            self.undecided(world, str(unknown))
            return []
        if not states:
            self.end(world, "dropped")
        out = []
        for state in self.one_of(states, "where NAT of several destinations sends it", _sent_to):
            steps = world.steps
            if steps:
                steps = (*steps[:-1], _with_effect(steps[-1], nat.describe(target, world.state, state)))
            out.append(World(state, world.peers, steps, world.doubts))
        return out

    def _step(self, base: BaseChain, hook: str, met: Met, state: PacketState) -> Step:
        rule = met.rule
        does = _does(rule.target)
        if met.doubt:
            does += " (if it matches)"
        if state.ct_direction:
            does += " the answer"
        return Step(hook, base.table.family, base.table.backend, base.table.name, met.chain, rule.number, rule.text,
                    does, rule.counters)


def end_words(end: End) -> str:
    """``delivered``, ``undecided: whether …``: an end as the value of a fact."""
    where = f" to {nat.place(end.to.family, end.to.address, end.to.port)}" if end.to else ""
    return f"{end.disposition}{where}" + (f": {end.reason}" if end.reason else "")


def _sent_to(state: PacketState) -> str:
    return nat.place(state.family, state.dst, state.dport)


def kernel_step(family: int, hook: str, text: str, does: str) -> Step:
    """A step for what the kernel does by itself (routing, its sanity checks)."""
    return Step(hook, "ip" if family == 4 else "ip6", "kernel", "", "", 0, text, does)


def _with_effect(step: Step, does: str) -> Step:
    return Step(step.hook, step.family, step.backend, step.table, step.chain, step.rule, step.text, does,
                step.counters)


def _does(target: object) -> str:
    """``accept``, ``drop``, ``jump DOCKER``, …: a target in one word or two."""
    name = target.__class__.__name__.lower()
    if name in ("jump", "goto"):
        return f"{name} {target.chain}"  # type: ignore[attr-defined]
    words = {"inline": "jump", "setmark": "mark", "copymark": "mark", "snat": "snat", "netmapdnat": "netmap",
             "changeset": "set", "undecidable": "undecided", "dnat": "dnat", "notrack": "notrack"}
    return words.get(name, name)


def _nat_done(hook: Hook) -> int:
    return DESTINATION_DONE if hook in ("prerouting", "output") else SOURCE_DONE


def _turn_back(world: World, hook: Hook) -> World:
    """Undo NAT on an answer: the destination before routing, the source behind it (nf_nat_packet)."""
    state = world.state
    if not state.ct_direction or state.ct_state != STATE_ESTABLISHED:
        return world
    if hook in ("prerouting", "output"):
        if state.ct_snat:
            return world.but(dst=state.orig_src, dport=state.orig_sport)
    elif hook in ("postrouting", "input") and state.ct_dnat:
        return world.but(src=state.orig_dst, sport=state.orig_dport)
    return world


def _merge(worlds: list[World]) -> list[World]:
    """Worlds in the same state become one."""
    by_state: dict[PacketState, World] = {}
    for world in worlds:
        known = by_state.get(world.state)
        if known is None:
            by_state[world.state] = world
        else:
            fewer = known if len(known.doubts) <= len(world.doubts) else world
            by_state[world.state] = fewer.among(known.peers | world.peers)
    return list(by_state.values())
