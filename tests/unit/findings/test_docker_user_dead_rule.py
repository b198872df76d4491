"""docker-user-dead-rule: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_a_rule_behind_dockers_return():
    finding = one("docker-user-dead-rule", "d20/du_after_return")
    assert (finding.subject, finding.severity, finding.certain) == ("DOCKER-USER (IPv4)", Severity.HIGH, True)
    assert finding.why[0] == ("DOCKER-USER rule 2: -A DOCKER-USER -i eth0 -j DROP: never met, since rule 1 takes its "
                              "packets: -A DOCKER-USER -j RETURN")
    assert finding.next == (
        "iptables -I DOCKER-USER 1 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN && "
        "iptables -D DOCKER-USER -i eth0 -j DROP && iptables -I DOCKER-USER 2 -i eth0 -j DROP",)


def test_silent_where_docker_puts_no_return_there():
    assert found("docker-user-dead-rule", "d28/du_after_return") == []


def test_silent_where_a_rule_spares_some_first():
    assert found("docker-user-dead-rule", "d20/du_src_iface_port") == []
    assert found("docker-user-dead-rule", "d20/ufw_docker") == []


def test_a_wider_rule_takes_all_that_a_narrower_one_is_for():
    files = {"iptables/nft.v4": ("-A DOCKER-USER -s 10.9.8.0/24 -i eth0", "-A DOCKER-USER -i eth0")}
    finding = one("docker-user-dead-rule", edited("d20/du_src_iface_port", files))
    assert "since rule 1 takes its packets" in finding.why[0]


def test_a_comment_is_data_in_the_command():
    hostile = edited("d20/du_after_return", {"iptables/nft.v4": (
        "-A DOCKER-USER -i eth0 -j DROP", '-A DOCKER-USER -i eth0 -m comment --comment "$(reboot) `id`" -j DROP')})
    assert one("docker-user-dead-rule", hostile).next[0].split(" && ")[1] == (
        "iptables -D DOCKER-USER -i eth0 -m comment --comment '$(reboot) `id`' -j DROP")
