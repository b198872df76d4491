"""Apply a fix on this machine, and have something go wrong at one step of it (tests/lab/test_fix_faults.py).

usage: faulty.py FOLDER SECONDS STEP HOW

HOW: kill; fail (the step is not done); late-fail (it is done); count; wait (before the step, until FOLDER/go is there;
FOLDER/waiting says that it does).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fwaudit.cli.source import load
from fwaudit.errors import FixError
from fwaudit.fix.planner import Wish
from fwaudit.host import rules, timer
from fwaudit.host.apply import Fixer
from fwaudit.host.checkpoint import Store
from fwaudit.parse.host import parse_host

FOLDER, SECONDS, STEP, HOW = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
done: list[str] = []


def step(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """``act``, counted, and broken where it is the step that was asked for."""

    def counted(*arguments: Any, **options: Any) -> Any:
        number = len(done)
        done.append(name)
        if number == STEP and HOW == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if number == STEP and HOW == "wait":
            (FOLDER / "waiting").touch()
            while not (FOLDER / "go").exists():
                time.sleep(0.02)
        if number == STEP and HOW == "fail":
            raise FixError(f"{name} fails")
        result = act(*arguments, **options)
        if number == STEP and HOW == "late-fail":
            raise FixError(f"{name} fails when it is done")
        return result

    return counted


store = Store(FOLDER)
store.write = step("write", store.write)  # type: ignore[method-assign]
timer.start = step("timer", timer.start)
rules.undo_of = step("undo", rules.undo_of)
rules.load = step("load", rules.load)
look = step("look", lambda: parse_host(load(None, 30.0)))
try:
    Fixer(store, look).apply(Wish(), SECONDS)
except FixError as error:
    print(f"failed: {error}")
print(" ".join(done) if HOW == "count" else "ended")
