"""Findings that count beside the ports: which do, what they come to, and who answers for them."""

from __future__ import annotations

import datetime
from dataclasses import replace

import captures
import pytest
from test_formats import HOSTS, report

from fwaudit.errors import ParseError
from fwaudit.exposure.compliance import check
from fwaudit.exposure.weigh import COUNTED_OTHERWISE, OF_A_PORT
from fwaudit.findings import ALL, pages
from fwaudit.intent.accepted import parse_policy
from fwaudit.model.compliance import Checked, Policy
from fwaudit.model.report import Finding, Report, Severity
from fwaudit.render.policy_file import policy_file

TODAY = datetime.date(2026, 11, 26)
KINDS = {page.id for page in pages()}
PORTS = "[[accept]]\nport = [5432, 9200, 80, 81, 8080]\nreason = 'known'\n"
WEAK = "[[accept]]\nfinding = 'weak-credentials'\nsubject = '*of web'\nreason = 'changed inside'\n"


def weak(severity: Severity = Severity.CRITICAL, kind: str = "weak-credentials", **more: object) -> Report:
    """A host whose port 5432 is open against policy, with one more finding that rests on it."""
    known = report(HOSTS[0])
    port = next(each for each in known.exposures if each.verdict == "bypass" and each.service.port == 5432)
    finding = Finding(kind, "5432/tcp (IPv4) of web", "Title", severity, True, "What.", exposure=port)
    return replace(known, findings=(*(each for each in known.findings if each.explains), replace(finding, **more)))


def held(found: Report, policy: str = "", today: datetime.date = TODAY) -> Checked:
    return check(found, parse_policy(policy, "p.toml", lambda: KINDS), today)


def test_the_kinds_that_are_named_exist():
    assert {module.KIND.id for module in ALL} >= OF_A_PORT | COUNTED_OTHERWISE


def test_a_port_that_is_meant_to_be_open_is_no_word_on_the_password_behind_it():
    assert held(weak(), PORTS).level == "critical"
    both = held(weak(), PORTS + WEAK)
    assert (both.level, both.warnings) == ("ok", ())
    assert [each.standing for each in both.findings] == ["accepted"]
    assert held(weak(), PORTS + WEAK.replace("of web", "of db")).level == "critical"
    expired = held(weak(), f"{PORTS}{WEAK}expires = 2026-11-25\n")
    assert expired.level == "warning"
    assert "weak-credentials of *of web has expired on 2026-11-25" in expired.warnings[0]


def test_who_answers_for_a_port_answers_for_what_is_as_bad_as_the_port():
    found = weak(kind="docker-user-host-port")
    assert [each.finding.id for each in held(found).findings] == []  # the port is told already
    assert held(found, PORTS).level == "ok"
    assert held(found, PORTS).findings[0].by[0].reason == "known"


@pytest.mark.parametrize("subject", ["5432/tcp (IPv4) of web", "[a*b]?", 'a"\n[[accept]]\n\x1b[2J'])
def test_a_policy_from_the_present_state_answers_for_its_findings_by_name(subject):
    found = weak(subject=subject)
    policy = policy_file(found)
    assert (held(found, policy).level, held(found, policy).warnings) == ("ok", ())
    assert "FOUND (critical): fwaudit findings weak-credentials" in policy
    assert held(weak(subject="another"), policy).level == "critical"


@pytest.mark.parametrize(("severity", "certain", "fail_on", "level"), [
    (Severity.CRITICAL, True, "high", "critical"), (Severity.HIGH, True, "critical", "warning"),
    (Severity.MEDIUM, True, "high", "warning"), (Severity.LOW, True, "high", "ok"), (Severity.INFO, True, "low", "ok"),
    (Severity.LOW, True, "low", "critical"), (Severity.CRITICAL, False, "high", "warning"),
])
def test_what_a_finding_comes_to(severity, certain, fail_on, level):
    policy = f"[check]\nfail_on = '{fail_on}'\n{PORTS}"
    assert held(weak(severity, certain=certain), policy).level == level


def test_findings_can_be_left_to_the_ports():
    found = held(weak(), f"[check]\nfindings = false\n{PORTS}")
    assert (found.level, found.findings) == ("ok", ())


@pytest.mark.parametrize(("text", "line", "said"), [
    ("[[accept]]\nfinding = 'weak-credential'\nreason = 'x'\n", 2, "no such finding: 'weak-credential'"),
    ("[[accept]]\nfinding = ''\nreason = 'x'\n", 2, "no such finding"),
    ("[[accept]]\nfinding = 'ufw-drift'\nport = 1\nreason = 'x'\n", 3, "port goes with port, not with finding"),
    ("[[accept]]\nport = 1\nsubject = 'x'\nreason = 'x'\n", 3, "subject goes with finding"),
    ("[[accept]]\nfinding = 'ufw-drift'\n", 1, "needs reason"),
    ("[check]\nfindings = 1\n", 2, "true or false"),
])
def test_a_mistake_in_an_entry_for_a_finding(text, line, said):
    with pytest.raises(ParseError) as raised:
        held(weak(), text)
    assert f"p.toml line {line}" in str(raised.value)
    assert said in str(raised.value)


def test_an_entry_for_a_finding_that_is_not_made_is_a_warning():
    assert "ufw-drift is not used: no such finding is made" in held(
        weak(), PORTS + WEAK + "[[accept]]\nfinding = 'ufw-drift'\nreason = 'x'\n").warnings[0]


@pytest.mark.parametrize(("name", "ports", "all_of_it"), [
    ("d28/iptables_flush_all_policy_accept", "ok", "critical"),  # ufw-not-hooked
    ("d20/nft_flush_ruleset", "warning", "critical"),
    ("d20/iptables_false", "ok", "warning"),
    ("d26/ufw_off", "warning", "warning"),
    ("d28/ufw_off", "ok", "warning"),  # ufw-inactive
    ("d20/host_network", "ok", "ok"),
    ("d26/unpublished", "ok", "ok"),
])
def test_recorded_hosts(name, ports, all_of_it):
    assert name in captures.names()
    found = report(name)
    assert check(found, Policy(findings=False), TODAY).level == ports
    assert check(found, Policy(), TODAY).level == all_of_it


@pytest.mark.parametrize("name", captures.names()[::11])
def test_init_then_check_is_fine_on_every_host_that_can_be_told(name):
    found = report(name)
    done = held(found, policy_file(found))
    assert done.level == ("unknown" if any(each.standing == "undecided" for each in done.judged) or not found.complete
                          else "ok")
    assert done.warnings == ()
