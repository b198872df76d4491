"""The files in locks/: which version of which package is installed, and the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement


@dataclass(frozen=True, slots=True)
class Pin:
    """One package at one version. ``marker``: for which Pythons and systems. ``hashes``: ``sha256:…`` of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name as PyPI compares names."""
        return canonical(self.requirement.name)

    @property
    def version(self) -> str:
        (pin,) = self.requirement.specifier
        if pin.operator != "==":
            raise ValueError(f"not a pin: {self.requirement}")
        return pin.version

    def applies(self, python: str) -> bool:
        """Whether it is installed on Linux with this Python, ``3.10`` for instance."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(environment(python))


def read(file: Path) -> list[Pin]:
    """Every pin of a lock, in its order."""
    return list(_pins(file.read_text(encoding="utf-8")))


def _pins(text: str) -> Iterator[Pin]:
    for line in text.replace("\\\n", " ").splitlines():
        said = line.strip()
        if said and not said.startswith("#"):
            yield Pin(Requirement(said.split(" --hash", 1)[0]), tuple(re.findall(r"--hash=(\S+)", said)))


def environment(python: str) -> dict[str, str]:
    """What markers are judged by: Linux, this Python, no extra."""
    return {**_plain(default_environment()), "python_version": python, "python_full_version": f"{python}.99",
            "sys_platform": "linux", "extra": ""}


def _plain(environment: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in environment.items()}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
