"""Side by side: what tasks give, what they raise, and what is late; and how a command's end is waited for."""

from __future__ import annotations

import os
import time

import pytest

from fwaudit.host.collectors import network, ufw
from fwaudit.host.parallel import together
from fwaudit.host.run import Machine


def test_all_results_are_there():
    assert together({name: (lambda name=name: name * 2) for name in "abc"}, 5) == {"a": "aa", "b": "bb", "c": "cc"}


def test_what_a_task_raises_is_raised():
    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        together({"a": broken, "b": lambda: None}, 5)


def test_what_is_late_is_not_there():
    assert together({"soon": lambda: 1, "late": lambda: time.sleep(2)}, 0.2) == {"soon": 1}


def test_commands_of_the_network_that_come_too_late_are_named(monkeypatch):
    monkeypatch.setattr(network, "GRACE", -10.0)
    found = {each.name: each for each in network.collect(Machine(5.0))}
    assert set(found) == {*network.COMMANDS, network.TC_FILE}
    for name, argv in network.COMMANDS.items():
        if found[name].data is None:
            assert found[name].source.argv == argv
            assert found[name].source.missing == "no time left of 5 s"


@pytest.mark.parametrize("watched", [True, False], ids=["pidfd", "an older kernel"])
def test_a_command_that_closed_its_output_is_waited_for(watched, monkeypatch):
    if not watched:
        def none(pid: int) -> int:
            raise OSError(38, "Function not implemented")
        monkeypatch.setattr(os, "pidfd_open", none)
    script = "exec >&- 2>&-; sleep 0.2; exit 7"
    assert Machine(5.0).run(["sh", "-c", script]).source.exit == 7
    late = Machine(0.3).run(["sh", "-c", "exec >&- 2>&-; sleep 5"])
    assert late.source.missing.startswith("no answer within")


@pytest.mark.parametrize(("script", "said"), [
    ("#!/usr/bin/python3\nimport os\nversion = \"0.36.2\"\n", "ufw 0.36.2"),
    ("#!/bin/sh\necho ufw 0.35-7\n", "ufw 0.35-7"),
])
def test_ufw_is_run_for_its_version_only_where_it_does_not_name_it(script, said, tmp_path, monkeypatch):
    program = tmp_path / "ufw"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(Machine, "which", lambda self, name: str(program))
    assert ufw._program_version(Machine(5.0)) == said
