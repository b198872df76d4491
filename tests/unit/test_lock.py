"""The locks pin what pyproject.toml wants, for every Python that it allows. Mended by one command: scripts/lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from release import lock

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def pinned(name: str, python: str) -> dict[str, str]:
    """What a lock pins for one Python: the version of each package."""
    pins = [pin for pin in lock.read(ROOT / f"locks/{name}.lock") if pin.applies(python)]
    found = {pin.name: pin.version for pin in pins}
    assert len(found) == len(pins) > 10
    return found


def wanted(group: str) -> list[Requirement]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"]["dev"] if group == "dev" else []
    return [Requirement(each) for each in (*project["dependencies"], *extra)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_the_lock_has_what_pyproject_wants(name, python):
    pins = pinned(name, python)
    wrong = [str(each) for each in wanted(name)
             if (each.marker is None or each.marker.evaluate(lock.environment(python)))
             and not each.specifier.contains(pins.get(lock.canonical(each.name), "0"), prereleases=True)]
    assert not wrong, f"locks/{name}.lock does not satisfy pyproject.toml: {wrong}; run scripts/lock"


@pytest.mark.parametrize("python", PYTHONS)
def test_ci_runs_what_the_package_carries(python):
    assert pinned("runtime", python).items() <= pinned("dev", python).items()


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_every_pin_has_hashes_and_no_address(name):
    path = ROOT / f"locks/{name}.lock"
    assert all(pin.hashes and each.startswith("sha256:") for pin in lock.read(path) for each in pin.hashes)
    assert "://" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["typer>=0.28 --hash=sha256:0", "typer --hash=sha256:0"])
def test_what_is_no_pin_is_refused(text, tmp_path):
    (tmp_path / "lock").write_text(text + "\n")
    with pytest.raises(ValueError, match=r"typer|unpack"):
        _ = [pin.version for pin in lock.read(tmp_path / "lock")]
