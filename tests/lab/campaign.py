"""Long comparisons in small units: spread over processes, kept in a file, and taken up again where they stopped.

A unit is a number; what it counts follows from the number and the plan alone, so it does not matter which process does
it, or when. The file names the units that are in it, and is replaced as a whole: whoever is killed has either counted
a unit or has not.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUNCH = 5
"""Units that a process does before it reports."""

_KEPT = 500
"""Findings that are kept in full; all are counted."""
_PDEATHSIG = 1


class CampaignError(Exception):
    """The comparison cannot be run, or not be taken up again; the text says why."""


@dataclass
class Result:
    """What units found: counts by a key of words, and whatever is worth a look, as JSON objects."""

    counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Put another's counts and findings to these."""
        self.counts.update(other.counts)
        self.findings += other.findings[: max(0, _KEPT - len(self.findings))]

    def sum(self, *key: str, at: int = 0) -> int:
        """All counts whose key has ``key`` at ``at``."""
        return sum(count for each, count in self.counts.items() if each[at : at + len(key)] == key)


class Plan(NamedTuple):
    """What is compared. ``kind``: oracle, mutation or trace. ``profile``: of rulesets; empty: all in turn."""

    kind: str
    seed: int
    profile: str
    size: int
    """Packets, or mutants, in a unit."""


Work = Callable[[Plan, int], Result]


class Campaign:
    """A plan, and what is done of it. ``path``: where that is kept; None: nowhere."""

    def __init__(self, plan: Plan, path: Path | None = None) -> None:
        self.plan = plan
        self.path = path
        self.done: set[int] = set()
        self.result = Result()
        self._mark = {**asdict_plan(plan), "sources": fingerprint()}
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            mark, ranges = state["plan"], state["done"]
            self.result = Result(Counter({tuple(key): count for *key, count in state["counts"]}), state["findings"])
            self.done = {unit for low, high in ranges for unit in range(low, high)}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CampaignError(f"{path} is no state of a comparison: {error}") from error
        if mark != self._mark:
            what = sorted(key for key in {*mark, *self._mark} if mark.get(key) != self._mark.get(key))
            raise CampaignError(f"{path} was begun with other {', '.join(what)}: its counts would mean nothing; "
                                "begin with a new file")

    def write(self) -> None:
        """Keep what is done, as a whole or not at all."""
        if self.path is None:
            return
        state = {"plan": self._mark, "done": list(_ranges(self.done)), "findings": self.result.findings,
                 "counts": [[*key, count] for key, count in sorted(self.result.counts.items())]}
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w", encoding="utf-8") as stream:
            json.dump(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.path)

    def run(self, work: Work, units: int, jobs: int, progress: Callable[[Campaign], None]) -> None:
        """Do the units below ``units`` that are not done yet. Raises CampaignError where a process cannot go on."""
        left = (unit for unit in range(units) if unit not in self.done)
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, context, _end_with, (os.getpid(),)) as pool:
            running: dict[Future[Result], list[int]] = {}
            try:
                while True:
                    while len(running) < 2 * jobs and (bunch := list(islice(left, BUNCH))):
                        running[pool.submit(_do, work, self.plan, bunch)] = bunch
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        bunch = running.pop(future)
                        self.result.add(future.result())
                        self.done.update(bunch)
                        self.write()
                    progress(self)
            except Exception as error:
                for future in running:
                    future.cancel()
                raise CampaignError(f"{type(error).__name__}: {error}") from error


def _do(work: Work, plan: Plan, units: Sequence[int]) -> Result:
    out = Result()
    for unit in units:
        out.add(work(plan, unit))
    return out


def _end_with(parent: int) -> None:
    """A process ends when the one that started it does, even if that is killed."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def asdict_plan(plan: Plan) -> dict[str, Any]:
    """The plan as a JSON object."""
    return dict(zip(plan._fields, plan, strict=True))


def fingerprint() -> str:
    """What the counts depend on: the engine, the grammar and the oracle, as one hash."""
    total = hashlib.sha256()
    lab = ROOT / "tests" / "lab"
    patterns = ("oracle*.py", "grammar*.py", "mutation*.py", "nft_trace.py", "prove_*.py")
    paths = [*(ROOT / "fwaudit").rglob("*.py"), *(path for pattern in patterns for path in lab.glob(pattern))]
    for path in sorted(path for path in paths if path.name != "prove_report.py"):
        total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Numbers as half-open ranges."""
    low = high = -1
    for number in sorted(numbers):
        if number != high:
            if high > low:
                yield low, high
            low = number
        high = number + 1
    if high > low:
        yield low, high


__all__ = ["BUNCH", "Campaign", "CampaignError", "Plan", "Result", "asdict", "fingerprint"]
