"""The locks pin what pyproject.toml wants, for every Python that it allows. Mended by one command: scripts/lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def pins(name: str, python: str) -> dict[str, str]:
    """What a lock pins for one Python: the version of each package."""
    found: dict[str, str] = {}
    for each in entries(name):
        requirement = Requirement(each.split("--hash", 1)[0])
        if requirement.marker is None or requirement.marker.evaluate(environment(python)):
            (pin,) = requirement.specifier
            assert pin.operator == "==" and requirement.name not in found, each
            found[requirement.name] = pin.version
    return found


def entries(name: str) -> Iterator[str]:
    text = (ROOT / f"locks/{name}.lock").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#"))
    return filter(None, lines.splitlines())


def environment(python: str) -> dict[str, str]:
    return {**default_environment(), "python_version": python, "python_full_version": f"{python}.0",
            "sys_platform": "linux", "extra": ""}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(group: str) -> list[Requirement]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"]["dev"] if group == "dev" else []
    return [Requirement(each) for each in (*project["dependencies"], *extra)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_the_lock_has_what_pyproject_wants(name, python):
    pinned = pins(name, python)
    wrong = [str(each) for each in wanted(name)
             if (each.marker is None or each.marker.evaluate(environment(python)))
             and not each.specifier.contains(pinned.get(canonical(each.name), "0"), prereleases=True)]
    assert not wrong, f"locks/{name}.lock does not satisfy pyproject.toml: {wrong}; run scripts/lock"


@pytest.mark.parametrize("python", PYTHONS)
def test_ci_runs_what_the_package_carries(python):
    tested = pins("dev", python)
    assert pins("runtime", python).items() <= tested.items()


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_every_pin_has_hashes_and_no_address(name):
    assert all("--hash=sha256:" in each for each in entries(name))
    assert "://" not in (ROOT / f"locks/{name}.lock").read_text(encoding="utf-8")
