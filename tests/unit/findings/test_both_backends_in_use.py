"""both-backends-in-use: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import found, one

from fwaudit.model.report import Severity


def test_somebodys_rule_in_the_legacy_tables():
    finding = one("both-backends-in-use", "lab/both_backends")
    assert (finding.subject, finding.severity, finding.certain) == ("IPv4", Severity.LOW, True)
    assert "-A INPUT -p tcp -m tcp --dport 9100 -j DROP" in finding.why[0]


def test_silent_where_one_is_in_use():
    assert found("both-backends-in-use", "d20/legacy_backend") == []
    assert found("both-backends-in-use", "lab/plain") == []


def test_silent_where_it_is_docker_and_ufw_that_are_apart():
    """docker-ufw-different-backends says so."""
    assert found("both-backends-in-use", "d20/mixed_docker_legacy_ufw_nft") == []
