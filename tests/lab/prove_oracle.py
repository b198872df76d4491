"""The proof at size: one random ruleset after the other in a kernel, its packets asked of the engine, all counted.

A case is wrong where the kernel's *arrival* (on this host or out by an interface, at which address and port; or lost,
however) is not among those that the engine holds possible. How a lost packet is lost is counted apart.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

import grammar_case
from campaign import Plan, Result
from oracle import Disagreement, Tally, compare
from oracle_frames import Packet
from oracle_namespace import LoadError
from oracle_predict import Prediction
from oracle_world import Case, Verdict, World

PACKETS = 200
"""Packets that are put to one ruleset."""
_ATTEMPTS = 50

Arrival = tuple[str, str, int, int]
T = TypeVar("T")
_world: dict[str, World] = {}


def the_world(profile: str = "") -> World:
    """This process's machine for random rulesets; another one for policy routing, since a kernel that once had rules
    or local routes of its own checks the sources more strictly ever after (net.ipv4.fib_has_custom_rules)."""
    kind = "routing" if profile == "routing" else "rules"
    if kind not in _world:
        _world[kind] = World()
    return _world[kind]


def again(work: Callable[[], T]) -> T:
    """Do it; once more on a new machine where a frame or an answer of a tool went missing."""
    try:
        return work()
    except (TimeoutError, OSError):
        for world in _world.values():
            world.close()
        _world.clear()
        return work()


def arrival(verdict: Verdict) -> Arrival | None:
    """Where a packet arrives; None where it does not, however it is lost."""
    if verdict.kind not in ("input", "out"):
        return None
    return verdict.kind, verdict.oif, verdict.dst, verdict.dport


def fault(kernel: Verdict, said: Prediction) -> str:
    """What is wrong with what the engine said; empty where the kernel's arrival is among its possible ones."""
    if any(way.kind == "undecided" for way in said.ways):
        return ""
    possible = {arrival(way) for way in said.ways}
    really = arrival(kernel)
    if really in possible:
        return ""
    if really is None:
        return "said delivered, lost"
    return "said lost, arrived" if possible == {None} else "arrives elsewhere"


def profile_of(plan: Plan, number: int) -> str:
    """The profile of a case: the plan's, else all in turn."""
    return plan.profile or grammar_case.PROFILES[number % len(grammar_case.PROFILES)]


def oracle_unit(plan: Plan, unit: int) -> Result:
    """One case of a plan: its packets, compared."""
    number = plan.seed + unit
    return again(lambda: _case(number, profile_of(plan, number), plan.size))


def _case(number: int, profile: str, packets: int) -> Result:
    """The first of the rulesets ``number``, ``number.1``, … that the tools take."""
    out = Result()
    for attempt in range(_ATTEMPTS):
        seed = f"{number}.{attempt}" if attempt else str(number)
        tally = Tally()
        try:
            compare(the_world(profile), seed, packets, tally, profile)
        except (TimeoutError, OSError, LoadError):
            raise
        except Exception:  # of the engine: a finding like any other
            out.counts[profile, "wrong", "the engine failed"] += 1
            out.findings.append({"seed": seed, "profile": profile, "fault": "the engine failed",
                                 "error": traceback.format_exc(), "again": command(seed, profile)})
            return out
        out.counts[profile, "refused"] += tally.refused
        if tally.cases:
            _count(out, tally, seed, profile, packets)
            return out
    raise LoadError(f"no ruleset of case {number} ({profile}) was taken by the tools")


def _count(out: Result, tally: Tally, seed: str, profile: str, packets: int) -> None:
    out.counts[profile, "cases"] += 1
    out.counts[profile, "packets"] += tally.packets
    for (kernel, engine), count in tally.matrix.items():
        out.counts[profile, "matrix", kernel, engine] += count
    faults: dict[Packet, list[tuple[str, Disagreement]]] = {}
    manner: set[Packet] = set()
    for each in tally.disagreements:
        what = fault(each.kernel, each.engine)
        if what:
            faults.setdefault(each.packet, []).append((what, each))
        else:
            manner.add(each.packet)
    if not (faults or manner):
        return
    case, pool = grammar_case.make_case(seed, profile)
    asked = grammar_case.make_packets(seed, pool, case, packets)
    often = Counter(asked)
    out.counts[profile, "lost otherwise"] += sum(often[packet] for packet in manner - faults.keys())
    for packet, found in faults.items():
        out.counts[profile, "wrong", found[0][0]] += often[packet]
        index = asked.index(packet)
        once_more = [arrival(each) for each in the_world(profile).ask([packet] * 3)]
        out.findings.append({
            "seed": seed, "profile": profile, "packet": index, "fault": found[0][0],
            "by": [each.by for _, each in found], "asked": written(packet),
            "kernel": verdict_text(found[0][1].kernel, packet.family),
            "repeats": all(each == arrival(found[0][1].kernel) for each in once_more),
            "engine": sorted(verdict_text(way, packet.family) for way in found[0][1].engine.ways),
            "rules": {**case.rules, **routing_of(case)}, "sysctl": case.sysctl,
            "again": command(seed, profile, index)})


def command(seed: str, profile: str, packet: int | None = None) -> str:
    """What shows one case again."""
    return f"scripts/prove --show {seed} --profile {profile}" + (f" --packet {packet}" if packet is not None else "")


def address(family: int, value: int) -> str:
    """An address as text."""
    return str(IPv4Address(value) if family == 4 else IPv6Address(value))


def written(packet: Packet) -> dict[str, Any]:
    """A packet as a JSON object that can be read."""
    return {**packet._asdict(), "src": address(packet.family, packet.src), "dst": address(packet.family, packet.dst)}


def verdict_text(verdict: Verdict, family: int) -> str:
    """A verdict in one line."""
    if verdict.kind not in ("input", "out"):
        return verdict.kind
    src = address(family, verdict.src) if verdict.src >= 0 else "any source"
    where = f"out by {verdict.oif}" if verdict.kind == "out" else "input"
    return f"{where}: {src} to {address(family, verdict.dst)} port {verdict.dport}"


def routing_of(case: Case) -> dict[str, str]:
    """A case's policy routing, by the command that takes it."""
    return {f"ip -{family}": "\n".join(lines) + "\n" for family, lines in sorted(case.routing.items())}


def show_case(case: Case) -> str:
    """A case's rules and settings as text."""
    parts = [f"# {name}\n{case.rules[name]}" for name in case.loading()]
    parts += [f"# {name} -batch\n{lines}" for name, lines in routing_of(case).items()]
    parts += [f"# {key} = {value}\n" for key, value in sorted(case.sysctl.items())]
    return "\n".join(parts)
