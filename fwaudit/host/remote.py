"""Ask another machine over the system's own ssh, with the keys and settings that its user has."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from fwaudit.errors import CollectError
from fwaudit.host.run import PATH

TIMEOUT = 900.0
_LIMIT = 64 << 20


def ask(target: str, argv: Sequence[str]) -> bytes:
    """What a command prints there. Never asks for a password. Raises CollectError."""
    binary = shutil.which("ssh", path=PATH)
    if binary is None:
        raise CollectError("ssh is not installed", "Run the scan yourself: fwaudit verify --plan")
    try:
        done = subprocess.run([binary, "-o", "BatchMode=yes", "--", target, shlex.join(argv)], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise CollectError(f"{target} did not answer within {TIMEOUT:g} s") from None
    except OSError as error:
        raise CollectError(f"cannot run ssh: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CollectError(f"{target}: {lines[-1][:200] if lines else f'exit {done.returncode}'}",
                           "It needs nmap there, and a key that ssh may use without a question.")
    return done.stdout[:_LIMIT]
