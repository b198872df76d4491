"""docker-user-one-interface: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_the_other_card_was_forgotten():
    finding = one("docker-user-one-interface", "d28/du_survives_docker_restart")
    assert (finding.subject, finding.severity, finding.certain) == ("eth1 (IPv4)", Severity.HIGH, True)
    assert "5432/tcp (IPv4) of web" in finding.what
    assert finding.next == ("iptables -I DOCKER-USER 2 -i eth1 -p tcp -m conntrack --ctorigdstport 5432 --ctdir "
                            "ORIGINAL -j DROP",)


def test_silent_for_a_rule_without_interface():
    assert found("docker-user-one-interface", "d28/du_ipset") == []


def test_silent_with_the_rule_that_it_suggests():
    first = "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP"
    both = edited("d28/du_survives_docker_restart", {"iptables/nft.v4": (
        first, f"{first}\n{first.replace('eth0', 'eth1')}")})
    assert found("docker-user-one-interface", both) == []


def test_silent_where_policy_allows_it_there():
    allowed = edited("d28/du_survives_docker_restart", {
        "iptables/nft.v4": ("-A ufw-user-input -p tcp -m tcp --dport 5432 -j DROP",
                            "-A ufw-user-input -i eth1 -p tcp -m tcp --dport 5432 -j ACCEPT")})
    assert found("docker-user-one-interface", allowed) == []


def test_the_rule_that_it_suggests_stands_behind_the_one_for_answers():
    assert one("docker-user-one-interface", "d28/du_drop_all_eth0_established").next == (
        "iptables -I DOCKER-USER 3 -i eth1 -j DROP",)
