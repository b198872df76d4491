"""Which facts about a container are signs, and how they are told."""

from __future__ import annotations

import json

import pytest

from fwaudit.model.triage import Connection, ContainerFacts, LayerFile, Process
from fwaudit.render.triage import render, render_json
from fwaudit.triage import look


def facts(**more: object) -> ContainerFacts:
    return ContainerFacts("web", "abc", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("process", "kinds"), [
    (Process(1, "nginx", "/usr/sbin/nginx"), []),
    (Process(1, "xmrig", "/usr/bin/xmrig"), ["miner-process"]),
    (Process(1, "postgres", "/tmp/kdevtmpfsi"), ["miner-process", "scratch-process"]),
    (Process(1, "a", "/dev/shm/a"), ["scratch-process"]),
    (Process(1, "a", "/memfd:x"), ["scratch-process"]),
    (Process(1, "a", "/usr/bin/a", deleted=True), ["deleted-process"]),
    (Process(1, "a", "/opt/a", layer=True), ["foreign-process"]),
    (Process(1, "kworkers", "/usr/bin/kworkers"), []),
    (Process(1, "synt-rexx", "/usr/bin/synt-rexx"), []),
])
def test_processes(process, kinds):
    assert [sign.kind for sign in look(facts(processes=(process,))).signs] == kinds


@pytest.mark.parametrize(("file", "kinds"), [
    (LayerFile("/var/lib/data", 1, 0.0, True), []),
    (LayerFile("/etc/kinsing", 1, 0.0), ["miner-file"]),
    (LayerFile("/var/spool/cron/root", 1, 0.0), ["cron-entry"]),
    (LayerFile("/tmp/run.sh", 1, 0.0, True), ["scratch-file"]),
    (LayerFile("/tmp/session", 1, 0.0), []),
])
def test_files(file, kinds):
    assert [sign.kind for sign in look(facts(files=(file,))).signs] == kinds


def test_connections_and_work():
    pool = Connection(4, 0xC6336407, 3333, 40000)
    served = Connection(4, 0xC6336407, 40000, 3333)
    assert [sign.kind for sign in look(facts(connections=(pool, served))).signs] == ["pool-connection"]
    assert look(facts(cpu=95.0)).level == "weak"
    assert look(facts(cpu=50.0)).level == "none"


def test_a_thousand_files_are_a_few_signs():
    many = tuple(LayerFile(f"/tmp/xmrig-{number}", 1, 0.0) for number in range(1000))
    assert len(look(facts(files=many)).signs) == 5


def test_hostile_names_stay_on_their_line():
    bad = look(facts(processes=(Process(1, "x\n\x1b[2J", "/tmp/\u202e$(id)"),), networks=("a b",)))
    text = render("h\no", [bad], 1.0)
    assert "\x1b" not in text
    assert "docker network disconnect -f 'a b' web" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert json.loads(render_json("h", [bad], 1.0))["containers"][0]["level"] == "strong"


def test_a_quiet_host():
    text = render("h", [look(facts())], 5.0)
    assert text.startswith("1 container looked at: no sign")
    assert "No sign is no proof" in text.replace("\n", " ")
