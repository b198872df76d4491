"""Every recorded probe again, this time held against the report: the sources that an exposure names are those whose
packets got through."""

from __future__ import annotations

from functools import cache
from typing import Any

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.model.report import Report, Way
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS


@cache
def report_of(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def _ways(report: Report) -> dict[tuple[str, int, int, int], list[Way]]:
    """(interface, destination, protocol, port) → ways of every exposure there."""
    found: dict[tuple[str, int, int, int], list[Way]] = {}
    for exposure in report.exposures:
        for way in exposure.ways:
            found.setdefault((way.iif, way.dst, exposure.service.proto, exposure.service.port), []).append(way)
    return found


def _wrong(probe: dict[str, Any], ways: list[Way]) -> bool:
    source = parse_address(probe["src"])[1]
    if probe["expect"] == "delivered":
        return not any(source in way.possibly for way in ways)
    return any(source in way.certainly for way in ways)


@pytest.mark.parametrize("name", captures.names())
def test_exposures_are_what_the_kernel_let_through(name: str) -> None:
    report = report_of(name)
    ways = _ways(report)
    wrong = []
    asked = 0
    for probe in captures.case(name).truth:
        key = (probe.get("in") or "", parse_address(probe["dst"])[1], PROTOCOLS[probe["proto"]], probe["dport"])
        if key in ways:
            asked += 1
            if _wrong(probe, ways[key]):
                wrong.append(probe)
    assert not wrong, f"{len(wrong)} of {asked}: {wrong[0]}"
    assert asked, "the report speaks of nothing that was probed"


@pytest.mark.parametrize("name", captures.names())
def test_what_strangers_reach_is_an_exposure(name: str) -> None:
    """No port that answered a probe from outside is missing from the report, or called blocked."""
    reached = {(each.family, each.service.proto, each.service.port) for each in report_of(name).exposures
               if each.verdict != "blocked"}
    missing = set()
    for probe in captures.case(name).truth:
        if probe["expect"] == "delivered" and probe.get("from") in ("pub", "lan"):
            port = (parse_address(probe["dst"])[0], PROTOCOLS[probe["proto"]], probe["dport"])
            if port not in reached:
                missing.add(port)
    assert not missing
