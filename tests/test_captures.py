"""Every recorded probe, asked of the engine: what it says must be what the kernel did, probe for probe."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import captures
import pytest

from fwaudit.cli.batch import answers, query_of
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.verdict import Query, Reach
from fwaudit.packet.intervals import ALL
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

_LIMIT = "`ufw limit` counts earlier packets of a source, and no snapshot tells these: 33 probes to port 9100"
_MACVLAN = "the container answers by way of its own router, 192.168.50.1, whose routes are its own business: 2 probes"
UNDECIDED = {
    "d20/ufw_limit": (33, _LIMIT), "d26/ufw_limit": (33, _LIMIT), "d28/ufw_limit": (33, _LIMIT),
    "d29nft/ufw_limit": (33, _LIMIT),
    "d20/macvlan": (2, _MACVLAN), "d26/macvlan": (2, _MACVLAN), "d28/macvlan": (2, _MACVLAN),
}
"""Case → how many probes may stay undecided, and why. Every other probe of every case is decided."""

_FIELDS = ("id", "in", "src", "dst", "dport", "proto")


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    """As the commands do: the garbage collector finds nothing and costs more than the work."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def _engine(case: captures.Case, folder: Path) -> Engine:
    return Engine(parse_host(read_snapshot(case.write(folder / "snapshot.tar"))))


def _questions(case: captures.Case) -> list[dict[str, Any]]:
    return [{key: probe[key] for key in _FIELDS if key in probe} for probe in case.truth]


def _answerer(answer: dict[str, Any]) -> str | None:
    """Who answers, in the words of a recorded probe: HOST or a container's name."""
    to = answer.get("to", {})
    return "HOST" if to.get("kind") == "host-socket" else to.get("name")


@pytest.mark.parametrize("name", captures.names())
def test_the_engine_says_what_the_kernel_did(name: str, tmp_path: Path) -> None:
    case = captures.case(name)
    said = answers(_engine(case, tmp_path), map(json.dumps, _questions(case)))
    wrong, undecided = [], 0
    for probe, answer in zip(case.truth, (json.loads(line) for line, _ in said), strict=True):
        disposition = answer.get("disposition")
        if disposition == "undecided":
            undecided += 1
        elif (disposition == "delivered") != (probe["expect"] == "delivered") or (
                disposition == "delivered" and _answerer(answer) != probe["by"]):
            wrong.append((probe, answer))
    assert not wrong, f"{len(wrong)} of {len(case.truth)} probes, the first of them: {wrong[0]}"
    assert undecided == UNDECIDED.get(name, (0, ""))[0]


@pytest.mark.parametrize("name", captures.names())
def test_all_sources_at_once_are_told_as_each_alone(name: str, tmp_path: Path) -> None:
    """A report asks about all sources at once, and has to say of each what a trace says of it."""
    case = captures.case(name)
    engine = _engine(case, tmp_path)

    @cache
    def reach(query: Query) -> Reach:
        return engine.reach(query)

    for query in map(query_of, _questions(case)):
        trace = engine.trace(query)
        outcomes = reach(replace(query, sources=ALL) if query.iif else query).outcomes
        possibly = {(each.disposition, each.to) for each in outcomes if each.possibly & query.sources}
        certainly = {(each.disposition, each.to) for each in outcomes if each.certainly & query.sources}
        if trace.disposition == "undecided":
            assert not certainly and possibly, query
        else:
            assert certainly == possibly == {(trace.disposition, trace.to)}, query


def test_all_recorded_hosts_are_here() -> None:
    """A half-packed archive would pass every other test."""
    assert len(captures.names()) == 231
    assert sum(len(case.truth) for case in captures.cases()) == 52_722
    assert set(UNDECIDED) <= set(captures.names())
