"""Compose files as docker compose reads them: recorded (scripts/record_compose), and asked where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fwaudit.host.compose import Asked, facts_of, network_facts, read
from fwaudit.host.run import Machine
from fwaudit.model.compose import Project
from fwaudit.parse.compose.assemble import Tree
from fwaudit.parse.compose.project import read_project
from fwaudit.parse.compose.tree import from_json

_FOLDER = Path(__file__).parents[1] / "data" / "compose"
_CASES = sorted(path.parent.name for path in _FOLDER.glob("*/case.json"))


class _WithoutCompose(Machine):
    """A machine on which docker compose is not installed."""

    def which(self, name: str) -> str | None:
        return None


def _read(name: str) -> Project:
    asked = json.loads((_FOLDER / name / "case.json").read_text())
    return read(Asked(asked["files"], asked.get("profiles", ()), folder=str(_FOLDER / name)), _WithoutCompose(),
                asked.get("env", {})).project


def _recorded(name: str, text: str) -> Project:
    root = from_json(json.loads(text), "config.json")
    services, networks = root.get("services"), root.get("networks")
    assert services is not None and services.keys
    tree = Tree(root.get("name"), services.keys, (networks.keys or {}) if networks is not None else {})
    asked = root.get("name")
    assert asked is not None
    return read_project(tree, asked.text, (), ("*",))


@pytest.mark.parametrize("name", _CASES)
def test_files_are_read_as_compose_reads_them(name: str) -> None:
    own, theirs = _read(name), _recorded(name, (_FOLDER / name / "config.json").read_text())
    assert own.name == theirs.name
    assert {each.name: facts_of(each) for each in own.services} == {
        each.name: facts_of(each) for each in theirs.services}
    used = {seat.network for service in own.services for seat in service.attachments}
    assert {key: network_facts(own.networks[key]) for key in used} == {
        key: network_facts(theirs.networks[key]) for key in used}
    assert not own.doubts and not theirs.doubts


@pytest.mark.parametrize("name", _CASES)
def test_every_port_has_its_line(name: str) -> None:
    for service in _read(name).services:
        for publish in service.publishes:
            lines = (_FOLDER / name / publish.mark.file).read_text().splitlines()
            assert str(publish.container_port) in lines[publish.mark.line - 1] or "-" in lines[publish.mark.line - 1] \
                or "*" in lines[publish.mark.line - 1]


def test_compose_that_is_here_reads_as_it_did() -> None:
    if shutil.which("docker") is None or subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here; what it said is recorded")
    for name in _CASES:
        asked = json.loads((_FOLDER / name / "case.json").read_text())
        found = read(Asked(asked["files"], asked.get("profiles", ()), folder=str(_FOLDER / name)), Machine(),
                     asked.get("env", {}))
        assert not found.notes and not found.project.doubts, (name, found)
