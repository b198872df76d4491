"""When an audit is due, on a clock that is only a number."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwaudit.host.watch.debounce import REST, RETRY, SETTLE, Debounce

INTERVAL, EVERY = 3.0, 300.0


def _after_the_first(took: float = 0.1, cost: float = 0.0) -> Debounce:
    debounce = Debounce(INTERVAL, EVERY)
    debounce.started(100.0)
    debounce.ended(100.0 + took, cost)
    return debounce


def test_the_first_audit_is_due_at_once():
    assert Debounce(INTERVAL, EVERY).wait(100.0) == 0


def test_without_an_event_the_next_one_is_due_after_a_while():
    assert _after_the_first().wait(100.1) == pytest.approx(EVERY)
    assert _after_the_first().wait(1000.0) == 0


def test_a_single_event_after_a_long_quiet_waits_only_for_others_of_its_burst():
    debounce = _after_the_first()
    debounce.event(200.0)
    assert debounce.wait(200.0) == pytest.approx(SETTLE)


def test_a_burst_is_one_audit_and_one_without_end_is_no_excuse():
    debounce = _after_the_first()
    for number in range(40):
        debounce.event(200.0 + number / 10)
    assert debounce.wait(200.1) == pytest.approx(INTERVAL - 0.1)
    assert debounce.wait(203.0) == 0


def test_two_audits_are_never_nearer_than_the_interval():
    debounce = _after_the_first()
    debounce.event(100.2)
    assert debounce.wait(100.2) == pytest.approx(INTERVAL - 0.2)


def test_a_dear_audit_is_followed_by_a_long_rest():
    debounce = _after_the_first(took=5.0, cost=5.0)
    debounce.event(105.0)
    assert debounce.wait(105.0) == pytest.approx(REST * 5.0)


def test_an_audit_that_only_waited_is_not_followed_by_a_rest():
    debounce = _after_the_first(took=40.0)
    debounce.event(140.0)
    assert debounce.wait(140.0) == pytest.approx(SETTLE)


def test_an_event_during_an_audit_leads_to_another():
    debounce = Debounce(INTERVAL, EVERY)
    debounce.started(100.0)
    debounce.event(100.05)
    assert debounce.wait(100.05) == math.inf
    debounce.ended(100.1)
    assert debounce.wait(100.1) == pytest.approx(INTERVAL - 0.1)


def test_an_event_before_an_audit_does_not():
    debounce = Debounce(INTERVAL, EVERY)
    debounce.event(99.9)
    debounce.started(100.0)
    debounce.ended(100.1)
    assert debounce.wait(100.1) == pytest.approx(EVERY)


def test_what_could_not_see_everything_is_tried_again_soon():
    debounce = Debounce(INTERVAL, EVERY)
    debounce.started(100.0)
    debounce.ended(100.1, blind=True)
    assert debounce.wait(100.1) == pytest.approx(RETRY)


@given(st.lists(st.floats(0.0, 5.0), max_size=60), st.floats(0.01, 2.0))
def test_no_event_is_lost_and_no_two_audits_are_too_near(gaps, took):
    debounce = Debounce(INTERVAL, EVERY)
    now = 0.0
    starts: list[float] = []
    events: list[float] = []
    pending = [sum(gaps[:number + 1]) for number in range(len(gaps))]
    end = (pending[-1] if pending else 0.0) + 60
    running_until = math.inf
    while now < end:
        due = now + debounce.wait(now)
        step = min(due, running_until, pending[0] if pending else math.inf, end)
        now = max(now, step)
        if pending and pending[0] <= now:
            events.append(pending.pop(0))
            debounce.event(now)
        elif running_until <= now:
            running_until = math.inf
            debounce.ended(now)
        elif debounce.wait(now) <= 1e-9:
            starts.append(now)
            debounce.started(now)
            running_until = now + took
    assert all(later - sooner >= INTERVAL - 1e-6 for sooner, later in pairwise(starts))
    assert not events or starts[-1] >= events[-1]
