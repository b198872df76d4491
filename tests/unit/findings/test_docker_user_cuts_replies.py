"""docker-user-cuts-replies: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_the_example_of_dockers_documentation():
    finding = one("docker-user-cuts-replies", "lab/cuts_replies")
    assert (finding.subject, finding.severity, finding.certain) == ("IPv4", Severity.LOW, True)
    assert finding.why[0].startswith("The answer of 203.0.113.77 port 443 to ")
    assert finding.why[1] == "DOCKER-USER rule 1: -A DOCKER-USER ! -s 198.51.100.7/32 -i eth0 -j DROP"


def test_silent_behind_the_rule_that_it_suggests():
    rule = one("docker-user-cuts-replies", "lab/cuts_replies").next[0].removeprefix("iptables -I DOCKER-USER 1 ")
    first = "-A DOCKER-USER ! -s 198.51.100.7/32 -i eth0 -j DROP"
    mended = edited("lab/cuts_replies", {"iptables/nft.v4": (first, f"-A DOCKER-USER {rule}\n{first}")})
    assert found("docker-user-cuts-replies", mended) == []


def test_the_same_drop_with_and_without_the_exception():
    assert one("docker-user-cuts-replies", "d28/du_after_return").subject == "IPv4"
    assert found("docker-user-cuts-replies", "d28/du_drop_all_eth0_established") == []


def test_silent_where_the_drop_is_about_published_ports_or_is_never_met():
    assert found("docker-user-cuts-replies", "d28/du_drop_ctorigdstport") == []
    assert found("docker-user-cuts-replies", "d20/du_after_return") == []


def test_a_client_that_is_spared_loses_his_answers():
    finding = one("docker-user-cuts-replies", "lab/cuts_clients")
    assert finding.subject == "5432/tcp (IPv4) of pg"
    assert finding.why[0] == "The answer to 198.51.100.7:"


def test_silent_where_only_some_unwelcome_sources_are_dropped():
    listed = edited("lab/cuts_replies", {"iptables/nft.v4": (
        "-A DOCKER-USER ! -s 198.51.100.7/32 -i eth0", "-A DOCKER-USER -s 198.51.100.0/24 -i eth0")})
    assert found("docker-user-cuts-replies", listed) == []
