"""A throw-away machine that is booted: systemd is its pid 1, with the units of Docker, ufw and cron as installed.

It is a machine as any other in the lab (machine.py), with a tree of cgroups of its own in addition.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from machine import Machine
from requirements import give_up, requires

_CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
_PATIENCE = 60.0


class Booted(Machine):
    """The machine; ``systemctl`` works on it. Docker, ufw and cron are installed and not started."""

    namespaces = (*Machine.namespaces, "-C")
    init = "systemd"

    def __init__(self) -> None:
        requires("systemctl", "systemd-analyze", "dbus-daemon", root=True)
        top = next((each for each in _CGROUPS if (each / "cgroup.procs").exists()), None)
        if top is None or not Path("/lib/systemd/systemd").exists():
            give_up("no systemd, or no cgroup2, to boot a machine with")
        self._cgroup = top / f"fwaudit-booted-{time.monotonic_ns()}"
        self._cgroup.mkdir()
        super().__init__()
        self.wait_for("systemctl is-system-running | grep -q 'running\\|degraded'")

    def wrapped(self, argv: list[str]) -> list[str]:
        """In a cgroup of its own, which the new namespace takes for the top."""
        return ["bash", "-c", f'echo $$ >{self._cgroup}/cgroup.procs && INIT="bash /lab/boot.sh" exec "$@"', "-", *argv]

    def wait_for(self, script: str) -> None:
        """Until a shell script succeeds."""
        deadline = time.monotonic() + _PATIENCE
        while self.run("bash", "-c", script).returncode:
            assert time.monotonic() < deadline, script
            time.sleep(0.1)

    def close(self) -> None:
        """End everything that is in it, and take its cgroups away."""
        super().close()
        deadline = time.monotonic() + 5  # the kernel takes a moment to bury them all
        while self._cgroup.exists() and time.monotonic() < deadline:
            for folder in sorted(self._cgroup.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            time.sleep(0.02)
