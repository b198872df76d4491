"""What opened and what closed between two recorded hosts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import captures
import pytest
from test_formats import HOSTILE, HOSTS, report

from fwaudit import cli
from fwaudit.exposure.diff import Difference, compare
from fwaudit.model.report import Later, Report
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import EMPTY
from fwaudit.render.diff import headline, render, render_json

DENY, OPEN, DROP, SOME = ("d28/ufw_deny_5432", "d20/publish_v4_only", "d20/du_drop_ctrport", "d20/du_src_iface_port")
DOCS = Path(__file__).resolve().parents[2] / "docs"


def found(old: str, new: str) -> dict[tuple[str, int, int], Difference]:
    return {(each.exposure.service.kind, each.exposure.service.port, each.exposure.family): each
            for each in compare(report(old), report(new))}


def changed(known: Report, change, *, verdicts=("bypass",)) -> Report:
    return replace(known, exposures=tuple(change(each) if each.verdict in verdicts else each
                                          for each in known.exposures))


@pytest.mark.parametrize("name", [*HOSTS, DENY])
def test_nothing_changes_between_a_host_and_itself(name):
    assert compare(report(name), report(name)) == ()
    if report(name).complete:
        assert "Nothing has changed" in render(report(name), report(name), ())


def test_a_drop_in_docker_user_closes_a_port_and_its_removal_opens_it_against_policy():
    closed = found(OPEN, DROP)["published", 8080, 4]
    assert (closed.kind, closed.effect, closed.gained) == ("narrower", "closed", ())
    assert {each.effect for each in compare(report(OPEN), report(DROP))} == {"closed", "neutral"}
    opened = found(DROP, OPEN)["published", 8080, 4]
    assert (opened.kind, opened.effect, opened.lost) == ("wider", "against", ())
    first, *_ = compare(report(DROP), report(OPEN))
    assert first.effect == "against"


def test_wider_and_narrower_name_the_sources():
    assert found(SOME, OPEN)["published", 5432, 4].kind == "wider"
    assert "now also from anywhere except 10.9.8.0/24 (eth0)" in " ".join(screen(SOME, OPEN).split())
    assert found(OPEN, SOME)["published", 5432, 4].kind == "narrower"
    assert "no longer from anywhere except 10.9.8.0/24 (eth0)" in " ".join(screen(OPEN, SOME).split())


def test_ufw_switched_off_opens_what_it_denied():
    """The INPUT chain, which stands for policy then, allows everything: that is no comfort."""
    differences = found(DENY, "d28/ufw_off")
    assert differences["host-socket", 9100, 4].effect == "against"
    assert differences["published", 5432, 4].kind == "allowed"
    assert headline(report(DENY), report("d28/ufw_off"), list(differences.values()))[0].startswith(
        "3 ports opened that ufw, which is no longer in force, does not allow.")
    assert found("d28/ufw_off", DENY)["published", 5432, 4].kind == "disallowed"
    assert found("d28/ufw_off", DENY)["host-socket", 9100, 4].effect == "closed"


def test_the_engine_stopped():
    differences = found(DENY, "d28/docker_stopped")
    assert {each.effect for each in differences.values()} <= {"closed", "neutral"}
    assert differences["published", 5432, 4].kind == "closed"


def test_what_nobody_else_has_as_an_address_is_not_compared():
    """Another address of the host's own, or a new network of containers: neither is a source outside."""
    known = report(DENY)
    family, low = parse_address("10.200.0.0")
    moved = replace(known, inside=(*known.inside, (family, low, 16), (family, low + 1, 32)))
    hole = EMPTY.range(low, low + 0xFFFF)
    less = changed(moved, lambda each: replace(each, ways=tuple(replace(
        way, certainly=way.certainly - hole, possibly=way.possibly - hole) for way in each.ways))
        if each.family == 4 else each)
    assert compare(known, less) == () == compare(less, known)
    assert compare(known, replace(less, inside=known.inside)) != ()


