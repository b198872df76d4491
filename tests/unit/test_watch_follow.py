"""What is new between two audits of recorded hosts, also where one could not see everything."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.exposure.compliance import check
from fwaudit.exposure.follow import News, Reference, begin, follow
from fwaudit.intent.accepted import parse_policy
from fwaudit.model.compliance import Checked, Policy
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.render import watch
from fwaudit.render.style import Style

DENY, OPEN, DROP = ("d28/ufw_deny_5432", "d20/publish_v4_only", "d20/du_drop_ctrport")
AT = "2026-01-01T00:00:00Z"


def checked(name: str, policy: str = "", without: str = "") -> Checked:
    files = {file: data for file, data in captures.case(name).files.items()
             if not without or not file.startswith(f"{without}/")}
    sources = {without: Source(missing="installed but not running")} if without else {}
    held_to = parse_policy(policy, "policy.toml") if policy else Policy()
    return check(audit(Snapshot(files, sources, "host", AT, "")), held_to, datetime.date(2026, 1, 1))


def step(before: Reference | None, now: Checked) -> tuple[Reference, News]:
    return (begin(now, "x"), News(now.report, now.report)) if before is None else follow(before, now, "x")


def told(*hosts: Checked) -> list[list[str]]:
    """What is said at each of them, as the first words of each line."""
    before, found = None, []
    for each in hosts:
        before, news = step(before, each)
        found.append(["  ".join(line.rstrip("\n").split("  ")[1:]) for line in watch.lines(AT, news, None)])
    return found


def test_the_same_again_is_no_news():
    assert told(checked(OPEN), checked(OPEN)) == [[], []]


def test_what_opens_says_who_from_where_the_verdict_and_the_finding():
    _, (first, *_) = told(checked(DROP), checked(OPEN))
    assert first.startswith("OPENED  ") and "8080/tcp" in first
    assert "now also from anywhere" in first and "BYPASSES ufw" in first and "[docker-bypasses-ufw]" in first


def test_what_closes_is_said():
    _, lines = told(checked(OPEN), checked(DROP))
    assert any(line.startswith("closed") and "8080/tcp" in line for line in lines)


def test_what_somebody_answers_for_is_not_cried():
    policy = 'schema_version = 1\n[[accept]]\nport = [1, "1-65535"]\nreason = "the lab"\nowner = "ops"\n'
    _, lines = told(checked(DROP), checked(OPEN, policy))
    assert any(line.startswith("opened") and line.find("accepted: the lab (ops)") > 0 for line in lines)
    assert not any(line.startswith("OPENED") for line in lines)


@pytest.mark.parametrize("name", [OPEN, DENY, DROP])
def test_a_silent_engine_closes_nothing_and_opens_nothing(name):
    silent = checked(name, without="docker")
    _, lost, again, back = told(checked(name), silent, silent, checked(name))
    assert [line.split(":")[0] for line in lost] == ["lost  docker"]
    assert "nothing is taken for closed" in lost[0]
    assert (again, [line for line in back if not line.startswith("back")]) == ([], [])
    assert back == ["back  docker: can be looked at again"]


def test_what_opens_while_the_engine_is_silent_is_said_once():
    hosts = checked(DROP), checked(OPEN, without="docker"), checked(OPEN, without="docker"), checked(OPEN)
    _, lost, again, back = told(*hosts)
    assert any(line.startswith("OPENED") and "8080/tcp" in line for line in lost)
    assert again == []
    assert not any(line.startswith("closed") for line in back)


def test_what_closes_while_the_engine_is_silent_is_said_when_it_speaks_again():
    _, lost, back = told(checked(OPEN), checked(DROP, without="docker"), checked(DROP))
    assert not any(line.startswith("closed") for line in lost)
    assert any(line.startswith("closed") and "8080/tcp" in line for line in back)


def test_what_is_only_seen_now_is_not_called_opened():
    first, seen = told(checked(OPEN, without="docker"), checked(OPEN))
    assert first == []
    assert not any(line.startswith(("OPENED", "opened", "closed")) for line in seen if "it is new" in line)
    assert seen[0] == "back  docker: can be looked at again"


def test_a_source_that_was_never_read_does_not_stop_the_rest():
    """Blind in the same way before and after: what differs has changed."""
    _, lines = told(checked(DROP, without="sysctl"), checked(OPEN, without="sysctl"))
    assert any("8080/tcp" in line for line in lines)


def test_json_has_every_line_and_the_same_words():
    _, news = step(begin(checked(DROP), "x"), checked(OPEN))
    found = [json.loads(line) for line in watch.records(AT, news)]
    assert {each["schema_version"] for each in found} == {1}
    change = next(each for each in found if each["event"] == "change" and each["port"] == 8080)
    assert (change["effect"], change["standing"], change["findings"]) == ("against", "breach", ["docker-bypasses-ufw"])


def test_hostile_names_stay_one_line_and_a_screen_is_not_too_narrow():
    now = checked(OPEN)
    exposures = tuple(replace(each, service=replace(each.service, container="\x1b[2J\npg" + "x" * 300))
                      for each in now.report.exposures)
    bad = check(replace(now.report, exposures=exposures), Policy(), datetime.date(2026, 1, 1))
    _, news = step(begin(checked(DROP), "x"), bad)
    lines = list(watch.lines(AT, news, None))
    assert all(line.count("\n") == 1 and "\x1b" not in line for line in lines)
    for line in "".join(watch.lines(AT, news, Style(60))).splitlines():
        assert len(line) <= 60 and "\x1b" not in line


def test_the_reference_is_small():
    import pickle

    assert len(pickle.dumps(begin(checked(OPEN), "x"))) < 100_000
