"""The engine's path of a packet against the kernel's own trace of it, rule by rule.

Left out on both sides is what neither can have: rules that only log or count (the engine's path leaves them out), jumps
into chains without any effect, and what the kernel does without a rule. An nft rule with a statement before its last
match may have had its effect although the kernel does not tell it, since it did not match to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grammar_case
from campaign import Plan, Result
from nft_trace import SWITCH, Event, Listing, Tracer
from oracle_frames import Packet
from oracle_namespace import LoadError
from oracle_predict import Predictor
from oracle_world import World
from prove_oracle import again, the_world, written

from fwaudit.model.condition import All, AnyOf, In, Masked, Not, Unknown
from fwaudit.model.ruleset import Continue, Dnat, Goto, Hook, Inline, Jump, Return, Rule, Snat, Table, Template
from fwaudit.model.verdict import Query, Trace
from fwaudit.netfilter.denote import resolve
from fwaudit.netfilter.facts import MULTICAST, facts_of
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.tables import Line

PACKETS = 50
"""Packets that are traced through one ruleset."""
PROFILES = tuple(each for each in grammar_case.RULESETS if each not in ("legacy", "filter"))
"""Rulesets that may be without iptables-legacy, whose rules the kernel does not trace."""
_OF_CONNECTION = ("ct_", "orig_", "reply_")


class Place(NamedTuple):
    """A rule: number 0 is the chain policy."""

    family: str
    table: str
    chain: str
    number: int

    def __str__(self) -> str:
        what = f"rule {self.number}" if self.number else "policy"
        return f"{self.family} {self.table} {self.chain} {what}"


def trace_unit(plan: Plan, unit: int) -> Result:
    """One ruleset, and its packets traced."""
    number = plan.seed + unit
    profile = plan.profile or PROFILES[number % len(PROFILES)]
    return again(lambda: _case(number, profile, plan.size))


def _case(number: int, profile: str, packets: int) -> Result:
    out = Result()
    for attempt in range(50):
        seed = f"{number}.{attempt}" if attempt else str(number)
        case, pool = grammar_case.make_case(seed, profile)
        if any(name.startswith("legacy") for name in case.rules):
            out.counts[profile, "left out"] += 1
            continue
        world = the_world()
        try:
            world.load(case)
            predictor = Predictor(world.snapshot(case))
            world.machine.run(["nft", "-f", "-"], SWITCH)
        except LoadError:
            out.counts[profile, "refused"] += 1
            continue
        out.counts[profile, "cases"] += 1
        _compare(world, predictor, grammar_case.make_packets(seed, pool, case, packets), out, profile, seed)
        return out
    raise LoadError(f"no ruleset of case {number} ({profile}) was taken by the tools")


def traced(world: World, packets: Sequence[Packet]) -> list[list[Event]]:
    """The kernel's trace of each packet."""
    tracer = Tracer(world)
    try:
        base = world.tag + 1  # the packets are numbered from here
        world.ask(packets)
        events: list[list[Event]] = [[] for _ in packets]
        for event in tracer.events():
            if 0 <= event.tag - base < len(packets):
                events[event.tag - base].append(event)
        return events
    finally:
        tracer.close()