def test_another_address_of_a_container_is_no_change_and_another_container_is_said():
    known = report(DENY)
    moved = replace(known, exposures=tuple(replace(each, service=replace(each.service, bound="172.17.0.99"))
                    if each.service.kind == "container-port" else each for each in known.exposures))
    assert compare(known, moved) == ()
    other = changed(known, lambda each: replace(each, service=replace(each.service, container="other")))
    differences = compare(known, other)
    assert {each.kind for each in differences} == {"replaced"}
    assert {each.effect for each in differences} == {"neutral"}
    assert "answered by other · PostgreSQL, before by web · PostgreSQL" in " ".join(
        render(known, other, differences).split())


def test_one_address_of_two_closes():
    """The other one answers to the same sources: without the address that they send to, nothing would be seen."""
    known = report(DENY)
    exposure = next(each for each in known.exposures if each.verdict == "bypass" and each.ways[0].iif == "eth0")
    first = exposure.ways[0]
    two = replace(exposure, ways=(first, replace(first, dst=first.dst + 1)))
    one = replace(exposure, ways=(first, replace(first, dst=first.dst + 1, certainly=EMPTY, possibly=EMPTY)))
    difference, = compare(replace(known, exposures=(two,)), replace(known, exposures=(one,)))
    assert (difference.kind, difference.effect) == ("narrower", "closed")


def test_what_is_no_longer_certain_and_what_perhaps_opened():
    known = report(DENY)
    unsure = changed(known, lambda each: replace(each, verdict="undecided", certain=False, ways=tuple(
        replace(way, certainly=EMPTY) for way in each.ways)))
    assert {(each.kind, each.effect) for each in compare(known, unsure)} == {("doubtful", "neutral")}
    assert {(each.kind, each.effect) for each in compare(unsure, known)} == {("surer", "against")}
    shut = changed(known, lambda each: replace(each, verdict="blocked", ways=tuple(
        replace(way, certainly=EMPTY, possibly=EMPTY) for way in each.ways)))
    assert {(each.kind, each.effect) for each in compare(shut, unsure)} == {("opened", "perhaps")}
    text, how = headline(shut, unsure, compare(shut, unsure))
    assert text.startswith("2 ports may have opened that ufw does not allow.") and how == "warn"


def test_services_that_nobody_reaches_come_and_go_without_noise():
    known = report(DENY)
    blocked = [each for each in known.exposures if each.verdict == "blocked"]
    without = replace(known, exposures=tuple(each for each in known.exposures if each not in blocked))
    assert {(each.kind, each.effect) for each in compare(without, known)} == {("new", "neutral")}
    assert {(each.kind, each.effect) for each in compare(known, without)} == {("gone", "neutral")}


def screen(old: str, new: str) -> str:
    return render(report(old), report(new), compare(report(old), report(new)))


@pytest.mark.parametrize(("old", "new"), [(DROP, OPEN), (SOME, OPEN), (DENY, "d28/ufw_off"), ("d28/macvlan", DENY)])
def test_every_screen_fits(old, new):
    assert all(len(line) <= 80 for line in screen(old, new).splitlines())


def test_a_thousand_ports_that_opened_alike_are_one_line():
    known = report(DENY)
    bad = next(each for each in known.exposures if each.verdict == "bypass")
    many = replace(known, exposures=tuple(replace(bad, service=replace(bad.service, port=20_000 + number))
                                          for number in range(1000)))
    text = render(replace(known, exposures=()), many, compare(replace(known, exposures=()), many))
    assert text.startswith("1,000 ports opened that ufw does not allow.")
    assert "critical 20000-20999/tcp of web" in text
    assert len(text.splitlines()) < 12


def test_hostile_names():
    known = report(DENY)
    named = replace(known, host=HOSTILE, taken_at=HOSTILE, unread=((HOSTILE, HOSTILE),), exposures=tuple(replace(
        each, service=replace(each.service, container=HOSTILE, process=HOSTILE),
        policy_later=Later.of(replace(each.policy, text=HOSTILE))) for each in known.exposures))
    for old, new in ((replace(named, exposures=()), named), (named, replace(named, exposures=()))):
        text = render(old, new, compare(old, new))
        assert all(line.isprintable() for line in text.split("\n"))
        assert json.loads(render_json(old, new, compare(old, new)))["changes"]


