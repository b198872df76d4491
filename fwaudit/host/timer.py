"""What takes a fix back when nobody confirms it: a timer outside of the process that applied it.

Where systemd runs, a transient timer of its own; elsewhere a process in a session of its own that outlives the one
that started it, its terminal and its connection. Both run ``fwaudit fix --revert`` for one checkpoint.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fwaudit.errors import FixError
from fwaudit.host import own
from fwaudit.host.checkpoint import Store, boot_id, clock
from fwaudit.host.run import ENVIRONMENT, PATH
from fwaudit.host.write import feed

_STEP = 0.5


def start(identity: str, seconds: float, folder: Path) -> None:
    """Have the checkpoint ``identity`` taken back in so many seconds. Raises FixError; then there is no timer."""
    if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run", path=PATH) is not None:
        try:
            feed(("systemd-run", "--quiet", "--collect", f"--unit={unit(identity)}", f"--on-active={seconds:g}s",
                  "--timer-property=AccuracySec=1s", "--", *command(identity, folder)))
            return
        except FixError:
            pass  # a container with half a systemd: the process below does as well
    try:
        process = subprocess.Popen(
            [*command(identity, folder), "--after", f"{seconds:g}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env=ENVIRONMENT, start_new_session=True)
    except OSError as error:
        raise FixError(f"cannot start the timer that would take the fix back: {error.strerror}",
                       "Nothing was changed.") from error
    time.sleep(0.1)
    if process.poll() is not None:
        raise FixError("the timer that would take the fix back ended at once", "Nothing was changed.")
    process.returncode = 0  # it is meant to outlive this process: no complaint when this object goes


def stop(identity: str) -> None:
    """The timer is not needed any more. A process ends by itself when it finds the checkpoint confirmed or gone."""
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl", path=PATH) is not None:
        try:
            feed(("systemctl", "stop", f"{unit(identity)}.timer"))
        except FixError:
            return


def unit(identity: str) -> str:
    """The name of the transient unit."""
    return f"fwaudit-revert-{identity}"


def command(identity: str, folder: Path) -> tuple[str, ...]:
    """The command line that takes one checkpoint back, by the very fwaudit that runs now."""
    return own.command("fix", "--revert", "--unconfirmed", identity, "--state", str(folder))


def wait(store: Store, identity: str, seconds: float, now: Callable[[], float] = clock) -> bool:
    """Sleep so long, and until the deadline of a fix that has been applied since; False as soon as the checkpoint has
    been confirmed, taken back or replaced."""
    end = now() + seconds
    while True:
        try:
            found = store.read()
        except FixError:
            pass
        else:
            if found is None or found.id != identity or found.state == "confirmed":
                return False
            if found.state == "applied" and found.boot == boot_id():
                end = found.deadline
        left = end - now()
        if left <= 0:
            return True
        time.sleep(min(_STEP, left))


def new_identity() -> str:
    """A name for one apply."""
    return os.urandom(6).hex()
