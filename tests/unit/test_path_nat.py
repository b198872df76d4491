"""What NAT makes of a packet, where the kernel has a choice."""

from __future__ import annotations

import pytest

from fwaudit.model.ruleset import Snat
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.path.nat import NatUnknown, translate
from fwaudit.path.state import PacketState

PACKET = PacketState(4, 6, dst=0xAC110002, dport=80, oif="docker0")
HOST = parse_host(Snapshot({}))


def test_a_range_of_sources_is_as_many_ways() -> None:
    found = translate(PACKET, Snat((0x0A000001, 0x0A000003)), HOST)
    assert [(state.ct_snat, state.reply_dst) for state in found] == [(1, 0x0A000001 + i) for i in range(3)]


def test_a_source_out_of_many_is_not_known() -> None:
    with pytest.raises(NatUnknown, match="one of 256 addresses"):
        translate(PACKET, Snat((0x0A000000, 0x0A0000FF)), HOST)
