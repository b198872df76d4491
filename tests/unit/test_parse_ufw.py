"""ufw's files. ``data/ufw`` was written and printed by the real ufw 0.36.2 in a network and mount namespace: the rules
files, ``ufw status numbered``, ``ufw show added``, and what iptables-save said at that moment."""

import re
from pathlib import Path

import pytest

from fwaudit.model.host import UfwRule
from fwaudit.packet.address import parse_address
from fwaudit.parse.ufw import parse_policy, parse_rules, parse_settings

DATA = Path(__file__).parent.parent / "data" / "ufw"
NUMBERED = re.compile(r"\[ *(\d+)\] (.*?) +(ALLOW|DENY|REJECT|LIMIT) (IN|OUT|FWD)\b")


def text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rules() -> tuple[UfwRule, ...]:
    found, skipped = parse_rules({4: text("user.rules"), 6: text("user6.rules")})
    assert not skipped
    return found


def test_spelled_as_ufw_spells_them(rules: tuple[UfwRule, ...]) -> None:
    want = [line.removeprefix("ufw ") for line in text("added").splitlines()[1:]]
    assert list(dict.fromkeys(rule.text for rule in rules)) == want


def test_numbered_as_ufw_numbers_them(rules: tuple[UfwRule, ...]) -> None:
    shown = [(int(number), action.lower(), {"FWD": "route"}.get(way, way.lower()))
             for number, _, action, way in NUMBERED.findall(text("numbered"))]
    assert list(dict.fromkeys((rule.number, rule.action, rule.direction) for rule in rules)) == shown
    shared = [rule for rule in rules if rule.app == "Shop Full" and rule.family == 4 and rule.src is None]
    assert [(rule.proto, rule.dport) for rule in shared] == [("tcp", "80,443"), ("udp", "443")]
    assert len({rule.number for rule in shared}) == 1


def test_every_iptables_line_belongs_to_a_rule(rules: tuple[UfwRule, ...]) -> None:
    for family, name in ((4, "user.rules"), (6, "user6.rules")):
        section = text(name).split("### RULES ###")[1].split("### END RULES ###")[0]
        lines = [line for line in section.splitlines() if line.startswith("-")]
        assert [line for rule in rules if rule.family == family for line in rule.lines] == lines


def one(tuple_line: str, family: int = 4) -> UfwRule:
    (rule,), skipped = parse_rules({family: f"### tuple ### {tuple_line}\n-A x -j ACCEPT\n"})
    assert not skipped
    return rule


def net(address: str, length: int) -> tuple[int, int]:
    return parse_address(address)[1], length


@pytest.mark.parametrize(("line", "fields"), [
    ("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0", {"action": "allow", "direction": "in", "dport": "22"}),  # before 0.30
    ("deny any 5432 0.0.0.0/0 any 10.0.0.0/8 in_eth0",
     {"action": "deny", "proto": "any", "src": net("10.0.0.0", 8), "dst": None, "interface_in": "eth0"}),
    ("route:allow_log tcp 80 172.17.0.2 any 0.0.0.0/0 in_eth0!out_docker0",
     {"direction": "route", "log": "log", "dst": net("172.17.0.2", 32), "interface_in": "eth0",
      "interface_out": "docker0"}),
    ("reject any any 192.0.2.0/24 any 0.0.0.0/0 out_br_lan",
     {"action": "reject", "direction": "out", "interface_out": "br_lan", "dport": "", "sport": ""}),
    ("allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in", {"app": "WWW Full", "dport": "80,443"}),
    ("allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 WWW -", {"app": "WWW", "direction": "in"}),
    ("limit_log-all tcp 2222 0.0.0.0/0 1024:2000 0.0.0.0/0 in", {"log": "log-all", "sport": "1024:2000"}),
    ("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=73736820c3bc", {"comment": "ssh ü", "text":
                                                                      "allow 22/tcp comment 'ssh ü'"}),
    ("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=zz", {"comment": "zz"}),
    ("allow any any 0.0.0.0/0 any 10.0.0.0/255.255.0.0 in", {"src": net("10.0.0.0", 16)}),
])
def test_tuples(line: str, fields: dict[str, object]) -> None:
    rule = one(line)
    assert {name: getattr(rule, name) for name in fields} == fields
    assert rule.lines == ("-A x -j ACCEPT",) and rule.number == 1


def test_ipv6_tuple() -> None:
    rule = one("allow tcp 22 ::/0 any fd00::/8 in", 6)
    assert (rule.family, rule.src, rule.dst) == (6, net("fd00::", 8), None)


@pytest.mark.parametrize("line", [
    "allow tcp 22", "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 - - in extra",
    "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 sideways",
    "permit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "allow_loud tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
    "allow tcp ssh 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 10.0.0.256 any 0.0.0.0/0 in",
    "allow tcp 22 0.0.0.0/0 any 10.0.0.0/33 in", "allow tcp 22 0.0.0.0/0 any 10.0.0.0/255.0.255.0 in",
    "allow tcp 22 fd00::1 any 0.0.0.0/0 in",
])
def test_what_ufw_skips_is_told(line: str) -> None:
    good = "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n"
    rules, ((source, why),) = parse_rules({4: f"{good}### tuple ### {line}\n"})
    assert len(rules) == 1 and source == "ufw/user.rules" and "line 2" in why


def test_settings_and_policy() -> None:
    settings = parse_settings(text("default"), text("ufw.conf"))
    policy = parse_policy(settings, (), text("status"), "ufw 0.36.2")
    assert policy.installed and policy.enabled and policy.active and policy.ipv6 and not policy.manage_builtins
    assert (policy.default_input, policy.default_output, policy.default_forward) == ("reject", "accept", "accept")


@pytest.mark.parametrize(("status", "active"), [
    ("Status: active\n", True), ("Status: inactive\n", False), ("\nStatus: active", True), ("", None),
    ("Status : Aktiv", None), ("ERROR: You need to be root", None),
])
def test_status(status: str, active: bool | None) -> None:
    assert parse_policy({}, (), status).active is active


def test_settings_are_read_as_ufw_reads_them() -> None:
    settings = parse_settings("# IPV6=no\nIPV6='yes'\nipv6=no\n DEFAULT_INPUT_POLICY=DROP\nMANAGE_BUILTINS=\"YES\"",
                              "ENABLED=no")
    policy = parse_policy(settings, (), "")
    assert policy.ipv6 is False and policy.enabled is False and policy.manage_builtins
    assert policy.default_input == ""


@pytest.mark.parametrize(("text", "ipv6"), [
    ("", True), ("DEFAULT_INPUT_POLICY=DROP", False), ("DEFAULT_INPUT_POLICY=DROP\nIPV6=true", False),
    ("DEFAULT_INPUT_POLICY=DROP\nIPV6=yes", True), ("IPV6=no", False),
])
def test_ipv6_wants_yes_in_so_many_words(text: str, ipv6: bool) -> None:
    assert parse_policy(parse_settings(text), (), "").ipv6 is ipv6
