"""Holes that open to a special source port only: rules that were meant for answers."""

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.cli.trace import _query
from fwaudit.exposure.words import where_from
from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine
from fwaudit.path.source_ports import special_source_ports
from fwaudit.render.json import report_json
from fwaudit.render.table import render

NAME = "d28/ufw_deny_5432"
CLOSED = "-A DOCKER-USER -i eth0 -j DROP\n-A DOCKER-USER -i eth1 -j DROP\n"


def files(docker_user: str = "", first_input: str = "", **more: str) -> dict[str, bytes]:
    """A recorded host with other rules in DOCKER-USER and in front of INPUT's."""
    found = dict(captures.case(NAME).files)
    text = found["iptables/nft.v4"].decode()
    if docker_user:
        kept = [line for line in text.splitlines() if not line.startswith("-A DOCKER-USER ")]
        filter_table = kept.index("*filter")
        first = next(place for place, line in enumerate(kept) if place > filter_table and line.startswith("-A "))
        kept.insert(first, docker_user.rstrip())
        text = "\n".join(kept) + "\n"
    if first_input:
        text = text.replace("-A INPUT ", first_input.rstrip() + "\n-A INPUT ", 1)
    found["iptables/nft.v4"] = text.encode()
    return found | {name.replace("__", "/"): data.encode() for name, data in more.items()}


def one(report: Report, kind: str, port: int) -> Exposure:
    (found,) = [each for each in report.exposures if (each.service.kind, each.service.port, each.family) == (
        kind, port, 4)]
    return found


def test_a_published_port_that_only_a_source_port_reaches_is_a_bypass() -> None:
    closed = audit(Snapshot(files(CLOSED)))
    assert one(closed, "published", 5432).verdict == "blocked"
    report = audit(Snapshot(files("-A DOCKER-USER -p tcp -m tcp --sport 20 -j RETURN\n" + CLOSED)))
    found = one(report, "published", 5432)
    assert (found.verdict, found.severity, found.certain) == ("bypass", Severity.CRITICAL, True)
    assert {way.sports for way in found.ways if way.bypass} == {((20, 20),)}
    assert found.evidence is not None and found.evidence.query.sport == 20
    assert found.evidence.trace.disposition == "delivered" and found.policy.says == "deny"
    screen = " ".join(render(report).split())
    assert where_from(found, report.networks, report.inside) == "anywhere from source port 20 (eth0, eth1)"
    assert "--sport 20 --to" in screen and "which a sender chooses as he likes" in screen
    data = next(each for each in report_json(report)["exposures"] if each["host_port"] == 5432 and each["family"] == 4)
    assert ["20"] in [each.get("source_ports") for each in data["ways"]] and data["evidence"]["sport"] == 20


def test_input_that_lets_a_source_port_in_to_everything_is_no_policy() -> None:
    report = audit(Snapshot(files(first_input="-A INPUT -p tcp -m tcp --sport 53 -j ACCEPT")))
    found = one(report, "host-socket", 9100)
    assert (found.verdict, {way.sports for way in found.ways if way.bypass}) == ("bypass", {((53, 53),)})
    assert one(report, "host-socket", 22).verdict == "as-intended"
    assert not any(way.sports for way in one(report, "host-socket", 22).ways), "open to everybody anyhow"
    assert "and a rule of INPUT lets in whatever comes from that source port" in " ".join(render(report).split())


@pytest.mark.parametrize(("rule", "verdict"), [
    ("-A INPUT -p tcp -m tcp --sport 67 --dport 9100 -j ACCEPT", "as-intended"),       # it means this very service
    ("-A INPUT -p tcp -m tcp --sport 67 --dport 1024:65535 -j ACCEPT", "bypass"),      # it means answers
    ("-A INPUT -s 10.9.8.0/24 -p tcp -m tcp --sport 67 -j ACCEPT", "bypass"),
    ("-A INPUT -p udp -m udp --sport 67 -j ACCEPT", "blocked"),                         # another protocol
])
def test_what_counts_as_meant(rule: str, verdict: str) -> None:
    assert one(audit(Snapshot(files(first_input=rule))), "host-socket", 9100).verdict == verdict


def test_a_range_of_client_ports_is_told_where_the_port_is_not_open_to_all_of_them() -> None:
    found = one(audit(Snapshot(files("-A DOCKER-USER -p tcp -m tcp --sport 2000:3000 -j RETURN\n" + CLOSED))),
                "published", 5432)
    assert (found.verdict, found.certain) == ("bypass", True)
    assert {way.sports for way in found.ways if way.bypass} == {((2000, 3000),)}


def test_only_protocols_whose_rules_ask_for_a_source_port_cost_anything() -> None:
    engine = Engine(parse_host(Snapshot(files())))
    assert special_source_ports(engine.tables, 4, 6, "eth0") == ()
    assert [list(kind.ranges(65535)) for kind in special_source_ports(engine.tables, 4, 17, "eth0")] == [[(67, 67)]]


def test_hostile_rules_that_name_many_source_ports_are_bounded() -> None:
    rules = "".join(f"-A DOCKER-USER -p tcp -m tcp --sport {port} -j RETURN\n" for port in range(1, 2000, 2))
    engine = Engine(parse_host(Snapshot(files(rules + CLOSED))))
    kinds = special_source_ports(engine.tables, 4, 6, "eth0")
    assert 0 < len(kinds) <= 64
    found = one(audit(Snapshot(files(rules + CLOSED))), "published", 5432)
    assert found.verdict == "bypass"


def test_the_packet_that_shows_it_can_be_asked_about() -> None:
    engine = Engine(parse_host(Snapshot(files("-A DOCKER-USER -p tcp -m tcp --sport 20 -j RETURN\n" + CLOSED))))
    for sport, wanted in ((20, "delivered"), (21, "dropped"), (None, "dropped")):
        query = _query("203.0.113.10:5432/tcp", "198.51.100.7", "eth0", sport)
        assert engine.trace(query).disposition == wanted
