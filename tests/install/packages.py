"""Run scripts/package on this source tree, or on a copy of it that a test has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EPOCH = "1767225600"
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "dist",
                                     "build", ".lab")


@dataclass(frozen=True)
class Built:
    """What scripts/package made of one source tree."""

    source: Path
    folder: Path

    @property
    def deb(self) -> Path:
        (found,) = self.folder.glob("*.deb")
        return found


def build(source: Path, out: Path, **environment: str) -> Built:
    """Run scripts/package of a source tree."""
    done = subprocess.run([sys.executable, str(source / "scripts/package"), str(out)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, cwd=source,
                          env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PYTHONPATH": "", **environment})
    assert done.returncode == 0, done.stderr[-4000:]
    return Built(source, out)


def copy(target: Path) -> Path:
    """The project's files in another folder."""
    shutil.copytree(ROOT, target, ignore=_NOT_COPIED)
    return target
