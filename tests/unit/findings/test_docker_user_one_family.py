"""docker-user-one-family: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_closed_in_ipv4_and_open_in_ipv6():
    finding = one("docker-user-one-family", "d20/v6_docker_user_both")
    assert (finding.subject, finding.severity, finding.certain) == ("5432/tcp (IPv6) of web", Severity.HIGH, True)
    assert finding.next[0].startswith("ip6tables -I FORWARD 1 -i eth0 -p tcp")  # its FORWARD asks no DOCKER-USER


def test_silent_where_both_have_the_rule():
    assert found("docker-user-one-family", "d28/v6_docker_user_both") == []


def test_the_rule_taken_out_of_one_family():
    rule = "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP\n"
    finding = one("docker-user-one-family", edited("d28/v6_docker_user_both", {"iptables/nft.v6": (rule, "")}))
    assert finding.subject == "5432/tcp (IPv6) of web"
    assert finding.next[0].startswith("ip6tables -I DOCKER-USER 1 -i eth0")
    finding = one("docker-user-one-family", edited("d28/v6_docker_user_both", {"iptables/nft.v4": (rule, "")}))
    assert finding.subject == "5432/tcp (IPv4) of web"
