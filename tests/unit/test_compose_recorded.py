"""Compose files as docker compose reads them: recorded (scripts/record_compose), and asked where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fwaudit.host.compose import Asked, Read, facts_of, network_facts, read
from fwaudit.host.run import Answer, Machine, missing
from fwaudit.model.compose import Project
from fwaudit.model.snapshot import Source
from fwaudit.parse.compose.assemble import Tree
from fwaudit.parse.compose.project import read_project
from fwaudit.parse.compose.tree import from_json

_FOLDER = Path(__file__).parents[1] / "data" / "compose"
_CASES = sorted(path.parent.name for path in _FOLDER.glob("*/case.json"))


class _WithoutCompose(Machine):
    """A machine on which docker compose is not installed."""

    def which(self, name: str) -> str | None:
        return None


class _WithCompose(Machine):
    """A machine on which docker compose prints this, or ends with these words."""

    def __init__(self, said: str, error: str = "") -> None:
        super().__init__()
        self.said, self.error, self.asked = said, error, [""]

    def run(self, argv: Sequence[str], *how: object, **more: object) -> Answer:
        self.asked = list(argv)
        if self.error:
            return missing("exit status 15", Source(stderr=self.error))
        return Answer(self.said.encode(), Source())


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


_PLAIN = 'services: {a: {image: x, ports: ["80:80"]}}'


def _with_compose(machine: Machine, tmp_path: Path, text: str = _PLAIN) -> Read:
    (tmp_path / "compose.yaml").write_text(text)
    return read(Asked(folder=str(tmp_path), name="p", profiles=("q",)), machine, {})


def _printed(**service: object) -> str:
    return json.dumps({"name": "p", "services": {"a": {"image": "x", "networks": {"default": None}, **service}},
                       "networks": {"default": {"name": "p_default", "ipam": {}}}})


def test_compose_says_the_same(tmp_path: Path) -> None:
    machine = _WithCompose(_printed(ports=[{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}]))
    found = _with_compose(machine, tmp_path)
    assert not found.notes and not found.project.doubts
    assert machine.asked == ["docker", "compose", "-f", f"{tmp_path}/compose.yaml", "--profile", "q",
                             "--project-directory", str(tmp_path), "--project-name", "p", "config", "--format", "json"]


def test_composes_word_counts_and_the_line_is_ours(tmp_path: Path) -> None:
    machine = _WithCompose(_printed(ports=[{"target": 80, "published": "81", "protocol": "tcp"}]))
    found = _with_compose(machine, tmp_path)
    [publish] = found.project.services[0].publishes
    assert publish.ports == (81, 81) and str(publish.mark) == "compose.yaml:1"
    assert found.notes == ("docker compose reads service a otherwise than fwaudit does; its word counts here",)


def test_a_doubt_is_not_said_twice(tmp_path: Path) -> None:
    machine = _WithCompose(_printed(ports=[{"target": 80, "protocol": "tcp"}]))
    found = _with_compose(machine, tmp_path, 'services: {a: {image: x, ports: ["${P}:80"]}}')
    assert not found.notes and "${P} is not set" in found.project.doubts[0].why


@pytest.mark.parametrize(("said", "error", "words"), [
    ("", "level=warning\nservices.a Additional property odd is not allowed\n", "services.a Additional property odd"),
    ("{", "", "what it prints is no JSON"),
])
def test_what_compose_refuses_is_said(tmp_path: Path, said: str, error: str, words: str) -> None:
    [doubt] = _with_compose(_WithCompose(said, error), tmp_path).project.doubts
    assert str(doubt.mark) == "compose.yaml" and f"docker compose config refuses it: {words}" in doubt.why


def test_without_the_plugin_nothing_is_missed(tmp_path: Path) -> None:
    machine = _WithCompose("", "docker: 'compose' is not a docker command.\nSee 'docker --help'\n")
    found = _with_compose(machine, tmp_path)
    assert not found.notes and not found.project.doubts


def test_compose_that_is_here_reads_as_it_did() -> None:
    if shutil.which("docker") is None or subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here; what it said is recorded")
    for name in _CASES:
        asked = json.loads((_FOLDER / name / "case.json").read_text())
        found = read(Asked(asked["files"], asked.get("profiles", ()), folder=str(_FOLDER / name)), Machine(),
                     asked.get("env", {}))
        assert not found.notes and not found.project.doubts, (name, found)
