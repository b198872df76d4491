"""ufw-drift: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_a_rule_on_disk_that_is_not_in_the_kernel():
    finding = one("ufw-drift", "lab/edited_rules")
    assert (finding.subject, finding.severity, finding.certain) == ("IPv4", Severity.MEDIUM, True)
    assert finding.why == ("on disk, not in the kernel: -A ufw-user-input -p tcp --dport 9100 -j DROP",)
    assert finding.next[-1] == "ufw reload"


def test_silent_where_they_agree():
    assert found("ufw-drift", "lab/plain") == []
    assert found("ufw-drift", "d28/ufw_logging_high") == []


def test_silent_where_ufw_is_not_asked_at_all():
    """ufw-not-hooked says that."""
    assert found("ufw-drift", "lab/input_flushed") == []


def test_silent_about_the_chain_policy_that_docker_sets():
    assert found("ufw-drift", "lab/forward_accept") == []


def test_a_rule_in_the_kernel_alone():
    added = edited("lab/plain", {"iptables/nft.v4": (
        "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n-A ufw-user-input -s 10.0.0.0/8 -j ACCEPT")})
    assert one("ufw-drift", added).severity == Severity.LOW
