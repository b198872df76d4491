from __future__ import annotations

from _found import found, subjects

ID = "source-port-hole"


def test_a_rule_for_answers_by_their_source_port() -> None:
    by_subject = {each.subject: each for each in found("source_port", ID)}
    dns = by_subject["5353/udp (IPv4) of dns"]
    assert dns.what.endswith("open to what comes from port 53.")
    assert any("--sport 53" in each for each in dns.why)
    assert " --sport 53 " in dns.next[-1]
    assert dns.explains


def test_a_rule_of_ufws_that_lets_it_in_to_everything() -> None:
    assert any(each.startswith("9999/udp (IPv4)") for each in subjects("source_port", ID))


def test_silent_where_answers_are_told_by_their_connection() -> None:
    assert subjects("source_port_closed", ID) == []
    assert subjects("d28/ufw_deny_5432", ID) == []
