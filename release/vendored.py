"""What the Debian package carries: the pinned dependencies from their wheels, and nothing of them compiled.

Debian 12 has typer 0.7, docker 5.0, netaddr 0.8 and tabulate 0.8, and Debian 13 typer 0.15: older than what fwaudit is
tested with (docs/install.md has the table). So one folder of its own has the versions of locks/runtime.lock, the same
for every distribution and every Python; what distributions and pip install elsewhere is not seen.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

from release.lock import Pin

# Wheels for compiled CPython alone; their modules without a compiled part do the same in Python (markupsafe._native,
# yaml without yaml._yaml).
_ONLY_COMPILED = ("markupsafe", "pyyaml")
_COMPILED = (".so", ".pyd", ".pyc")
# Tables of the IEEE, whose license is not a free one; they tell who made a network card, which nothing here asks.
_NOT_FREE = ("netaddr/eui/*.txt", "netaddr/eui/*.idx")
_NOT_NEEDED = ("netaddr/tests", "typer/.agents")
_NOT_KEPT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt")


def fetch(pins: Sequence[Pin], folder: Path) -> list[Path]:
    """Download the wheel of every pin, checked against its hashes. Raises CalledProcessError."""
    pure = [pin for pin in pins if pin.name not in _ONLY_COMPILED]
    _download(pure, folder, "--platform=any", "--implementation=py", "--abi=none")
    compiled = [pin for pin in pins if pin not in pure]
    _download(compiled, folder, "--platform=manylinux2014_x86_64", "--implementation=cp", "--python-version=3.11")
    return sorted(folder.glob("*.whl"))


def _download(pins: Sequence[Pin], folder: Path, *options: str) -> None:
    # without markers: the package is for other Pythons than the one that builds it
    lines = [" ".join((f"{pin.name}=={pin.version}", *(f"--hash={each}" for each in pin.hashes))) for pin in pins]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("\n".join(lines) + "\n")
        wanted.flush()
        subprocess.run([sys.executable, "-Im", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
                        "--only-binary=:all:", "--require-hashes", f"--dest={folder}", *options,
                        f"--requirement={wanted.name}"], check=True)


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's modules into a folder. Left out: what is compiled, not free or only for tests, its scripts, and
    pip's own notes."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{wheel.name} has a file outside of its folder: {name}")
            in_metadata = path.parts[0].endswith(".dist-info")
            if name.endswith("/") or path.suffix in _COMPILED or (in_metadata and path.name in _NOT_KEPT):
                continue
            if path.parts[0].endswith(".data") or name.startswith(_NOT_NEEDED) or any(map(path.match, _NOT_FREE)):
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))


def metadata(folder: Path) -> Iterator[tuple[Path, Message]]:
    """The .dist-info of every package in a folder, by name, with what it says."""
    for each in sorted(folder.glob("*.dist-info")):
        yield each, Parser().parsestr((each / "METADATA").read_text(encoding="utf-8"))


# What is said in words only, as an SPDX expression. A package that is not here and has no expression is an error: its
# license has to be looked at.
_SPDX = {
    "MIT": "MIT", "MIT License": "MIT", "Apache-2.0": "Apache-2.0", "Apache Software License": "Apache-2.0",
    "MPL-2.0": "MPL-2.0", "BSD License": "BSD-3-Clause", "ISC License": "ISC",
}


def license_of(said: Message) -> str:
    """The SPDX expression of a package's license. Raises ValueError where it says none that is known."""
    expression = said.get("License-Expression")
    if expression:
        return str(expression)
    words = [str(said.get("License", ""))]
    words += [each.rsplit(" :: ", 1)[-1] for each in said.get_all("Classifier", []) if each.startswith("License ::")]
    for each in words:
        if each in _SPDX:
            return _SPDX[each]
    raise ValueError(f"{said['Name']}: no license that is known among {words}")
