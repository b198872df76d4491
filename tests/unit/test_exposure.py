"""What counts as a service, as outside, and as a bypass."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.exposure import inside_of, outside_interfaces
from fwaudit.exposure.judge import SEVERITIES, severity, verdict_of, weak_doors, worst
from fwaudit.model.host import Address, Container, Engine, Host, Interface, UfwPolicy, WeakCredential
from fwaudit.model.report import Exposure, Report, Service, Severity, Verdict, Way
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import parse_address, parse_network
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet


@cache
def report_of(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def without(name: str, *folders: str) -> Report:
    """The recorded host with some files taken away."""
    return audit(Snapshot({path: data for path, data in captures.case(name).files.items()
                           if not path.startswith(folders)}))


def one(report: Report, kind: str, port: int, family: int = 4) -> Exposure:
    (found,) = [each for each in report.exposures if (each.service.kind, each.service.port, each.family) == (
        kind, port, family)]
    return found


# ---- outside ---------------------------------------------------------------------------------------------------------


def _host(**interfaces: Interface) -> Host:
    named = {name.replace("_", "-"): replace(each, name=name.replace("_", "-")) for name, each in interfaces.items()}
    return Host("h", "", named, {}, {}, {}, (), Engine(), UfwPolicy(), Ruleset((), {}))


def _with_address(**fields: object) -> Interface:
    return Interface("", 0, addresses=(Address(4, parse_address("10.1.2.3")[1], 24),), **fields)


def test_outside_is_where_other_machines_are() -> None:
    host = _host(
        lo=_with_address(), eth0=_with_address(), down=_with_address(up=False), bond0=_with_address(kind="bond"),
        eth1=Interface("", 0, master="bond0"), br0=_with_address(kind="bridge"), eth2=Interface("", 0, master="br0"),
        docker0=_with_address(kind="bridge"), br_0123456789ab=_with_address(kind="bridge"),
        veth12=Interface("", 0, kind="veth", master="docker0"), veth13=Interface("", 0, kind="veth"),
        eth3=_with_address(kind="veth"), dummy0=_with_address(kind="dummy"), wg0=_with_address(kind="wireguard"),
        blue=_with_address(kind="vrf"), eth4=_with_address(master="blue"))
    assert [each.name for each in outside_interfaces(host)] == ["bond0", "br0", "eth0", "eth3", "eth4", "wg0"]


def test_inside_are_networks_and_the_addresses_that_nobody_else_has() -> None:
    ten = parse_address("10.1.2.0")[1]
    assert inside_of(_host(eth0=_with_address())) == (
        (4, ten, 24), (4, ten, 32), (4, ten + 3, 32), (4, ten + 255, 32))


# ---- verdicts --------------------------------------------------------------------------------------------------------

_SOME = parse_network("10.0.0.0/8")[1]


def way(certainly: IntervalSet = EMPTY, possibly: IntervalSet | None = None, allowed: IntervalSet = EMPTY,
        allowed_possibly: IntervalSet | None = None, near: bool = False) -> Way:
    return Way("eth0", 1, certainly, certainly if possibly is None else possibly, allowed,
               allowed if allowed_possibly is None else allowed_possibly, near)


@pytest.mark.parametrize(("ways", "verdict", "certain"), [
    ((), "blocked", True),
    ((way(),), "blocked", True),
    ((way(_SOME, allowed=ALL),), "as-intended", True),
    ((way(EMPTY, _SOME, allowed=ALL),), "as-intended", False),       # rate limited, and allowed
    ((way(_SOME, allowed=EMPTY, allowed_possibly=ALL),), "as-intended", True),  # ufw limit allows
    ((way(ALL, allowed=_SOME),), "bypass", True),                    # wider than allowed
    ((way(_SOME),), "bypass", True),
    ((way(EMPTY, _SOME),), "undecided", False),
    ((way(_SOME, near=True),), "neighbours", True),
    ((way(EMPTY, _SOME, near=True),), "undecided", False),
    ((way(_SOME, near=True), way(_SOME)), "bypass", True),           # afar weighs more
    ((way(_SOME, near=True), way(EMPTY, _SOME)), "undecided", False),
    ((way(_SOME, near=True), way(_SOME, allowed=ALL)), "neighbours", True),
])
def test_verdict(ways: tuple[Way, ...], verdict: str, certain: bool) -> None:
    assert verdict_of(ways) == (verdict, certain)


def test_the_way_with_the_most_sources_shows_it() -> None:
    few, many = way(_SOME), way(ALL & IntervalSet((0, 1 << 32)))
    assert worst((few, many), "bypass") is many
    assert worst((few, replace(many, neighbours_only=True)), "bypass") is few
    assert worst((), "blocked") is None


_C, _H, _M, _L, _I = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)


@pytest.mark.parametrize(("sources", "verdict", "weak", "database", "queue", "unknown", "web"), [
    (ALL, "bypass", _C, _C, _H, _H, _H),
    (_SOME, "bypass", _C, _H, _M, _M, _M),            # from private addresses only
    (ALL, "neighbours", _H, _M, _L, _L, _L),
    (ALL, "undecided", _H, _M, _L, _L, _L),
    (ALL, "as-intended", _C, _M, _L, _I, _I),         # policy opens it to all the world
    (_SOME, "as-intended", _M, _I, _I, _I, _I),
    (EMPTY, "blocked", _I, _I, _I, _I, _I),
])
def test_severity(sources: IntervalSet, verdict: Verdict, weak: Severity, database: Severity, queue: Severity,
                  unknown: Severity, web: Severity) -> None:
    def of(port: int, weak: bool = False) -> Severity:
        some = way(EMPTY, sources) if verdict == "undecided" else way(sources)
        return severity(Service("published", 6, port), 4, some, verdict, weak)

    assert (of(5432, True), of(5432), of(9092), of(12345), of(80)) == (weak, database, queue, unknown, web)


def test_severity_only_grows_with_what_is_at_stake() -> None:
    for table in SEVERITIES.values():
        for row in table.values():
            assert list(row[:3]) == sorted(row[:3], reverse=True)
        for near, far in (("neighbour", "private"), ("private", "internet")):
            assert all(a <= b for a, b in zip(table[near], table[far], strict=True))  # type: ignore[index]


@pytest.mark.parametrize(("likely", "weak", "open_to_all"), [
    ("PostgreSQL", WeakCredential("POSTGRES_PASSWORD", "default"), True),
    ("PostgreSQL", WeakCredential("POSTGRES_PASSWORD", "short"), False),       # short is no open door
    ("web server", WeakCredential("POSTGRES_PASSWORD", "default"), False),     # another service's, that it uses
    ("PostgreSQL", WeakCredential("APP_PASSWORD", "common"), False),
    ("Redis", WeakCredential("ALLOW_EMPTY_PASSWORD", "no-authentication"), True),
    ("", WeakCredential("ALLOW_EMPTY_PASSWORD", "no-authentication"), False),
])
def test_weak_credentials_open_the_service_that_they_guard(likely: str, weak: WeakCredential,
                                                           open_to_all: bool) -> None:
    container = Container("1", "c", "i", True, weak_credentials=(weak,))
    assert bool(weak_doors(Service("published", 6, 1, likely=likely), container)) is open_to_all
    assert not weak_doors(Service("published", 6, 1, likely=likely), None)


# ---- whole hosts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind", "port", "family", "verdict", "says"), [
    ("d28/ufw_deny_5432", "published", 5432, 4, "bypass", "deny 5432"),
    ("d28/ufw_deny_5432", "published", 5432, 6, "blocked", "deny 5432"),          # docker-proxy: INPUT is asked
    ("d28/ufw_deny_5432", "host-socket", 22, 4, "as-intended", "allow 22/tcp"),
    ("d28/ufw_deny_5432", "container-port", 5432, 4, "blocked", "no rule allows this container"),
    ("d20/ufw_deny_5432", "container-port", 5432, 4, "neighbours", "no rule allows this container"),
    ("d20/publish_loopback", "published", 5432, 4, "neighbours", "meant for this host alone"),
    ("d28/publish_loopback", "published", 5432, 4, "blocked", "meant for this host alone"),
    ("d28/ufw_limit", "published", 5432, 4, "as-intended", "limit 5432/tcp"),
    ("d28/ufw_off", "published", 5432, 4, "as-intended", "chain policy accept"),
    ("d28/host_network", "host-socket", 8080, 4, "as-intended", "allow 8080/tcp"),
    ("d28/admin_dnat_no_docker", "forwarded", 2222, 4, "bypass", "default deny (incoming)"),
    ("d28/macvlan", "container-port", 5432, 4, "bypass", "no rule allows this container"),
    ("d28/mixed_docker_legacy_ufw_nft", "published", 5432, 4, "blocked", "default deny (incoming)"),
    ("d29nft/ufw_deny_5432", "published", 5432, 4, "blocked", "deny 5432"),
])
def test_verdicts_of_recorded_hosts(name: str, kind: str, port: int, family: int, verdict: str, says: str) -> None:
    exposure = one(report_of(name), kind, port, family)
    assert (exposure.verdict, exposure.policy.text) == (verdict, says)


def test_a_bypass_is_what_gets_in_minus_what_policy_allows() -> None:
    exposure = one(report_of("d28/ufw_allow_from_subnet"), "published", 5432)
    allowed = parse_network("10.9.8.0/24")[1]
    for each in exposure.ways:
        assert each.allowed == allowed
        assert each.bypass == each.certainly - allowed
        assert parse_address("10.9.8.7")[1] not in each.bypass
        assert parse_address("198.51.100.7")[1] in each.bypass


def test_a_rule_for_one_interface_leaves_the_others() -> None:
    """8080 is dropped in DOCKER-USER for eth0 alone."""
    exposure = one(report_of("d28/du_drop_ctorigdstport"), "published", 8080)
    assert exposure.verdict == "bypass"
    assert {each.iif for each in exposure.ways if each.bypass} == {"eth1"}
    assert exposure.evidence is not None and exposure.evidence.query.iif == "eth1"


def test_the_evidence_is_a_packet_that_shows_it() -> None:
    for exposure in report_of("d20/publish_loopback").exposures:
        if exposure.verdict in ("bypass", "neighbours", "as-intended"):
            assert exposure.evidence is not None
            assert exposure.evidence.trace.disposition == "delivered"


def test_without_the_engines_word_its_proxies_still_show() -> None:
    """Docker cannot be asked: what its rules forward is published, and what docker-proxy alone listens on (here for
    IPv6) is reported as a process of the host."""
    report = without("d28/ufw_deny_5432", "docker/")
    assert one(report, "published", 5432).verdict == "bypass"
    assert one(report, "host-socket", 5432, 6).service.process == "docker-proxy"
    report = without("d28/ufw_deny_5432", "docker/", "iptables/", "nft/")
    assert one(report, "host-socket", 5432).service.process == "docker-proxy"
    assert not report.complete
    assert "could not be asked" in report.engine or "no container engine" in report.engine


def test_a_stopped_container_exposes_nothing() -> None:
    containers = json.loads(captures.case("d28/ufw_deny_5432").files["docker/containers.json"])
    containers[0]["State"].update(Running=False, Status="exited")
    report = audit(Snapshot({**captures.case("d28/ufw_deny_5432").files,
                             "docker/containers.json": json.dumps(containers).encode()}))
    assert not [each for each in report.exposures if each.service.container]


def test_without_rules_nothing_is_certain() -> None:
    report = without("d28/ufw_deny_5432", "iptables/", "nft/")
    assert {each.verdict for each in report.exposures if each.service.kind == "published"} <= {"undecided", "blocked"}
    assert not any(each.certain for each in report.exposures if each.verdict == "undecided")
    assert one(report, "published", 5432).policy.says == "unknown"
