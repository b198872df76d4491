"""docker-user-empty-set: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_a_list_with_nothing_in_it():
    finding = one("docker-user-empty-set", "lab/empty_set")
    assert (finding.subject, finding.severity, finding.certain) == ("blocked", Severity.LOW, True)
    assert finding.what == "The set blocked is empty: a rule that drops those in it drops nobody."


def test_silent_about_a_list_with_members():
    """``trusted`` on the same host has one, and so has that of the capture."""
    assert [each.subject for each in found("docker-user-empty-set", "lab/empty_set")] == ["blocked"]
    assert found("docker-user-empty-set", "d28/du_ipset") == []


def test_a_list_of_welcome_sources():
    emptied = edited("lab/empty_set", {"ipset/save": ("add trusted 198.51.100.0/24\n", "")})
    (welcome,) = [each for each in found("docker-user-empty-set", emptied) if each.subject == "trusted"]
    assert welcome.what == "The set trusted is empty: a rule that spares those in it spares nobody."


def test_silent_about_a_list_of_bans_that_expire():
    banned = edited("lab/empty_set", {"ipset/save": ("create blocked hash:net family inet", "create blocked hash:net "
                                                      "family inet timeout 600")})
    assert found("docker-user-empty-set", banned) == []
