"""What scripts/package makes: the same bytes each time, nothing compiled, nothing that lintian calls an error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from packages import ROOT, build, copy
from requirements import requires

import fwaudit
from fwaudit.cli.app import build as command_line
from fwaudit.host.schedule import install, units
from fwaudit.host.schedule.plan import Plan
from release import deb, lock, man

pytestmark = pytest.mark.slow


def test_two_builds_are_byte_for_byte_equal(built, tmp_path):
    """From another folder, with another umask, time zone and language."""
    before = os.umask(0o077)
    try:
        source = copy(tmp_path / "elsewhere" / "clone")
        again = build(source, tmp_path / "out", TZ="Asia/Kathmandu", LC_ALL="C", PYTHONHASHSEED="7")
    finally:
        os.umask(before)
    first = {path.name: path.read_bytes() for path in built.folder.iterdir()}
    second = {path.name: path.read_bytes() for path in again.folder.iterdir()}
    assert sorted(first) == sorted(second)
    assert len(first) == 4
    assert [name for name in first if first[name] != second[name]] == []


def test_lintian_has_no_error_and_no_warning(built):
    requires("lintian")
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", "--tag-display-limit", "0",
                           str(built.deb)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_package_for_every_architecture_and_python(built, tmp_path):
    subprocess.run(["dpkg-deb", "-R", str(built.deb), str(tmp_path / "tree")], check=True)
    library = tmp_path / "tree/usr/lib/fwaudit"
    files = [path for path in library.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix in (".so", ".pyc") or path.read_bytes()[:4] == b"\x7fELF"] == []
    carried = {lock.canonical(path.name.split("-")[0]) for path in library.glob("*.dist-info")}
    assert carried == {"fwaudit", *(pin.name for pin in lock.read(ROOT / "locks/runtime.lock"))}
    control = (tmp_path / "tree/DEBIAN/control").read_text()
    assert f"\nVersion: {deb.version_of(fwaudit.__version__)}\n" in control
    assert "\nArchitecture: all\n" in control


def test_the_bill_of_materials_is_what_is_in_the_package(built):
    """Its schema was held by the build, which refuses to write another."""
    (path,) = built.folder.glob("*.cdx.json")
    bom = json.loads(path.read_text(encoding="utf-8"))
    pins = {pin.name: pin for pin in lock.read(ROOT / "locks/runtime.lock")}
    assert {part["name"]: part["version"] for part in bom["components"]} == {
        name: pin.version for name, pin in pins.items()}
    for part in bom["components"]:
        assert f"sha256:{part['hashes'][0]['content']}" in pins[part["name"]].hashes
        assert part["licenses"]
    assert bom["metadata"]["component"]["version"] == fwaudit.__version__
    (root,) = (each for each in bom["dependencies"] if each["ref"] == bom["metadata"]["component"]["bom-ref"])
    project = (built.source / "pyproject.toml").read_text(encoding="utf-8")
    wanted = project.split("\ndependencies = [", 1)[1].split("\n]")[0]
    assert {each.split("/")[-1].split("@")[0] for each in root["dependsOn"]} == {
        lock.canonical(name) for name in re.findall(r'^  "([\w-]+)', wanted, re.MULTILINE)}


def test_the_source_archive_can_be_tested_and_built(built):
    """What stands at the top of the clone is in it, so that nobody has to fetch the rest."""
    (path,) = built.folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        inside = {name.split("/")[1] for name in archive.getnames()}
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert {name.split("/")[0] for name in kept} - {".ci"} <= inside


# ---- the man page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> str:
    """The man page as man shows it."""
    requires("man", "groff")
    path = tmp_path_factory.mktemp("man") / "fwaudit.8"
    path.write_text(man.page(ROOT, 0), encoding="utf-8")
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(path)], capture_output=True,
                          text=True, check=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
    assert done.stderr == ""
    return re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)


def test_the_man_page_has_every_command_and_option(shown):
    group = command_line()
    for name, command in group.commands.items():
        part = shown.split(f"\n   fwaudit {name} ", 1)[1].split("\n   fwaudit ")[0]
        for each in command.params:
            if not getattr(each, "hidden", False):
                assert all(option in part for option in each.opts if option.startswith("-")), (name, each.opts)
    for code in (0, 1, 2, 3, 130):
        assert re.search(rf"^       {code} ", shown.split("\nEXIT STATUS\n")[1], re.MULTILINE)
    folded = [line for line in shown.splitlines() if not re.match(r" {11}(fwaudit|ssh|\w+:) ", line)]  # no example
    assert max(map(len, folded)) <= 80


def test_the_man_page_has_every_variable_that_is_asked_for(shown):
    asked = set()
    for path in (ROOT / "fwaudit").rglob("*.py"):
        asked |= set(re.findall(r'environ(?:ment)?(?:\.get\(|\[)"([A-Z_]+)"', path.read_text(encoding="utf-8")))
    environment = shown.split("\nENVIRONMENT\n", 1)[1].split("\nREPORTING BUGS\n")[0]
    # set by others for every program: the shell, sshd, sudo, systemd
    theirs = ("HOME", "PATH", "SSH_", "SUDO_", "XDG_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
    ours = {name for name in asked if not name.startswith(theirs)}
    assert {name for name in ours if name not in environment} == set()
    assert {"NO_COLOR", "DOCKER_HOST"} <= ours


def test_text_is_no_request_to_groff():
    assert man._text(".so /etc/passwd") == r"\&.so /etc/passwd"
    assert man._text(r"-a\n") == r"\-a\en"


@pytest.mark.parametrize(("python", "debian"), [
    ("1.2.3", "1.2.3"), ("1.0rc1", "1.0~rc1"), ("1.0b2", "1.0~b2"), ("1.0.dev3", "1.0~dev3")])
def test_a_version_before_a_release_comes_before_it(python, debian):
    assert deb.version_of(python) == debian
    if python != debian:
        subprocess.run(["dpkg", "--compare-versions", debian, "lt", "1.0"], check=True)


def test_the_version_stands_in_one_place():
    """What else names a number of this version would be forgotten at the next."""
    places = [path for folder in ("fwaudit", "scripts", "release") for path in (ROOT / folder).rglob("*")
              if path.suffix in (".py", ".toml", "") and path.is_file() and "__pycache__" not in path.parts
              and f'"{fwaudit.__version__}"' in path.read_text(encoding="utf-8")]
    assert places == [ROOT / "fwaudit/__init__.py"]
    assert f"## {fwaudit.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_default_policy_changes_no_verdict():
    from fwaudit.intent.accepted import parse_policy
    from fwaudit.model.compliance import Policy

    text = Path(ROOT / "release/deb/policy.toml").read_text(encoding="utf-8")
    assert replace(parse_policy(text, "policy.toml"), path="") == Policy()
    example = "\n".join(line.removeprefix("# ") for line in text.splitlines()[text.splitlines().index("# [[accept]]"):])
    assert len(parse_policy(example, "the example").accepted) == 1


def test_the_units_that_it_brings_are_taken_away_with_it():
    scripts = {name: (ROOT / f"release/deb/{name}").read_text(encoding="utf-8") for name in ("prerm", "postrm")}
    assert [name for name in units.ENABLED if name not in scripts["prerm"]] == []
    assert [name for name in units.units(Plan(watch=True)) if name not in scripts["postrm"]] == []
    assert f"rm -f {install.CRON};" in scripts["postrm"]
    assert re.search(r"\^(# Written by [\w ]+)'", scripts["postrm"]).group(1) in install._MARK  # nobody else's


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_of_the_command_itself(shell):
    text = deb.completion(shell, ROOT)
    assert "_FWAUDIT_COMPLETE=complete_" + shell in text
