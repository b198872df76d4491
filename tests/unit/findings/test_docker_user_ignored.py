"""docker-user-ignored: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_a_chain_of_iptables_while_docker_uses_nftables():
    finding = one("docker-user-ignored", "d29nft/nftb_docker_user_iptables_chain")
    assert finding.certain and finding.severity == Severity.MEDIUM  # ufw is off: nobody denies that port
    assert finding.what.endswith("have no effect.")
    assert finding.why == ("1 rule, the first of them: -A DOCKER-USER -p tcp -m tcp --dport 5432 -j DROP",
                           "If it were asked, less would get in to 5432/tcp (IPv4) of web.")


def test_silent_with_a_table_of_ones_own_and_with_the_iptables_backend():
    assert found("docker-user-ignored", "d29nft/nftb_admin_drop") == []
    assert found("docker-user-ignored", "d28/du_drop_ctrport") == []


def test_a_jump_that_was_left_over_works_until_the_next_boot():
    switched = edited("d29nft/nftb_docker_user_iptables_chain", {"iptables/nft.v4": (
        "-A DOCKER-USER -p tcp", "-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -p tcp")})
    assert "until the next reboot" in one("docker-user-ignored", switched).what
