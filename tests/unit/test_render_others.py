"""Findings beside the table: nothing twice, nothing lost, few lines."""

from __future__ import annotations

from dataclasses import replace

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.model.report import Finding, Report, Severity
from fwaudit.model.snapshot import Snapshot
from fwaudit.render.others import added_to, cause_of, others
from fwaudit.render.style import Style
from fwaudit.render.table import render


def report_of(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def host_finding(what: str, severity: Severity = Severity.MEDIUM, id: str = "icc-void") -> Finding:
    return Finding(id, what, "title", severity, True, what, next=("the next command", "another"))


def with_findings(*found: Finding) -> Report:
    return replace(report_of("d28/host_network"), findings=found)


def test_two_families_are_one_sentence() -> None:
    report = with_findings(host_finding("9100/tcp (IPv4) of x is open."), host_finding("9100/tcp (IPv6) of x is open."),
                           host_finding("80/tcp (IPv4) of x is open."))
    assert [line.what for line in others(report, [])] == ["9100/tcp of x is open.", "80/tcp (IPv4) of x is open."]


def test_many_of_a_kind_are_a_few_lines() -> None:
    report = with_findings(*(host_finding(f"network {number} is bad.") for number in range(40)))
    lines = others(report, [])
    assert [line.more for line in lines] == [0, 0, 37]
    assert "And 37 more like it." in " ".join(render(report).split())


def test_what_is_said_elsewhere_is_not_said_again() -> None:
    report = with_findings(host_finding("docker could not be read; it hides much.", id="unreadable"),
                           host_finding("by the way.", Severity.INFO))
    assert others(report, []) == []
    assert "What else" not in render(report)


@pytest.mark.parametrize("name", captures.names()[3::17])
def test_every_finding_is_on_the_screen_once(name: str) -> None:
    """Those that explain a row by their id beside it, the others in one place."""
    report = report_of(name)
    bad = [each for each in report.exposures if each.verdict in ("bypass", "neighbours", "undecided")]
    added = added_to(report, bad)
    left = {id(line.finding) for line in others(report, added)}
    assert not left & set(map(id, added))
    for each in bad:
        assert cause_of(report, [each])
    screen = render(report)
    for cause in {cause_of(report, [each]) for each in bad}:
        assert f"[{cause}]" in screen


def test_severity_first_and_the_next_command_below() -> None:
    screen = render(with_findings(host_finding("The worst of all.", Severity.CRITICAL)))
    assert "  critical  The worst of all. [icc-void]\n              the next command\n" in screen
    assert "another" not in screen
    assert "What else is wrong here, below, is severe." in " ".join(screen.split())


def test_hostile_words_stay_words() -> None:
    screen = render(with_findings(host_finding("\x1b[2Jgone\nCRITICAL 1/tcp\u202e is bad.")), Style(80, True))
    assert "\x1b[2J" not in screen and "\u202e" not in screen
    assert "\nCRITICAL 1/tcp" not in screen


@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_fits_the_screen(width: int) -> None:
    report = with_findings(host_finding("word " * 60 + "end."))
    lines = render(report, Style(width)).splitlines()
    assert max(map(len, lines)) <= width
