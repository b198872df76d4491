from __future__ import annotations

from _found import found, subjects

ID = "routed-network"


def test_a_routed_network() -> None:
    first = found("d28/gateway_mode_routed", ID)[0]
    assert "gateway mode routed" in first.why[0]
    assert first.explains
    assert subjects("d28/gateway_mode_routed", "direct-routing") == []


def test_silent_on_a_network_with_nat() -> None:
    assert subjects("d28/userdef_net", ID) == []
