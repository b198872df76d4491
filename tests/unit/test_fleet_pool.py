"""Work spread over processes: each item answered exactly once, also where workers hang, swell and die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import pytest

from fwaudit.host.fleet.pool import Late, answers, limited, local


def task(items: Sequence[str]) -> list[tuple[str, str]]:
    return [(item, act(item)) for item in items]


def act(item: str) -> str:
    try:
        with limited(0.5):
            if item == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if item == "exits":
                os._exit(0)
            if item == "hangs":
                time.sleep(60)
            if item == "works":
                while True:
                    pass
            if item == "swells":
                return str(len(bytearray(8 << 30)))
    except Late:
        return "late"
    except MemoryError:
        return "too large"
    return "done"


def lost(item: str, why: str) -> tuple[str, str]:
    return item, "lost"


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_is_answered_once_whatever_becomes_of_its_process(jobs):
    odd = {"dies": "lost", "exits": "lost", "hangs": "late", "works": "late", "swells": "too large"}
    items = [f"item{number}" for number in range(200)]
    for place, name in enumerate(odd):
        items.insert(20 + place * 31, name)
    found = list(answers(items, local(jobs, 1 << 30, lambda: None), task, lost, 5.0))
    assert sorted(found) == sorted((item, odd.get(item, "done")) for item in items)


def test_items_are_taken_as_they_are_wanted():
    """A million names are not waited for, and not held."""
    taken = 0

    def names():
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield str(number)

    work = answers(names(), local(1, 1 << 30, lambda: None), task, lost, 5.0)
    next(work)
    assert taken < 200
    work.close()


def test_what_does_not_come_back_is_given_up(monkeypatch):
    from fwaudit.host.fleet import pool

    monkeypatch.setattr(pool, "_PATIENCE", 0.3)
    found = list(answers(["a", "b"], local(1, 1 << 30, lambda: None), slow, lost, 0.01))
    assert found == [("a", "lost"), ("b", "lost")]


def slow(items: Sequence[str]) -> list[tuple[str, str]]:
    time.sleep(30)
    return [(item, "done") for item in items]
