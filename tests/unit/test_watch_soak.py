"""Days of watching in seconds: what it holds does not grow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

_SOAK = Path(__file__).with_name("_soak.py")
_AUDITS = 80


def test_what_a_watch_holds_does_not_grow():
    done = subprocess.run([sys.executable, str(_SOAK), str(_AUDITS)], capture_output=True, text=True, timeout=300,
                          check=True)
    held = json.loads(done.stdout)
    assert (held["ended"], held["audits"]) == (signal.SIGTERM, _AUDITS)
    assert held["events"] > 1000
    half, end = held["half"], held["end"]
    assert abs(end["open"] - half["open"]) <= 2  # both ends of the stream, which comes and goes
    assert end["blocks"] < half["blocks"] * 1.01
    assert end["kib"] < half["kib"] * 1.05
