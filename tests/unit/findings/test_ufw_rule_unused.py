"""ufw-rule-unused: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import audit_of, edited, files_of, found, one

from fwaudit.model.report import Severity


def test_a_rule_for_a_port_that_nobody_serves():
    finding = one("ufw-rule-unused", "lab/ufw_docker_old")
    assert (finding.subject, finding.severity, finding.certain) == ("allow 22/tcp", Severity.INFO, True)
    assert finding.why == ("ufw rule 1: allow 22/tcp", "ufw rule 2: allow 22/tcp")
    assert finding.next == ("ufw delete allow 22/tcp",)


def test_silent_where_it_is_served():
    assert found("ufw-rule-unused", "lab/plain") == []


def test_silent_about_a_published_port_and_where_nobody_knows_what_listens():
    published = edited("lab/plain", dict.fromkeys(("ufw/user.rules", "ufw/user6.rules"), (
        "### tuple ### allow tcp 22 ", "### tuple ### allow tcp 8080 ")))
    assert found("ufw-rule-unused", published) == []
    files = {name: data for name, data in files_of("lab/ufw_docker_old").items() if name != "sockets/tcp"}
    assert found("ufw-rule-unused", audit_of(files)) == []


def test_silent_about_a_deny():
    assert found("ufw-rule-unused", "lab/edited_rules") == []


def test_a_comment_is_no_part_of_the_command():
    said = edited("lab/ufw_docker_old", {"ufw/user.rules": (
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=" + b"'; reboot; '".hex())})
    assert {each.next for each in found("ufw-rule-unused", said)} == {("ufw delete allow 22/tcp",)}
