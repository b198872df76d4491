"""docker-user-not-persistent: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_a_rule_that_no_file_has():
    finding = one("docker-user-not-persistent", "lab/not_saved")
    assert (finding.subject, finding.severity, finding.certain) == ("DOCKER-USER (IPv4)", Severity.LOW, False)
    assert finding.why == ("DOCKER-USER rule 1: -A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 "
                           "--ctdir ORIGINAL -j DROP",)


def test_silent_where_netfilter_persistent_or_a_unit_loads_it():
    assert found("docker-user-not-persistent", "lab/saved") == []
    assert found("docker-user-not-persistent", "lab/loaded_by_unit") == []


def test_silent_where_ufw_loads_it():
    assert found("docker-user-not-persistent", "lab/ufw_docker_old") == []


def test_not_known_from_a_snapshot_without_the_file():
    finding = one("docker-user-not-persistent", "d28/du_drop_ctrport")
    assert (finding.severity, finding.certain) == (Severity.INFO, False) and "is not known" in finding.what


def test_words_that_are_not_read_are_said():
    script = edited("lab/loaded_by_unit", {"boot/docker-user.json": (
        "iptables -I DOCKER-USER -i eth0", "iptables -I DOCKER-USER -i $WAN")})
    finding = one("docker-user-not-persistent", script)
    assert finding.severity == Severity.INFO and "/etc/systemd/system/close-pg.service" in finding.why[-1]


def test_silent_about_rules_that_a_program_writes():
    banned = edited("lab/not_saved", {"iptables/nft.v4": (
        "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP",
        "-A DOCKER-USER -p tcp -j f2b-pg")})
    assert found("docker-user-not-persistent", banned) == []
