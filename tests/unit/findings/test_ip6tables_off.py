from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "ip6tables-off"


def test_an_ipv6_network_without_rules() -> None:
    """ufw's FORWARD policy drops, so nothing is open yet; it is said once, about the network."""
    (only,) = found("d26/v6_bridge_ip6tables_off", ID)
    assert only.severity == Severity.LOW
    assert only.subject.startswith("network ")
    assert only.exposure is None


def test_silent_with_rules_and_without_ipv6() -> None:
    assert subjects("d26/v6_bridge_ip6tables_on", ID) == []
    assert subjects("d26/userdef_net", ID) == []
    assert subjects("d29nft/v6_bridge_ip6tables_off", ID) == []
