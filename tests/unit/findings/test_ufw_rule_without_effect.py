"""ufw-rule-without-effect: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

import pytest
from _hosts import found, one

from fwaudit.model.report import Severity


def test_a_deny_for_a_published_port():
    finding = one("ufw-rule-without-effect", "lab/plain")
    assert (finding.subject, finding.severity, finding.certain) == ("deny 5432 (IPv4)", Severity.MEDIUM, True)
    assert finding.what.startswith("ufw rule 2, deny 5432, has no effect on 5432/tcp (IPv4) of pg")


@pytest.mark.parametrize(("host", "rule"), [
    ("d28/ufw_reject", "reject 5432/tcp"), ("d28/ufw_limit", "limit 5432/tcp"),
    ("d28/ufw_deny_interface", "deny in on eth0 to any port 5432 proto tcp"),
    ("d28/ufw_docker_direct_172", "deny from 10.9.8.0/24"), ("d20/ufw_route_deny", "route deny 80/tcp"),
])
def test_every_kind_of_rule(host, rule):
    assert f"{rule} (IPv4)" in {each.subject for each in found("ufw-rule-without-effect", host)}


def test_silent_where_ufw_is_asked():
    """Docker's nftables backend, docker-proxy without Docker's rules, and a process of the host."""
    for host in ("d29nft/ufw_deny_5432", "d28/iptables_false", "d28/host_network", "d29nft/ufw_route_deny"):
        assert found("ufw-rule-without-effect", host) == [], host


def test_a_route_rule_that_names_the_hosts_port():
    about = found("ufw-rule-without-effect", "lab/ufw_docker_wrong_port")
    assert {each.subject for each in about} == {"route allow 8080/tcp (IPv4)", "route allow 8080/tcp (IPv6)"}
    assert {each.severity for each in about} == {Severity.LOW} and about[0].why[1].endswith("the container's port, 80.")
    assert found("ufw-rule-without-effect", "d28/ufw_docker_route_allow") == []  # names the container's


def test_silent_where_docker_user_asks_ufws_rules():
    """What they do there is not nothing; docker-user-jumps-to-ufw says what is wrong with it."""
    assert found("ufw-rule-without-effect", "lab/jumps_to_ufw") == []