@pytest.mark.parametrize(("old", "new", "code"), [
    (DENY, DENY, cli.OK), (OPEN, DROP, cli.WARNING), (DROP, OPEN, cli.CRITICAL), (DENY, "d28/ufw_off", cli.CRITICAL)])
def test_exit_codes(old, new, code, tmp_path, capsys):
    paths = [str(captures.case(name).write(tmp_path / f"{place}.tar")) for place, name in enumerate((old, new))]
    assert cli.run(["diff", *paths]) == code
    assert cli.run(["diff", *paths, "--format", "json"]) == code
    capsys.readouterr()
    assert cli.run(["diff", paths[0], str(tmp_path / "no-such-file")]) == cli.UNKNOWN
    assert "no-such-file" in capsys.readouterr().err


def test_a_snapshot_that_is_not_complete_is_not_known_to_be_the_same(tmp_path, capsys):
    whole, part = tmp_path / "whole.tar", tmp_path / "part"
    case = captures.case(DENY)
    case.write(whole)
    for name, data in case.files.items():
        if not name.startswith("iptables/"):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(data)
    assert cli.run(["diff", str(whole), str(part)]) == cli.UNKNOWN
    out = " ".join(capsys.readouterr().out.split())
    assert "Could not be looked at:" in out and "iptables/nft.v4" in out


def test_every_field_of_the_json_is_documented():
    said = json.loads(render_json(report(SOME), report(OPEN), compare(report(SOME), report(OPEN))))
    page = (DOCS / "formats.md").read_text(encoding="utf-8").split("## A difference as JSON\n", 1)[1].split("\n## ")[0]
    fields = set(said) | set(said["old"])
    for change in said["changes"]:
        fields |= set(change)
        for area in (*change["gained"], *change["lost"]):
            fields |= set(area)
    assert fields - set(re.findall(r"`([a-z_]+)`", page)) == set()


# ---- held against packets --------------------------------------------------------------------------------------------

_BY_ENGINE = [[name for name in captures.names() if name.startswith(f"{engine}/")]
              for engine in dict.fromkeys(name.split("/")[0] for name in captures.names())]
_PAIRS = [(names[place], names[(place * 7 + 3) % len(names)])
          for names in _BY_ENGINE for place in range(0, len(names), 9)]


def _arrived(name: str) -> dict[tuple[str, str, str, int, str], bool]:
    """The packets that were sent to a recorded host, and whether they were answered."""
    return {(probe["in"], probe["src"], probe["dst"], probe["dport"], probe["proto"]): probe["expect"] == "delivered"
            for probe in captures.case(name).truth if probe.get("in") and probe.get("src") and probe.get("dport")}


@pytest.mark.parametrize(("old", "new"), _PAIRS)
def test_a_packet_that_fares_otherwise_is_a_difference(old, new):
    """What was sent to both hosts alike, from outside, and arrived at one alone: its source is among those gained, or
    lost. Whoever reaches a port of every address is not asked about 127.0.0.1 as well."""
    before, after = _arrived(old), _arrived(new)
    differences = compare(report(old), report(new))
    for packet in before.keys() & after.keys():
        iif, source, target, port, protocol = packet
        if before[packet] == after[packet] or iif not in report(old).networks or target.startswith("127."):
            continue
        family, address = parse_address(source)
        at_port = [each for each in differences if (each.exposure.service.port, each.exposure.family) == (port, family)
                   and each.exposure.service.proto == PROTOCOLS[protocol]]
        undecided = any(each.kind in ("surer", "doubtful") for each in at_port)  # ufw limit, in one of the two
        assert undecided or any(by == iif and address in sources for each in at_port for by, _, sources in (
            each.gained if after[packet] else each.lost)), (packet, at_port)
