"""pipx and pip install it without a compiler: for every Python, all that it depends on has wheels."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packages import ROOT
from requirements import requires

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Those that Debian and Ubuntu are run on most; glibc as old as Ubuntu 22.04's and older.
PLATFORMS = ("x86_64-manylinux_2_17", "aarch64-manylinux_2_17")
NAMES = {"docker", "jinja2", "netaddr", "tabulate", "typer"}


def resolve(python: str, platform: str, *more: str) -> subprocess.CompletedProcess[str]:
    """What would be installed, out of wheels alone. uv, since pip judges markers by the Python that runs it."""
    uv = Path(sys.executable).with_name("uv")
    return subprocess.run(
        [str(uv), "pip", "compile", "pyproject.toml", "--python-version", python, "--python-platform", platform,
         "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet", *more],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"})


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_it_depends_on_has_wheels(python, platform):
    done = resolve(python, platform)
    assert done.returncode == 0, done.stderr
    names = {line.split("==")[0] for line in done.stdout.splitlines()}
    assert names >= NAMES
    assert ("tomli" in names) == (python == "3.10")


def test_what_has_no_wheel_would_be_noticed():
    """python-iptables has none, which is why it is optional."""
    done = resolve("3.12", PLATFORMS[0], "--extra", "legacy")
    assert done.returncode != 0
    assert "python-iptables" in done.stderr


@pytest.mark.slow
def test_the_wheel_is_for_every_machine_and_has_no_test_in_it(built):
    (wheel,) = built.folder.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
        (said,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert "fwaudit = fwaudit.__main__:main" in archive.read(said).decode()
    assert {name for name in folders if not name.endswith(".dist-info")} == {"fwaudit"}


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_what_the_package_carries_runs_with_every_python(python, built, tmp_path):
    """The Debian package's modules, by the Pythons that are here; the one that runs this is always among them."""
    requires("dpkg-deb")
    command = sys.executable if python == f"{sys.version_info[0]}.{sys.version_info[1]}" else f"python{python}"
    environment = {**os.environ, "PYENV_VERSION": python}  # where pyenv has it, its command answers to this alone
    try:
        subprocess.run([command, "-c", ""], check=True, capture_output=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no Python {python} here")
    subprocess.run(["dpkg-deb", "-x", str(built.deb), str(tmp_path)], check=True)
    launcher = (tmp_path / "usr/bin/fwaudit").read_text(encoding="utf-8")
    assert launcher.startswith("#!/usr/bin/python3 -ISB\n")
    script = launcher.replace("/usr/lib/fwaudit", f"{tmp_path}/usr/lib/fwaudit")
    done = subprocess.run([command, "-ISB", "-c", script, "demo"], capture_output=True, text=True, check=False,
                          env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "5432/tcp" in done.stdout
