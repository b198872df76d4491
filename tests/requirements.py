"""What a test needs from the machine. Missing, it is skipped on a laptop and fails in CI: there, a skip would pass for
a test that ran."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def requires(*commands: str, root: bool = False) -> None:
    """Go on only where every command is installed and, with ``root``, this is root."""
    missing = [name for name in commands if shutil.which(name, path=SBIN) is None]
    if root and os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        give_up("needs " + ", ".join(missing))


def give_up(why: str) -> NoReturn:
    """Skip this test, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
