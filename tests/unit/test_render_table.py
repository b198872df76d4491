"""The report on a screen: what must hold for any host."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.host.run import RUN_AS_ROOT
from fwaudit.model.report import Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.render import json as as_json
from fwaudit.render.rows import collapsed, rows
from fwaudit.render.style import Style
from fwaudit.render.table import render

_HOSTILE = "x\x1b[31m\u202e\nroot@db01:~# $(reboot)"


@cache
def report_of(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def _headline(report: Report) -> str:
    return " ".join(render(report).split("\n\n")[0].split())


@pytest.mark.parametrize("name", captures.names()[::7])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits(name: str, width: int) -> None:
    """Only commands, which are there to be copied, may be longer than a line."""
    screen = render(report_of(name), Style(max(width, 60)))
    assert [line for line in screen.splitlines() if len(line) > max(width, 80) and not line.startswith("      ")] == []
    assert "\x1b" not in screen


@pytest.mark.parametrize(("name", "words"), [
    ("d28/ufw_deny_5432", "2 ports can be reached from outside that ufw does not allow."),
    ("d28/host_network", "No port can be reached from outside that ufw does not allow."),
    ("d28/ufw_off", "4 ports can be reached from outside, as the INPUT chain allows; ufw is not in force."),
])
def test_the_first_line_counts(name: str, words: str) -> None:
    assert _headline(report_of(name)) == words


def test_the_first_line_does_not_claim_what_nobody_looked_at() -> None:
    files = {name: data for name, data in captures.case("d28/ufw_deny_5432").files.items()
             if not name.startswith("iptables/")}
    report = audit(Snapshot(files))
    assert "not everything could be decided" in _headline(report)
    assert not any(exposure.verdict == "bypass" for exposure in report.exposures)
    assert "Could not be looked at: iptables/nft.v4" in render(report)


def test_colour_only_adds() -> None:
    report = report_of("d20/publish_loopback")
    coloured = render(report, Style(80, colour=True))
    assert "\x1b[" in coloured
    plain = coloured
    for code in ("1;31", "33", "32", "2", "1", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render(report, Style(80))


def test_colours_are_read_on_white_and_on_black() -> None:
    """A contrast of 3.8 or more to both, of the palette of 256 colours: xterm's cube, whose steps these are."""
    steps = (0, 95, 135, 175, 215, 255)
    light = {value: value / 255 / 12.92 if value < 11 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in steps}
    found = set(re.findall(r"38;5;(\d+)m", "".join(
        Style(80, colour=True, deep=True).paint("x", how) for how in ("bad", "warn", "good"))))
    assert len(found) == 3
    for number in map(int, found):
        red, green, blue = (light[steps[(number - 16) // place % 6]] for place in (36, 6, 1))
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert 1.05 / (luminance + 0.05) > 3.8 < (luminance + 0.05) / 0.05


def _hostile() -> Report:
    files = dict(captures.case("d28/ufw_deny_5432").files)
    containers = json.loads(files["docker/containers.json"])
    containers[0]["Name"] = "/" + _HOSTILE
    containers[0]["Config"].setdefault("Labels", {}).update({
        "com.docker.compose.project": _HOSTILE, "com.docker.compose.service": _HOSTILE})
    files["docker/containers.json"] = json.dumps(containers).encode()
    return audit(Snapshot(files, host=_HOSTILE))


def test_names_from_outside_cannot_draw_on_the_screen() -> None:
    screen = render(_hostile())
    assert all(line.isprintable() for line in screen.split("\n"))
    assert not any(line.startswith("root@db01") for line in screen.split("\n"))
    assert json.loads(as_json.render(_hostile()))["schema_version"] == 1


def test_ports_of_one_container_that_follow_each_other_are_one_row() -> None:
    report = report_of("d28/ufw_deny_5432")
    bad = next(each for each in report.exposures if each.verdict == "bypass")
    many = tuple(replace(bad, service=replace(bad.service, port=8000 + i, container_port=9000 + i, likely=""))
                 for i in range(1000))
    found = rows(replace(report, exposures=many), ("bypass",))
    assert [row.port for row in found] == ["8000-8999/tcp"]
    screen = render(replace(report, exposures=many))
    assert "-p 127.0.0.1:8000-8999:9000-9999" in screen
    assert "fwaudit fix --dry-run" in screen
    assert screen.startswith("1,000 ports can be reached")


def test_a_long_table_says_what_is_alike_once() -> None:
    report = report_of("d28/ufw_deny_5432")
    fine = next(each for each in report.exposures if each.verdict == "as-intended")
    bad = next(each for each in report.exposures if each.verdict == "bypass")
    many = tuple(replace(each, service=replace(each.service, port=20_000 + 2 * i, process="many"))
                 for i in range(500) for each in (fine, bad))
    screen = render(replace(report, exposures=many))
    words = " ".join(screen.split())
    assert "20000, 20002," in words and "and 496" in words and "and 476" in words
    assert screen.startswith("500 ports")
    assert len(screen.split("CRITICAL ")[0].splitlines()) < 35
    few = [row for row, _ in collapsed(rows(replace(report, exposures=many[:40:2]), ("as-intended",)))]
    assert len(few) == 20


def test_what_root_would_have_seen_is_one_line() -> None:
    report = replace(report_of("d28/ufw_deny_5432"), unread=(
        ("docker", "not running"), ("iptables/nft.v4", RUN_AS_ROOT), ("ufw/user.rules", f"{RUN_AS_ROOT}: /etc/ufw/x")))
    screen = render(report)
    assert "Could not be looked at without root: iptables/nft.v4, ufw/user.rules\n" in screen
    assert "Could not be looked at: docker: not running\n" in screen
    assert "As root, fwaudit sees more." in screen
    assert "As root" not in render(replace(report, unread=(("docker", "not running"),)))


def test_json_is_the_same_every_time() -> None:
    once = as_json.render(report_of("d20/publish_loopback"))
    again = as_json.render(audit(Snapshot(captures.case("d20/publish_loopback").files)))
    assert once == again


@pytest.mark.parametrize("name", captures.names()[::11])
def test_json_says_what_the_screen_says(name: str) -> None:
    report = report_of(name)
    data = json.loads(as_json.render(report))
    assert len(data["exposures"]) == len(report.exposures)
    count = data["summary"]["reachable_against_policy"]
    assert _headline(report).startswith(str(count)) or count == 0


def test_many_containers_that_are_exposed_alike_are_one_row() -> None:
    report = report_of("d28/ufw_deny_5432")
    bad = next(each for each in report.exposures if each.verdict == "bypass")
    own = next(each for each in report.exposures if each.service.kind == "container-port")
    many = tuple(replace(each, verdict=verdict, service=replace(
        each.service, port=20_000 + 2 * i, container=f"app-{i}", likely="", bound=bound))
        for i in range(100) for each, verdict, bound in (
            (bad, "bypass", "*"), (own, "neighbours", f"172.18.0.{i}")))
    found = collapsed(rows(replace(report, exposures=many), ("bypass", "neighbours")))
    assert len(found) == 2
    assert all("app-0, app-1, app-2, app-3, app-4 and 95 more" in row.who for row, _ in found)
    assert all("20000, 20002" in ports and ports.endswith(" and 90 more/tcp") for _, ports in found)
    screen = render(replace(report, exposures=many, findings=()))
    assert all(len(line) <= 80 for line in screen.split("CRITICAL ")[0].splitlines())
