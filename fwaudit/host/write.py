"""Run one command that changes the host, with its input on stdin. An argument list, a fixed PATH, a deadline."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from fwaudit.errors import FixError
from fwaudit.host.run import ENVIRONMENT, PATH

TIMEOUT = 30.0


def feed(argv: Sequence[str], text: str = "") -> str:
    """What the command prints. Raises FixError where it is missing, late, or says no."""
    binary = shutil.which(argv[0], path=PATH)
    if binary is None:
        raise FixError(f"{argv[0]} is not installed", "Install the tool that the container engine itself uses.")
    try:
        done = subprocess.run([binary, *argv[1:]], input=text, capture_output=True, text=True, env=ENVIRONMENT,
                              cwd="/", timeout=TIMEOUT, check=False, start_new_session=True)
    except subprocess.TimeoutExpired:
        raise FixError(f"{argv[0]} did not end within {TIMEOUT:g} s") from None
    except OSError as error:
        raise FixError(f"cannot run {argv[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise FixError(f"{argv[0]}: {lines[0][:300] if lines else f'exit {done.returncode}'}")
    return done.stdout
