"""No recorded host has such a network: a routed one, whose container ports are as open, under the other name."""

from __future__ import annotations

from typing import Any

from _found import edited, found, subjects

ID = "nat-unprotected-network"
_MODE = "com.docker.network.bridge.gateway_mode_ipv4"


def _unprotected(networks: list[dict[str, Any]]) -> None:
    for network in networks:
        if network["Options"].get(_MODE) == "routed":
            network["Options"][_MODE] = "nat-unprotected"


def test_an_unprotected_network() -> None:
    report = edited("d28/gateway_mode_routed", networks=_unprotected)
    first = found(report, ID)[0]
    assert "its network" in first.what and "is unprotected" in first.what
    assert subjects(report, "routed-network") == []


def test_silent_on_others() -> None:
    assert subjects("d28/gateway_mode_routed", ID) == []
    assert subjects("d28/userdef_net", ID) == []
