"""The command line that starts this very fwaudit again, later and by somebody else: for units, cron and timers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> tuple[str, ...]:
    """By the command it was started by, where that is a file: the one that an installation or a package made, or
    scripts/fwaudit of a clone, which knows where its dependencies are. Else by this Python and this package."""
    started, script = Path(sys.argv[0]), _PACKAGE / "scripts/fwaudit"
    if started.name == "start.py" and os.access(script, os.X_OK):
        return (str(script), *arguments)
    if started.name == "fwaudit" and started.is_file() and os.access(started, os.X_OK):
        return (str(started.absolute()), *arguments)
    return ("/usr/bin/env", f"PYTHONPATH={_PACKAGE}", sys.executable, "-m", "fwaudit", *arguments)
