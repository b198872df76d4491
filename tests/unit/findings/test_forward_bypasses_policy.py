from __future__ import annotations

from _found import found, subjects

ID = "forward-bypasses-policy"


def test_a_rule_of_somebodys_own() -> None:
    (only,) = found("d28/admin_dnat_no_docker", ID)
    assert only.subject.startswith("2222/tcp (IPv4) of ")
    assert any("nat PREROUTING rule" in each for each in only.why)
    assert "take rule" in only.next[0]


def test_silent_without_one() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []
