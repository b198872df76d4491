"""ufw-ipv6-off: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_ipv6_no_on_a_host_that_has_it():
    finding = one("ufw-ipv6-off", "d28/v6_ufw_ipv6_no")
    assert (finding.severity, finding.certain) == (Severity.LOW, True)
    assert "nothing answers over IPv6" in finding.what


def test_silent_with_ipv6():
    assert found("ufw-ipv6-off", "d28/v6_docker_user_both") == []


def test_worse_where_ipv6_answers():
    """Somebody opened the chain policies again."""
    answers = edited("d28/v6_ufw_ipv6_no", {"iptables/nft.v6": (
        ":INPUT DROP [4:288]\n:FORWARD DROP [0:0]\n:OUTPUT DROP", ":INPUT ACCEPT [4:288]\n:FORWARD DROP [0:0]\n"
        ":OUTPUT ACCEPT")})
    finding = one("ufw-ipv6-off", answers)
    assert finding.severity == Severity.MEDIUM and finding.what.endswith("can be reached.")
