"""An engine that does not answer while its rules are in force: what the ruleset alone tells of containers."""

from functools import cache

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.cli.batch import query_of
from fwaudit.model.report import Exposure, Report
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.model.verdict import Query
from fwaudit.packet.address import parse_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine
from fwaudit.render.table import render

REFUSED = "cannot connect to /var/run/docker.sock: Connection refused"
HOST = "order_docker_then_ufw"


@cache
def silent(name: str, why: str = REFUSED) -> Snapshot:
    """A recorded host, had its engine not answered."""
    files = {each: data for each, data in captures.case(name).files.items() if not each.startswith("docker/")}
    return Snapshot(files, {"docker": Source(missing=why)})


def published(report: Report) -> list[Exposure]:
    return [each for each in report.exposures if each.service.kind == "published" and each.verdict == "bypass"]


@pytest.mark.parametrize("engine", ["d20", "d26", "d28", "d29nft"])
def test_its_own_rules_are_its_own_and_the_ports_count_as_published(engine: str) -> None:
    asked = audit(Snapshot(captures.case(f"{engine}/{HOST}").files))
    report = audit(silent(f"{engine}/{HOST}"))
    assert {(e.service.proto, e.service.port, e.family) for e in published(asked) if e.family == 4} == {
        (e.service.proto, e.service.port, e.family) for e in published(report)}
    assert not report.complete
    screen = " ".join(render(report).split())
    assert "neither Docker nor ufw" not in screen and "another machine" not in screen
    if published(report):  # with nftables and ufw the host's FORWARD drops them
        assert "dockerd could not be asked" in screen and "systemctl start docker" in screen


def test_without_root_the_next_step_is_root() -> None:
    why = "permission denied: /var/run/docker.sock; run as root"
    screen = " ".join(render(audit(silent(f"d26/{HOST}", why))).split())
    assert "dockerd tells root alone" in screen and "systemctl start docker" not in screen


@pytest.mark.parametrize(("address", "port", "wanted"), [
    ("172.17.0.2", 5432, "delivered"), ("172.17.0.2", 9, "dropped"), ("172.17.0.9", 5432, "dropped")])
def test_a_containers_own_address_is_known_from_the_rules_that_send_there(address: str, port: int, wanted: str) -> None:
    engine = Engine(parse_host(silent(f"d26/{HOST}")))
    source = IntervalSet.of(parse_address("203.0.113.50")[1])
    assert engine.trace(Query(4, "eth0", parse_address(address)[1], 6, port, source)).disposition == wanted


def test_whether_there_is_another_container_only_the_engine_knows() -> None:
    engine = Engine(parse_host(silent(f"d26/{HOST}")))
    trace = engine.trace(Query(4, "", parse_address("172.17.0.9")[1], 6, 5432))
    assert trace.to is not None and (trace.disposition, trace.to.kind) == ("undecided", "container")
    assert trace.undecided_on == (
        f"whether a container has the address 172.17.0.9 and answers there (docker could not be asked: {REFUSED})",)


@pytest.mark.parametrize("name", [name for name in captures.names() if not name.startswith("d20")][::3])
def test_what_got_through_is_not_called_closed(name: str) -> None:
    case = captures.case(name)
    engine = Engine(parse_host(silent(name)))
    for probe in case.truth:
        if probe["expect"] == "delivered":
            asked = {key: probe[key] for key in ("id", "in", "src", "dst", "dport", "proto") if key in probe}
            assert engine.trace(query_of(asked)).disposition in ("delivered", "undecided"), probe
