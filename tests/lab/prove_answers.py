"""Answers at size: one random ruleset after the other, connections through it, and whether they are answered.

A connection is wrong where its answer got back and the engine holds *delivered* impossible, or where it did not and the
engine holds everything else impossible; asked about alone, or as one of all sources at once.
"""

from __future__ import annotations

import grammar_case
from campaign import Plan, Result
from oracle_answers import AnswerPredictor, Connection, connect, faults
from oracle_frames import Packet
from oracle_namespace import LoadError
from prove_oracle import again, profile_of, routing_of, the_world, verdict_text, written

_ATTEMPTS = 50


def answers_unit(plan: Plan, unit: int) -> Result:
    """One case of a plan."""
    number = plan.seed + unit
    return again(lambda: _case(number, profile_of(plan, number), plan.size))


def _case(number: int, profile: str, packets: int) -> Result:
    """The first of the rulesets ``number``, ``number.1``, … that the tools take."""
    for attempt in range(_ATTEMPTS):
        seed = f"{number}.{attempt}" if attempt else str(number)
        out = Result()
        for packet, connection, said in connections(seed, profile, packets, out):
            out.counts[profile, "packets"] += 1
            out.counts[profile, "answered"] += connection.answered
            out.counts[profile, "undecided"] += any("undecided" in each for each in said)
            found = sorted({faults(connection, each) for each in said} - {""})
            if found:
                out.counts[profile, "wrong", found[0]] += 1
                case, _ = grammar_case.make_case(seed, profile)
                out.findings.append({
                    "seed": seed, "profile": profile, "fault": found[0], "asked": written(packet),
                    "kernel": verdict_text(connection.first, packet.family), "answered": connection.answered,
                    "engine": sorted({*said[0], *said[1]}), "rules": {**case.rules, **routing_of(case)},
                    "sysctl": case.sysctl,
                    "again": f"scripts/prove --answers {packets} --seed {number} --profile {profile}"})
        if out.counts[profile, "cases"]:
            return out
    raise LoadError(f"no ruleset of case {number} ({profile}) was taken by the tools")


def connections(seed: str, profile: str, packets: int, out: Result) -> list[
        tuple[Packet, Connection, tuple[set[str], set[str]]]]:
    """The connections of a case, each with what the engine says may become of it; none where a tool refuses it."""
    case, pool = grammar_case.make_case(seed, profile)
    world = the_world(profile)
    try:
        world.load(case)
        predictor = AnswerPredictor(world.snapshot(case))
    except LoadError:
        out.counts[profile, "refused"] += 1
        return []
    out.counts[profile, "cases"] += 1
    asked = [each for each in grammar_case.make_packets(seed, pool, case, packets) if predictor.is_plain(each)]
    return [(packet, connection, predictor.dispositions(packet)) for packet, connection in connect(world, asked).items()
            if predictor.is_fair(packet, connection, bool(case.routing))]
