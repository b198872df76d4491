"""The commands that a report suggests, carried out on the recorded hosts: they close what they say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.exposure.auditor import exposures
from fwaudit.fix import whatif
from fwaudit.fix.planner import Wish, plan
from fwaudit.model.report import Exposure, Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine
from fwaudit.render.advice import advice
from fwaudit.render.rows import Row, rows

_FIX = "fwaudit fix --dry-run"
_REFUSED = {"d29nft/ufw_limit"}


@cache
def _report(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def _key(exposure: Exposure) -> tuple[object, ...]:
    return exposure.service, exposure.family


def _bad(report: Report) -> list[Row]:
    return [row for row in rows(report, ("bypass", "neighbours"))
            if not any("no rule of this host" in note for note in row.exposures[0].notes)]


def _commands(report: Report, row: Row) -> list[str]:
    return [command for _, commands in advice(report, [row]) for command in commands]


@pytest.mark.parametrize("name", [name for name in captures.names() if name not in _REFUSED])
def test_the_suggested_fix_closes_the_port(name: str) -> None:
    report = _report(name)
    fixed = [row for row in _bad(report) if _FIX in _commands(report, row)]
    if not fixed:
        return
    host = parse_host(Snapshot(captures.case(name).files))
    made = plan(host, Wish())
    assert not made.refused
    mended = replace(host, ruleset=whatif.loaded(host.ruleset, made))
    after = {_key(each): each.verdict for each in exposures(mended, Engine(mended))}
    for row in fixed:
        for exposure in row.exposures:
            assert after.get(_key(exposure), "blocked") in ("blocked", "as-intended"), row.port


def test_a_published_port_and_a_container_are_told_of_the_fix() -> None:
    for row in _bad(_report("d20/ufw_deny_5432")):
        assert _FIX in _commands(_report("d20/ufw_deny_5432"), row)


@pytest.mark.parametrize(("name", "needed"), [
    ("d20/ufw_deny_5432", True), ("d26/ufw_deny_5432", True), ("d28/ufw_deny_5432", False)])
def test_publishing_on_loopback_is_not_called_enough_where_neighbours_get_past_it(name: str, needed: bool) -> None:
    """Engines before 28 let a machine on the link reach what is published on 127.0.0.1: see their publish_loopback."""
    row = next(row for row in _bad(_report(name)) if row.verdict == "bypass")
    assert "docker run -p 127.0.0.1:5432:5432 …" in _commands(_report(name), row)
    said = " ".join(sentence for sentence, _ in advice(_report(name), [row]))
    assert ("Before Docker Engine 28" in said) is needed
    open_to_neighbours = {row.verdict for row in _bad(_report(f"{name.split('/')[0]}/publish_loopback"))
                          if row.bound == "127.0.0.1"}
    assert ("neighbours" in open_to_neighbours) is needed


def test_a_forwarding_rule_of_somebodys_own_is_named_to_be_taken_away() -> None:
    report = _report("d20/admin_dnat_no_docker")
    found = [command for row in _bad(report) for command in _commands(report, row) if " -D " in command]
    assert found
    assert all(command.startswith("iptables -t nat -D PREROUTING ") for command in found)
