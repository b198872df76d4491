"""ufw-docker-block: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, files_of, found, one

from fwaudit.model.report import Severity


def test_private_sources_get_through_anywhere():
    finding = one("ufw-docker-block", "d28/ufw_docker")
    assert (finding.subject, finding.severity, finding.certain) == ("private networks (IPv4)", Severity.HIGH, True)
    assert "5432/tcp (IPv4) of web" in finding.what and "-s 10.0.0.0/8 -j RETURN" in finding.why[0]


def test_silent_without_the_block_and_where_nothing_gets_through():
    assert found("ufw-docker-block", "d28/du_drop_all_eth0_established") == []
    assert found("ufw-docker-block", "d29nft/ufw_docker") == []


def test_the_udp_holes_of_older_texts():
    about = {each.subject: each for each in found("ufw-docker-block", "lab/ufw_docker_old")}
    assert set(about) == {"private networks (IPv4)", "UDP from port 53 (IPv4)", "UDP to ports from 32768 (IPv4)"}
    assert "5353/udp (IPv4) of game" in about["UDP from port 53 (IPv4)"].what
    assert "34000/udp (IPv4) of game" in about["UDP to ports from 32768 (IPv4)"].what
    assert about["UDP from port 53 (IPv4)"].next[0] == "ufw-docker install"


def test_the_ipv6_hole():
    """The newer block drops what goes to fd00::/8; on d26 and d28 the capture's network has such addresses, or none."""
    block = "\n".join(line for line in files_of("d28/ufw_docker")["iptables/nft.v4"].decode().splitlines()
                      if line.startswith("-A DOCKER-USER"))
    block = block.replace("-j ufw-docker-logging-deny", "-j DROP")
    rule = "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP"
    with_block = edited("d28/v6_docker_user_both", {"iptables/nft.v4": (rule, block), "iptables/nft.v6": (rule, "")})
    assert "IPv6" in {each.subject for each in found("ufw-docker-block", with_block)}
