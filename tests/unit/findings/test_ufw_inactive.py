"""ufw-inactive: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_off_and_services_that_it_would_rule():
    finding = one("ufw-inactive", "d28/ufw_off")
    assert (finding.severity, finding.certain) == (Severity.MEDIUM, True)
    assert "9100/tcp" in finding.what and finding.next[-1] == "ufw enable"


def test_silent_where_it_is_on():
    assert found("ufw-inactive", "d28/ufw_deny_5432") == []
    assert found("ufw-inactive", "d28/nft_flush_ruleset") == []  # enabled, though nothing of it is loaded


def test_silent_where_something_else_denies():
    other = edited("d28/ufw_off", {"iptables/nft.v4": (":INPUT ACCEPT", ":INPUT DROP")})
    assert found("ufw-inactive", other) == []
