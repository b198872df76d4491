"""The CIS Docker Benchmark as a table: what passes, fails, does not apply, and what cannot be told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import captures
import pytest
from test_formats import TODAY

from fwaudit.audit import audit, with_benchmark
from fwaudit.exposure.cis_docker import controls
from fwaudit.exposure.compliance import check
from fwaudit.findings import ALL
from fwaudit.model.compliance import Checked, Policy
from fwaudit.model.host import Container, DockerNetwork, Host, Socket
from fwaudit.model.report import Finding, Severity
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.render.benchmark import STATES
from fwaudit.render.check import render
from fwaudit.render.checked import FORMATS
from fwaudit.render.text import clean

HOSTILE = "a|b\n\x1b[2J<script>"


@lru_cache
def known(name: str, without: str = "") -> tuple[Host, Checked]:
    files = {path: data for path, data in captures.case(name).files.items() if not without or without not in path}
    snapshot = Snapshot(files)
    return parse_host(snapshot), with_benchmark(check(audit(snapshot), Policy(), TODAY), snapshot)


def states(host: Host, checked: Checked) -> dict[str, str]:
    return {each.id: each.state for each in controls(host, checked)}


def with_container(host: Host, **more: object) -> Host:
    first, *others = [each for each in host.engine.containers if each.running]
    return replace(host, engine=replace(host.engine, containers=(replace(first, **more), *others)))


def test_a_recorded_host():
    found = states(*known("d20/ufw_deny_5432"))
    assert found == {"2.2": "fail", "2.4": "pass", "2.7": "not-applicable", "2.16": "fail", "5.4": "pass",
                     "5.5": "pass", "5.8": "pass", "5.9": "fail", "5.10": "pass", "5.14": "fail", "5.32": "pass",
                     "7.2": "not-applicable", "7.3": "not-applicable"}
    by = {each.id: each for each in known("d20/ufw_deny_5432")[1].controls}
    assert "nobody answers for 5432/tcp of web" in by["5.9"].why
    assert "docker-bypasses-ufw" in {kind for kind, _ in by["5.14"].findings}


@pytest.mark.parametrize(("number", "more", "state"), [
    ("5.4", {"capabilities": ("CAP_SYS_ADMIN",)}, "fail"), ("5.4", {"capabilities": ("NET_RAW", "chown")}, "pass"),
    ("5.5", {"privileged": True}, "fail"), ("5.10", {"network_mode": "host"}, "fail"),
    ("5.32", {"mounts": (("/var/run/docker.sock", "/x"),)}, "fail"), ("5.32", {"mounts": (("/srv", "/x"),)}, "pass"),
])
def test_a_container(number: str, more: dict[str, object], state: str):
    host, checked = known("d20/ufw_deny_5432")
    assert states(with_container(host, **more), checked)[number] == state


def test_ports_below_1024_and_bound_ones():
    host, checked = known("d20/ufw_deny_5432")
    running: Container = next(each for each in host.engine.containers if each.running)
    low = with_container(host, published=tuple(replace(each, host_port=80) for each in running.published))
    assert states(low, checked)["5.8"] == "fail"
    bound = with_container(host, published=tuple(replace(each, host_address=1) for each in running.published))
    quiet = replace(checked, report=replace(checked.report, findings=()))
    assert states(bound, quiet)["5.14"] == "pass"
    assert states(bound, checked)["5.14"] == "fail"  # a finding shows that it is reached all the same


def test_the_daemon():
    host, checked = known("d20/ufw_deny_5432")
    assert states(*known("d20/icc_off"))["2.2"] == "pass"
    host_off, off = known("d20/icc_off")
    for subject, state in (("network bridge", "fail"), ("network other", "pass")):
        void = Finding("icc-void", subject, "", Severity.MEDIUM, True, "", references=("CIS Docker 2.2",))
        assert states(host_off, replace(off, report=replace(off.report, findings=(void,))))["2.2"] == state
    assert states(*known("d20/iptables_false"))["2.4"] == "fail"
    assert states(replace(host, sockets=None), checked)["2.7"] == "undetermined"
    assert states(replace(host, sockets=()), checked)["2.16"] == "pass"
    swarm = replace(host, engine=replace(host.engine, swarm=True))
    every, one = Socket(6, 4, 0, 2377, "dockerd"), Socket(6, 4, 1, 2377, "dockerd")
    assert [states(replace(swarm, sockets=(each,)), checked)["7.2"] for each in (every, one)] == ["fail", "pass"]
    assert states(replace(swarm, sockets=()), checked)["7.2"] == "not-applicable"
    for options, state in (({}, "fail"), ({"encrypted": ""}, "pass")):
        overlay = replace(host.engine, networks=(DockerNetwork("1", "net", "overlay", options=options),))
        assert states(replace(host, engine=overlay), checked)["7.3"] == state


def test_what_could_not_be_read_is_never_a_pass():
    host, checked = known("d20/ufw_deny_5432")
    silent = replace(host, engine=replace(host.engine, unread="no answer"))
    assert not {"pass", "not-applicable"} & set(states(silent, checked).values())
    screen = render(replace(checked, controls=controls(silent, replace(checked, report=replace(
        checked.report, findings=())))))
    assert screen.count("could not be asked: no answer") == 1
    for name, numbers in (("docker/containers.json", ("5.5", "5.32", "7.3")), ("sockets/owners.json", ("2.7", "7.2"))):
        partly = replace(host, unread=((name, "permission denied"),))
        found = {each.id: each for each in controls(partly, checked)}
        assert {found[number].state for number in numbers} == {"undetermined"}
        assert found["5.5"].state == ("undetermined" if name.startswith("docker") else "pass")
    assert states(*known("d20/ufw_deny_5432", "iptables/"))["2.4"] == "undetermined"
    assert set(states(*known("d20/ufw_deny_5432", "docker/")).values()) <= {"undetermined", "fail"}


def test_every_control_that_a_finding_cites_is_judged():
    cited = {each.removeprefix("CIS Docker ") for module in ALL for each in module.KIND.references
             if each.startswith("CIS Docker ")}
    assert cited <= {each.id for each in known("d20/ufw_deny_5432")[1].controls}


def test_the_page_says_what_is_judged():
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    section = page.split("## A benchmark\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| (\d[\d.]+) \|", section, re.MULTILINE) == [
        each.id for each in known("d20/ufw_deny_5432")[1].controls]
    assert all(f"`{state}`" in section for state in STATES)


def test_a_security_lake_gets_an_event_for_each():
    from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding

    host, checked = known("d20/ufw_deny_5432")
    silent = replace(host, engine=replace(host.engine, unread=HOSTILE))
    ids = {"pass": 1, "fail": 3, "not-applicable": 99, "undetermined": 0}
    for each in (checked, replace(checked, controls=controls(silent, checked))):
        events = [json.loads(line) for line in FORMATS["ocsf"](each).splitlines()]
        found = events[len(each.shown):]
        for event in found:
            ComplianceFinding.model_validate(event)
        said = [(event["compliance"]["control"], event["compliance"]["status_id"]) for event in found]
        assert said == [(control.id, ids[control.state]) for control in each.controls]
        assert len({event["finding_info"]["uid"] for event in events}) == len(events)
    by = {event["compliance"]["control"]: event for event in map(json.loads, FORMATS["ocsf"](checked).splitlines()[
        len(checked.shown):])}
    assert (by["5.14"]["severity"], by["2.16"]["severity"], by["5.5"]["severity"]) == (
        "Critical", "Unknown", "Informational")


def test_it_is_read_by_people_and_programs():
    host, checked = known("d20/ufw_deny_5432")
    hostile = replace(checked, controls=controls(with_container(host, name=HOSTILE, privileged=True), checked))
    screen = render(hostile)
    assert all(len(line) <= 80 and line == clean(line) for line in screen.splitlines())
    assert "5.5  FAIL No container is privileged" in screen
    from markdown_it import MarkdownIt

    rows = re.findall(r"<tr>(.*?)</tr>", MarkdownIt("gfm-like").render(FORMATS["markdown"](hostile)), re.DOTALL)
    assert sum(len(re.findall("<t[hd]", row)) == 4 for row in rows) == len(hostile.controls) + 1
    assert "<script>" not in FORMATS["markdown"](hostile)
    page = FORMATS["html"](hostile)
    section = page.split("<h2>A benchmark</h2>", 1)[1].split("</section>", 1)[0]
    assert re.findall(r'data-order="\d+">([\d.]+)<', section) == [each.id for each in hostile.controls]
    assert ">FAIL<" in section and "<script>" not in section and "&lt;script&gt;" in section
    assert "<h2>A benchmark</h2>" not in FORMATS["html"](replace(checked, controls=()))
    said = json.loads(FORMATS["json"](hostile))["check"]["compliance"]
    assert [each["id"] for each in said["controls"]] == [each.id for each in hostile.controls]