def _compare(world: World, predictor: Predictor, packets: Sequence[Packet], out: Result, profile: str,
             seed: str) -> None:
    known, rules = Listing(world), Rules(predictor)
    _tell_order(predictor, known)
    for index, (packet, events) in enumerate(zip(packets, traced(world, packets), strict=True)):
        if packet.dst in MULTICAST[packet.family]:
            out.counts[profile, "to groups"] += 1  # whether the host has joined one is in no snapshot
            continue
        out.counts[profile, "packets"] += 1
        trace = predictor.engine.trace(Query(packet.family, packet.iif, packet.dst, packet.proto, packet.dport,
                                             IntervalSet.of(packet.src), packet.sport))
        if trace.disposition == "undecided" or trace.undecided_on:
            out.counts[profile, "undecided"] += 1
            continue
        theirs = rules.met(events, known, packet.family)
        ours = path_of(trace)
        found = rules.compare(ours, theirs, packet.family)
        if found != "another path":
            out.counts[profile, found] += 1
            out.counts[profile, "rules"] += len(theirs) if found == "same" else 0
        else:
            out.counts[profile, "wrong", "another path"] += 1
            case, _ = grammar_case.make_case(seed, profile)
            out.findings.append({
                "seed": seed, "profile": profile, "packet": index, "fault": "another path", "asked": written(packet),
                "kernel": [str(each) for each in theirs], "engine": [str(each) for each in ours],
                "disposition": trace.disposition, "rules": case.rules, "sysctl": case.sysctl,
                "again": f"scripts/prove --trace {len(packets)} --seed {seed.partition('.')[0]} --profile {profile}"})


def _tell_order(predictor: Predictor, known: Listing) -> None:
    """The engine tries both orders of chains of one priority; which one of them it is, is known here."""
    tables = predictor.engine.tables

    def lines(family: int, hook: Hook, device: str) -> tuple[Line, ...]:
        return (tables._line(known.ordered(tables.base_chains(family, hook, device), family), family, hook),)

    setattr(tables, "lines", lines)  # noqa: B010 - a method


def path_of(trace: Trace) -> list[Place]:
    """The rules that the engine says were met; a rule of several parts is met once."""
    out: list[Place] = []
    for step in trace.path:
        if step.backend != "kernel":
            place = Place(step.family, step.table, step.chain, step.rule)
            if not (out and out[-1] == place and place.number):
                out.append(place)
    return out


