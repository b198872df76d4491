"""The loop, with a follower that does what a test wants: children that die, hang, or tell."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from requirements import requires

from fwaudit.host.privileges import capabilities, give_up
from fwaudit.host.watch import debounce, loop
from fwaudit.host.watch.child import Child
from fwaudit.host.watch.debounce import Debounce
from fwaudit.host.watch.events import Event


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(loop, "TICK", 0.01)
    monkeypatch.setattr(debounce, "SETTLE", 0.0)
    monkeypatch.setattr(debounce, "REST", 0.0)


class Follower:
    """Audits as ``works`` says, one after the other, and ends the loop when there are no more."""

    def __init__(self, *works, tells=()) -> None:
        self.works, self.tells = list(works), list(tells)
        self.results: list[tuple[bytes | None, str]] = []
        self.after: list[tuple[bytes | None, str]] = []
        self.events: list[Event] = []
        self.blind = False

    def audit(self) -> bytes:
        return self.works[min(len(self.results), len(self.works) - 1)]()

    def audited(self, given, why) -> bool:
        self.results.append((given, why))
        self._end()
        return len(self.after) < len(self.tells)

    def tell(self) -> bytes:
        return self.tells[min(len(self.after), len(self.tells) - 1)]()

    def told(self, given, why) -> bool:
        self.after.append((given, why))
        self._end()
        return len(self.after) < len(self.tells)

    def heard(self, event) -> None:
        self.events.append(event)

    def alive(self) -> bool:
        return False

    def _end(self) -> None:
        if len(self.results) >= len(self.works) and len(self.after) >= len(self.tells):
            os.kill(os.getpid(), signal.SIGTERM)


class Restless:
    """A source that has an event at each look."""

    def fileno(self) -> int:
        return -1

    def ready(self):
        return ()

    def tick(self, now):
        yield Event("change", "test")

    def close(self) -> None:
        pass


def run(follower: Follower, seconds: float = 10.0) -> int:
    return loop.follow([Restless()], Debounce(0.01, 60.0), follower, seconds)


def test_an_audit_that_dies_or_fails_is_said_and_the_next_one_is_made(capfd):
    follower = Follower(lambda: b"one", lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL),
                        lambda: 1 / 0, lambda: b"x" * (5 << 20))
    assert run(follower) == signal.SIGTERM
    assert follower.results[:4] == [(b"one", ""), (None, "exit 3"), (None, "ended by signal 9"), (None, "exit 1")]
    assert follower.results[4] == (b"x" * (5 << 20), "")
    assert capfd.readouterr().err == "fwaudit: internal error: ZeroDivisionError: 'division by zero'\n"


def test_an_audit_that_hangs_is_ended():
    follower = Follower(lambda: time.sleep(600), lambda: b"two")
    run(follower, seconds=0.2)
    assert follower.results == [(None, "it did not end within 0.2 s"), (b"two", "")]


def test_audits_go_on_while_somebody_is_told():
    follower = Follower(*[lambda: b"x"] * 5, tells=[lambda: time.sleep(0.5) or b"told", lambda: b"again"])
    start = time.monotonic()
    run(follower)
    assert follower.after[:2] == [(b"told", ""), (b"again", "")]
    assert len(follower.results) >= 5 and time.monotonic() - start < 10


def test_a_hangup_is_an_event_and_an_interrupt_ends():
    def hang_up() -> bytes:
        os.kill(os.getppid(), signal.SIGHUP)
        return b"x"

    follower = Follower(hang_up, lambda: os.kill(os.getppid(), signal.SIGINT) or b"x", lambda: b"never")
    assert run(follower) == signal.SIGINT
    assert Event("change", "policy", "SIGHUP") in follower.events


def test_nothing_is_left_when_it_ends():
    before = os.listdir("/proc/self/fd"), signal.getsignal(signal.SIGTERM)
    follower = Follower(lambda: b"x", lambda: os.kill(os.getppid(), signal.SIGINT) or time.sleep(600))
    assert run(follower) == signal.SIGINT
    assert (os.listdir("/proc/self/fd"), signal.getsignal(signal.SIGTERM)) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_an_audit_costs_is_counted_with_the_programs_that_it_runs():
    def busy() -> bytes:
        subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
        return b"x"

    child = Child(busy, 0.0)
    while not child.over():
        time.sleep(0.01)
    assert child.end() == (b"x", "")
    assert child.cost >= 0.2


def test_a_child_holds_nothing_of_its_parent_and_nothing_that_only_root_may():
    """The parent's connection to the engine would be as good as root."""
    requires(root=True)

    def look() -> bytes:
        give_up(None)
        held = [os.readlink(f"/proc/self/fd/{number}") for number in range(3, 200) if os.path.exists(
            f"/proc/self/fd/{number}")]
        return json.dumps([held, capabilities()]).encode()

    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        child = Child(look, 0.0)
        while not child.over():
            time.sleep(0.01)
    held, left = json.loads(child.end()[0] or b"")
    assert [each.partition(":")[0] for each in held] == ["pipe"] and left == [0, 0]


def test_half_an_answer_is_none():
    child = Child(lambda: b"", 0.0)
    while not child.over():
        time.sleep(0.01)
    child._data[:] = child._data[:4]
    assert child.end()[0] is None
