"""A scan of nmap read, and held against the verdicts of a recorded host."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import captures
import pytest

from fwaudit.errors import ParseError
from fwaudit.exposure.auditor import exposures
from fwaudit.exposure.verify import commands, hold
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.host import Host
from fwaudit.parse.host import parse_host
from fwaudit.parse.nmap import parse_nmap
from fwaudit.path.engine import Engine
from fwaudit.render.verify import plan, render

STRANGER = (4, 0xC6336407)


def host(name: str) -> Host:
    with TemporaryDirectory() as folder:
        return parse_host(read_snapshot(captures.case(name).write(Path(folder) / "snapshot.tar")))


def scan(*ports: tuple[int, str], address: str = "203.0.113.10", proto: str = "tcp") -> bytes:
    inside = "".join(f'<port protocol="{proto}" portid="{port}"><state state="{state}" reason="x"/></port>'
                     for port, state in ports)
    return (f'<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun scanner="nmap" args="nmap"><host><status state="up"/>'
            f'<address addr="{address}" addrtype="ipv4"/><ports>{inside}</ports></host>'
            '<runstats><finished exit="success"/></runstats></nmaprun>').encode()


def held(name: str, data: bytes, source: tuple[int, int] | None = STRANGER) -> dict[int, str]:
    known = host(name)
    return {each.seen.port: each.agreement for each in hold(known, Engine(known), parse_nmap(data, "scan"), source)}


def test_a_scan_that_sees_what_the_verdicts_say():
    assert held("d20/ufw_deny_5432", scan((5432, "open"), (22, "open"), (9100, "filtered"))) == {
        5432: "agrees", 22: "agrees", 9100: "agrees"}


def test_differences_are_told_apart():
    assert held("d20/ufw_deny_5432", scan((5432, "filtered"), (9100, "open"))) == {5432: "in-front", 9100: "hidden"}
    assert held("d20/ufw_deny_5432", scan((5432, "open"), address="203.0.113.99")) == {5432: "changed"}
    assert held("d20/publish_udp", scan((5432, "open|filtered"), proto="udp")) == {5432: "tells-nothing"}


def test_a_port_for_some_sources_depends_on_who_asks():
    data = scan((9100, "open"))
    assert held("d20/ufw_allow_from_subnet", data, None) == {9100: "agrees"}
    assert held("d20/ufw_allow_from_subnet", data) == {9100: "hidden"}
    assert held("d20/ufw_allow_from_subnet", data, (4, 0x0A090807)) == {9100: "agrees"}


@pytest.mark.parametrize(("data", "said"), [
    (b"", "not XML"), (b"<a/>", "not a scan of nmap"), (b"<nmaprun", "not XML"),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><nmaprun/>', "entities"),
    (scan((5432, "open"), address="x"), "not an address"),
    (scan((5432, "open")).replace(b"5432", b"99999"), "does not read"),
])
def test_what_is_no_scan_is_one_line(data, said):
    with pytest.raises(ParseError) as raised:
        parse_nmap(data, "scan.xml")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_plan_names_only_ports_that_matter():
    known = host("d20/ufw_deny_5432")
    wanted = commands(known, exposures(known, Engine(known)))
    assert [argv[:4] for argv in wanted] == [("nmap", "-Pn", "-n", "-sT"), ("nmap", "-Pn", "-n", "-6")]
    assert "5432" in wanted[0][wanted[0].index("-p") + 1].split(",")
    assert wanted[0][-1] == "203.0.113.10"
    assert any(line == "fwaudit verify --nmap scan-ipv4-tcp.xml" for line in plan(wanted, "h"))


def test_the_screen():
    known = host("d20/ufw_deny_5432")
    found = list(hold(known, Engine(known), parse_nmap(scan((5432, "filtered"), (9100, "open")), "s"), STRANGER))
    text = render(found)
    assert "OPEN, verdict says closed:" in text
    assert all(len(line) <= 80 for line in text.splitlines())