class Rules:
    """What the engine makes of each rule, so that the two ways of telling a path can be held side by side."""

    def __init__(self, predictor: Predictor) -> None:
        self._facts = facts_of(predictor.host)
        self._rules: dict[Place, list[Rule]] = {}  # one rule of nft may be several of the engine's
        self._tables: dict[tuple[str, str], Table] = {}
        for table in predictor.host.ruleset.tables:
            self._tables[table.family, table.name] = table
            for chain in table.chains.values():
                for rule in chain.rules:
                    self._rules.setdefault(Place(table.family, table.name, chain.name, rule.number), []).append(rule)

    def met(self, events: Sequence[Event], known: Listing, family: int) -> list[Place]:
        """The kernel's trace of a packet of a family as the engine would tell it."""
        out: list[Place] = []
        skipped: frozenset[str] = frozenset()  # chains below a jump that comes to nothing
        for event in events:
            if event.chain in skipped:
                continue
            skipped = frozenset()
            if event.kind != "rule":
                if event.drops:
                    out.append(Place(known.family(event), event.table, event.chain, 0))
                continue
            place = Place(known.family(event), event.table, event.chain, known.number(event))
            rules = self._rules.get(place, [])
            if not rules or not all(self._is_idle(rule, place, family) for rule in rules):
                out.append(place)
            skipped = frozenset(
                name for rule in _flat(rules) if isinstance(rule.target, Jump) and self._is_idle(rule, place, family)
                for name in self._below(place, rule.target.chain))
        return out

    def compare(self, ours: Sequence[Place], theirs: Sequence[Place], family: int) -> str:
        """``same`` where both name the same rules in the same order; ``doubtful`` where the kernel's way parts from
        ours at a rule of which the engine says that it may match or not (it tells one of the ways to the same end);
        else ``another path``."""
        at = 0
        for place in theirs:
            while at < len(ours) and ours[at] != place and self._is_partial(ours[at]):
                at += 1
            if at == len(ours) or ours[at] != place:
                if self._is_partial(place) and self._has_idle_part(place, family):
                    continue
                return self._difference(ours[:at], [*ours[at : at + 1], place])
            at += 1
        left = next((number for number in range(at, len(ours)) if not self._is_partial(ours[number])), None)
        return "same" if left is None else self._difference(ours[:left], [ours[left]])

    def _difference(self, before: Sequence[Place], places: Sequence[Place]) -> str:
        """What to call it that the ways part at ``places``, or within a rule of several parts before them: also one
        that neither way names, since it did something and then did not match."""
        doubtful = any(self._is_doubtful(place, before) for place in places) or any(
            self._is_doubtful(place, ()) for place in self._passed([*before, *places]) if self._is_partial(place))
        return "doubtful" if doubtful else "another path"

    def _passed(self, way: Sequence[Place]) -> list[Place]:
        """The rules of a way's chains up to the last that it names of each."""
        last: dict[Place, int] = {}
        for place in way:
            chain = place._replace(number=0)
            last[chain] = max(last.get(chain, 0), place.number or len(self._rules))
        return [each for each in self._rules if each.number <= last.get(each._replace(number=0), 0)]

    def _is_partial(self, place: Place) -> bool:
        """A rule that may have done something without having matched to its end."""
        rules = self._rules.get(place, [])
        return len(rules) > 1 or any(isinstance(rule.target, Inline) for rule in rules)

    def _has_idle_part(self, place: Place, family: int) -> bool:
        """A rule that does nothing to some packets: ``vmap { "wg0" : continue, … }``."""
        return any(self._is_idle(rule, place, family) for rule in _flat(self._rules.get(place, [])))

    def _is_doubtful(self, place: Place, before: Sequence[Place]) -> bool:
        """Whether the rule asks something that the engine cannot know; behind a rule that gives the packet a template,
        that is all that is asked of its connection."""
        is_template = any(isinstance(rule.target, Template)
                          for each in before for rule in _flat(self._rules.get(each, [])))
        families = {"ip": (4,), "ip6": (6,)}.get(place.family, (4, 6))
        backend = self._tables[place.family, place.table].backend
        todo = [resolve(each, self._facts, family, backend) for family in families
                for rule in _flat(self._rules.get(place, [])) for each in rule.conditions]
        while todo:
            condition = todo.pop()
            if isinstance(condition, Unknown) or (isinstance(condition, Masked) and condition.field == "src"):
                return True  # bits of the source are not told apart
            if is_template and isinstance(condition, In | Masked) and condition.field.startswith(_OF_CONNECTION):
                return True
            if isinstance(condition, All | AnyOf):
                todo += condition.parts
            elif isinstance(condition, Not):
                todo.append(condition.part)
        return False

    def _is_idle(self, rule: Rule, place: Place, family: int) -> bool:
        """Whether the packet is behind the rule as it was before it, wherever the rule leads."""
        target = rule.target
        if isinstance(target, Inline):
            return all(isinstance(each.target, Return) or self._is_idle(each, place, family) for each in target.rules)
        if isinstance(target, Jump):
            chains = self._tables[place.family, place.table].chains
            return all(isinstance(each.target, Continue | Return | Jump | Goto) or (
                           isinstance(each.target, Inline) and self._is_idle(each, place, family))
                       for name in self._below(place, target.chain) for each in chains[name].rules)
        if isinstance(target, Dnat | Snat):
            named = target.family or (0 if target.addresses is None else 4 if target.addresses[1] < 1 << 32 else 6)
            return named not in (0, family)  # "snat ip to" has no effect on IPv6
        return isinstance(target, Continue)

    def _below(self, place: Place, name: str) -> frozenset[str]:
        """A chain and all below it."""
        chains, todo, seen = self._tables[place.family, place.table].chains, [name], {name}
        while todo:
            for rule in _flat(chains[todo.pop()].rules):
                if isinstance(rule.target, Jump | Goto) and rule.target.chain not in seen:
                    seen.add(rule.target.chain)
                    todo.append(rule.target.chain)
        return frozenset(seen)


def _flat(rules: Sequence[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        if isinstance(rule.target, Inline):
            yield from _flat(rule.target.rules)
