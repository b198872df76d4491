from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "ufw-limited"


def test_a_limit_on_a_published_port_limits_nothing() -> None:
    by_subject = {each.subject: each for each in found("d28/ufw_limit", ID)}
    published = by_subject["5432/tcp (IPv4) of web"]
    assert published.severity == Severity.LOW
    assert "does not limit" in published.what


def test_on_a_process_and_through_the_proxy_it_does() -> None:
    by_subject = {each.subject: each for each in found("d28/ufw_limit", ID)}
    for subject in ("9100/tcp (IPv4) of python3", "5432/tcp (IPv6) of web"):
        assert by_subject[subject].severity == Severity.INFO
        assert "limited rate" in by_subject[subject].what


def test_silent_without_a_limit() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []
