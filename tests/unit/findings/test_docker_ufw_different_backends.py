"""docker-ufw-different-backends: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import found, one

from fwaudit.model.report import Severity


def test_docker_in_the_legacy_tables_and_ufw_in_nftables():
    finding = one("docker-ufw-different-backends", "d20/mixed_docker_legacy_ufw_nft")
    assert (finding.subject, finding.severity, finding.certain) == ("IPv4", Severity.MEDIUM, True)
    assert finding.what.startswith("Docker's IPv4 rules are in the legacy tables, ufw's in nftables")


def test_silent_where_both_are_in_one():
    assert found("docker-ufw-different-backends", "d20/legacy_backend") == []
    assert found("docker-ufw-different-backends", "lab/both_backends") == []
    assert found("docker-ufw-different-backends", "d20/ufw_deny_5432") == []
