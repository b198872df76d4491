"""The policy file: what it may say, where a mistake is, and what a check makes of it."""

from __future__ import annotations

import datetime

import pytest
from test_formats import HOSTS, checked, report

from fwaudit.errors import ParseError
from fwaudit.exposure.compliance import check
from fwaudit.intent.accepted import parse_policy
from fwaudit.model.report import Severity
from fwaudit.render.check import render
from fwaudit.render.policy_file import policy_file

TODAY = datetime.date(2026, 11, 26)
ENTRY = '[[accept]]\nport = 5432\nreason = "known"\n'


def test_everything_that_an_entry_may_say():
    policy = parse_policy('''
schema_version = 1
[check]
strict = true
fail_on = "medium"
undecided = "warn"

[[accept]]
port = [443, "8000-8010"]
protocol = "tcp"
family = 4
container = "web-*"
compose = "shop/web"
process = "nginx"
interface = "eth*"
address = "203.0.113.10"
from = ["10.0.0.0/8", "2001:db8::/32"]
reason = "the public site"
owner = "web team"
expires = 2027-06-30
''', "p.toml")
    entry, = policy.accepted
    assert (policy.strict, policy.fail_on, policy.undecided) == (True, Severity.MEDIUM, "warn")
    assert list(entry.ports.ranges(65535)) == [(443, 443), (8000, 8010)]
    assert entry.expires == datetime.date(2027, 6, 30)
    assert [family for family, _ in entry.sources] == [4, 6]
    assert entry.line == 8


@pytest.mark.parametrize(("text", "line", "said"), [
    ("[[accept]\n", 1, "column"),
    (ENTRY + "prot = 1\n", 4, "unknown key 'prot'"),
    ("extra = 1\n" + ENTRY, 1, "unknown key 'extra'"),
    ("[check]\nfail_at = 1\n", 2, "unknown key 'fail_at' in [check]"),
    ("[check]\nfail_on = 'bad'\n", 2, "fail_on is a severity"),
    ("[[accept]]\nport = 0\nreason = 'x'\n", 2, "not a port"),
    ("[[accept]]\nport = true\nreason = 'x'\n", 2, "not a port"),
    ("[[accept]]\nport = '9-1'\nreason = 'x'\n", 2, "not a port"),
    ("[[accept]]\nreason = 'x'\n", 1, "needs port"),
    ("[[accept]]\nport = 1\n", 1, "needs reason"),
    ("[[accept]]\nport = 1\nreason = ' '\n", 3, "the reason is empty"),
    ("[[accept]]\nport = 1\nreason = 'x'\nfrom = '10.0.0.0/33'\n", 4, "not a network"),
    ("[[accept]]\nport = 1\nreason = 'x'\nexpires = 'soon'\n", 4, "not a date"),
    ("[[accept]]\nport = 1\nreason = 'x'\nfamily = 5\n", 4, "family is 4 or 6"),
    ("[[accept]]\nport = 1\nreason = 2\n", 3, "reason has to be a text"),
    ("schema_version = 2\n", 1, "not known here"),
    (ENTRY * 2 + "owner = 7\n", 7, "owner has to be a text"),
    ("accept = 1\n", 1, "[[accept]]"),
])
def test_a_mistake_is_one_line_that_says_where(text, line, said):
    with pytest.raises(ParseError) as raised:
        parse_policy(text, "p.toml")
    assert said in str(raised.value)
    assert f"p.toml line {line}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_breach_then_accepted_then_expired():
    assert checked(HOSTS[0]).level == "critical"
    text = "[[accept]]\nport = [5432, 9200, 80, 81, 8080]\nreason = 'known'\n"
    assert checked(HOSTS[0], parse_policy(text, "p")).level == "ok"
    expired = check(report(HOSTS[0]), parse_policy(text + "expires = 2026-11-25\n", "p"), TODAY)
    assert expired.level == "warning"
    assert "has expired on 2026-11-25" in expired.warnings[0]
    assert check(report(HOSTS[0]), parse_policy(text + "expires = 2026-11-26\n", "p"), TODAY).level == "ok"


@pytest.mark.parametrize(("more", "level"), [
    ("from = '198.51.100.0/24'", "critical"),
    ("interface = 'eth0'", "critical"),
    ("interface = 'eth*'", "ok"),
    ("family = 6", "critical"),
    ("container = 'w*'", "ok"),
    ("container = 'x*'", "critical"),
    ("compose = 'shop/db'", "critical"),
    ("protocol = 'udp'", "critical"),
    ("from = ['0.0.0.0/0', '::/0']", "ok"),
])
def test_an_entry_answers_for_what_it_names_and_no_more(more, level):
    text = f"[[accept]]\nport = [5432, 9200, 80, 81, 8080]\nreason = 'known'\n{more}\n"
    assert checked(HOSTS[0], parse_policy(text, "p")).level == level


def test_strict_holds_also_what_ufw_allows_to_the_list():
    policy = "[check]\nstrict = true\n[[accept]]\nport = [5432, 9200, 80, 81, 8080]\nreason = 'known'\n"
    judged = {each.exposure.service.port: each.standing for each in checked(HOSTS[0], parse_policy(policy, "p")).judged}
    assert judged[22] == "breach"


def test_an_entry_that_nothing_uses_is_a_warning():
    found = checked(HOSTS[0], parse_policy("[[accept]]\nport = 4711\nreason = 'x'\n", "p.toml"))
    assert "p.toml line 1: 4711/tcp is not used" in found.warnings[0]


@pytest.mark.parametrize("name", HOSTS)
def test_a_policy_from_the_present_state_is_fulfilled_by_it(name):
    text = policy_file(report(name))
    found = check(report(name), parse_policy(text, "p"), TODAY)
    assert not [each for each in found.judged if each.standing == "breach"]
    assert not [each for each in found.findings if each.standing == "breach"]
    assert not found.warnings
    assert all(len(line) <= 80 for line in render(found).splitlines())
