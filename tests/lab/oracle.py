"""Random rulesets and packets, put to the kernel and to the engine: what the one does the other must say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from grammar_case import make_case, make_packets
from oracle_frames import Packet
from oracle_namespace import LoadError
from oracle_predict import Prediction, Predictor, judge
from oracle_world import Case, Verdict, World


class Disagreement(NamedTuple):
    """The kernel did what the engine excluded. ``seed`` makes the case again."""

    seed: str
    case: Case
    packet: Packet
    kernel: Verdict
    engine: Prediction
    by: str


class Tally:
    """Packets by what the kernel did and what the engine said; the disagreements; rulesets that no tool would load."""

    def __init__(self) -> None:
        self.matrix: Counter[tuple[str, str]] = Counter()
        self.disagreements: list[Disagreement] = []
        self.refused = 0
        self.cases = 0

    @property
    def packets(self) -> int:
        """How many packets were compared."""
        return sum(self.matrix.values())


def compare(world: World, seed: str, packets: int, tally: Tally, profile: str | None = None) -> None:
    """One case: its ruleset loaded, its packets sent, each asked of `trace` and of `reach`.

    ``profile``: one of grammar_case.PROFILES; None: one that the seed draws.
    """
    case, pool = make_case(seed, profile)
    try:
        world.load(case)
        predictor = Predictor(world.snapshot(case))
    except LoadError:
        tally.refused += 1
        return
    tally.cases += 1
    asked = make_packets(seed, pool, case, packets)
    for packet, kernel in zip(asked, world.ask(asked), strict=True):
        traced = predictor.trace(packet)
        tally.matrix[kernel.kind, traced.kind] += 1
        for by, said in (("trace", traced), ("reach", predictor.reach(packet))):
            if judge(kernel, said, predictor.answerable(packet)) == "disagree":
                tally.disagreements.append(Disagreement(seed, case, packet, kernel, said, by))


def table(tally: Tally) -> Iterator[str]:
    """The confusion matrix as markdown: a row for what the kernel did."""
    said = sorted({each for _, each in tally.matrix})
    yield f"| the kernel | {' | '.join(said)} |"
    yield f"| --- |{' --- |' * len(said)}"
    for kind in sorted({each for each, _ in tally.matrix}):
        yield f"| {kind} | {' | '.join(f'{tally.matrix[kind, each]:,}' for each in said)} |"
