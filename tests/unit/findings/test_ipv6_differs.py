from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "ipv6-differs"


def test_rules_for_ipv4_alone() -> None:
    published = found("ipv6_forgotten", ID)[0]
    assert (published.subject, published.severity) == ("5432/tcp (IPv6) of pg", Severity.CRITICAL)
    assert "closed over IPv4" in published.what
    assert subjects("ipv6_forgotten", "docker-bypasses-ufw") == []


def test_silent_where_both_are_open_or_closed() -> None:
    assert subjects("d28/v6_bridge_ip6tables_on", ID) == []
    assert subjects("d28/v6_docker_user_both", ID) == []
    assert subjects("d28/ufw_deny_5432", ID) == []  # open in IPv4 alone: docker-bypasses-ufw says it
