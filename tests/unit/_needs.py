"""What a test needs from the machine: missing, it is skipped on a laptop and fails where CI=true."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest


def needs(*what: str) -> None:
    """Each of ``what`` is ``root`` or a command's name."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [each for each in what
               if (os.geteuid() != 0 if each == "root" else shutil.which(each, path=path) is None)]
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs {', '.join(missing)}")


def in_namespace(script: str, setup: str = "") -> Any:
    """Run a Python script in a fresh network namespace, after shell commands; it prints JSON, which is returned."""
    shell = f"set -e; ip link set lo up\n{setup}\nexec {sys.executable} -c \"$SCRIPT\""
    done = subprocess.run(["unshare", "-n", "bash", "-c", shell], env={**os.environ, "SCRIPT": script},
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_nobody(ask: Callable[[], Any]) -> Any:
    """Call ``ask`` in a child process without root's rights; what it returns has to be JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, json.dumps(ask()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return json.loads(said)
