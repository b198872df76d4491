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


def test_what_is_open_for_it() -> None:
    """Published for this host alone, and not at all: both are open at the IPv6 address."""
    assert subjects("ipv6_open", ID) == [
        "container port 5432/tcp (IPv6) of pg on six", "container port 9200/tcp (IPv6) of pg on six"]
    assert all(each.explains for each in found("ipv6_open", ID))


def test_silent_with_rules_and_without_ipv6() -> None:
    assert subjects("d26/v6_bridge_ip6tables_on", ID) == []
    assert subjects("d26/userdef_net", ID) == []
    assert subjects("d29nft/v6_bridge_ip6tables_off", ID) == []
