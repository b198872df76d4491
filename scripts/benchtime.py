"""How scripts/bench and its parts run and time commands."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FWAUDIT = [sys.executable, "-c", "import sys; from fwaudit.__main__ import main; sys.exit(main())"]
"""As scripts/fwaudit and an installed command start it; ``python -m`` loads runpy as well, 2 ms."""
VERDICTS = [sys.executable, str(ROOT / "scripts/benchverdicts.py")]


def run(argv: Sequence[str], stdout: int = subprocess.DEVNULL, codes: Sequence[int] = (0,)) -> bytes:
    """One command, its output thrown away (or returned, with PIPE). Compiled files are kept, as they are on a user's
    machine. One that fails ends the measurement: the time that an error takes is no result."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(argv, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, env=environment)
    if done.returncode not in codes:
        raise SystemExit(f"scripts/bench: exit code {done.returncode} of {' '.join(argv)}\n{done.stderr.decode()}")
    return done.stdout or b""


def interleaved(commands: Mapping[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """The seconds of each, run in turns so that a busy moment hits all alike; a first round does not count."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for i in range(times + (times > 1)):
        for name, command in commands.items():
            start = time.monotonic()
            command()
            if i or times == 1:
                taken[name].append(time.monotonic() - start)
    return taken


def spell(seconds: Sequence[float]) -> str:
    """The median: ``119 ms``, ``1.36 s``."""
    median = statistics.median(seconds)
    return f"{median:.2f} s" if median >= 0.5 else f"{median * 1000:.0f} ms"


def ratio(mine: Sequence[float], base: Sequence[float], goal: float = 0.0) -> str:
    """The median of the ratios of each round: ``2.0× (goal 3×)``."""
    found = f"{statistics.median(a / b for a, b in zip(mine, base, strict=True)):.1f}×"
    return f"{found} (goal {goal:g}×)" if goal else found
