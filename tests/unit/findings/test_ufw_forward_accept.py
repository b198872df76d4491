"""ufw-forward-accept: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import found, one

from fwaudit.model.report import Severity


def test_unpublished_ports_are_reached():
    finding = one("ufw-forward-accept", "lab/forward_accept")
    assert (finding.severity, finding.certain) == (Severity.MEDIUM, True)
    assert "9200/tcp (IPv4) of web" in finding.what and finding.next == ("ufw default deny routed",)


def test_silent_under_the_default():
    assert found("ufw-forward-accept", "lab/plain") == []


def test_silent_where_docker_drops_such_packets_itself():
    assert found("ufw-forward-accept", "d29nft/nftb_ufw_default_allow_routed") == []
