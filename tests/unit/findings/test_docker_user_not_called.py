"""docker-user-not-called: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_the_chain_is_filled_and_docker_20_has_no_jump_in_ipv6():
    finding = one("docker-user-not-called", "d20/ufw_docker")
    assert (finding.subject, finding.severity, finding.certain) == ("DOCKER-USER (IPv6)", Severity.LOW, True)
    assert "-j ufw6-user-forward" in finding.why[0]
    assert finding.next[0] == "ip6tables -I FORWARD 1 -j DOCKER-USER"


def test_silent_where_the_jump_is():
    assert found("docker-user-not-called", "d28/ufw_docker") == []


def test_what_it_would_close_weighs():
    """The very rule of du_drop_ctorigdstport, once with Docker's jump and once without."""
    assert found("docker-user-not-called", "d28/du_drop_ctorigdstport") == []
    unhooked = edited("d28/du_drop_ctorigdstport", {"iptables/nft.v4": ("-A FORWARD -j DOCKER-USER\n", "")})
    finding = one("docker-user-not-called", unhooked)
    assert finding.subject == "DOCKER-USER (IPv4)" and finding.severity > Severity.LOW
    assert "8080/tcp (IPv4) of web" in finding.why[1]


def test_a_jump_behind_an_accept_for_all_is_none():
    late = edited("d28/du_drop_ctorigdstport", {"iptables/nft.v4": (
        "-A FORWARD -j DOCKER-USER\n", "-A FORWARD -j ACCEPT\n-A FORWARD -j DOCKER-USER\n")})
    assert len(found("docker-user-not-called", late)) == 1
