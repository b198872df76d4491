"""ufw-not-hooked: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import audit_of, edited, files_of, found, one

from fwaudit.model.report import Severity


def test_input_was_flushed():
    finding = one("ufw-not-hooked", "lab/input_flushed")
    assert (finding.subject, finding.severity, finding.certain) == ("IPv4", Severity.HIGH, True)
    assert "9100/tcp" in finding.what and finding.why == ("INPUT does not jump to ufw-before-input.",)
    assert finding.next == (
        "for part in before-logging before after after-logging reject track; do iptables -A INPUT -j ufw-$part-input; "
        "done", "iptables -P INPUT DROP")
    assert b"Status: active" in files_of("lab/input_flushed")["ufw/status"]


def test_silent_where_the_jump_is():
    assert found("ufw-not-hooked", "lab/plain") == []
    assert found("ufw-not-hooked", "d28/ufw_off") == []


def test_the_whole_ruleset_was_flushed():
    assert [each.subject for each in found("ufw-not-hooked", "d28/nft_flush_ruleset")] == ["IPv4", "IPv6"]


def test_locked_out_where_the_chain_policy_drops():
    closed = edited("lab/input_flushed", {"iptables/nft.v4": (":INPUT ACCEPT", ":INPUT DROP")})
    finding = one("ufw-not-hooked", closed)
    assert finding.severity == Severity.MEDIUM and finding.what.endswith("the chain policy DROP keeps out everybody.")


def test_silent_where_rules_were_not_read():
    files = {name: data for name, data in files_of("lab/input_flushed").items()
             if not name.startswith(("iptables/", "nft/"))}
    assert found("ufw-not-hooked", audit_of(files, {"iptables/nft.v4": "permission denied"})) == []
