from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "dangerous-service"


def test_policy_opens_a_database() -> None:
    db = found("weak_and_allowed", ID)[0]
    assert (db.subject, db.severity) == ("5432/tcp (IPv4) of pg", Severity.MEDIUM)
    assert db.what == "5432/tcp (IPv4) of pg is probably PostgreSQL, and policy lets strangers in."
    assert db.next[0] == "publish it on this host alone: -p 127.0.0.1:5432:5432"
    assert found("weak_and_allowed", ID)[1].next[0].startswith("allow only who needs it: ufw allow from")


def test_silent_on_what_is_made_for_the_internet() -> None:
    assert not [each for each in subjects("d28/ufw_off", ID) if each.startswith(("22/", "8080/"))]


def test_silent_where_another_finding_says_it() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []    # docker-bypasses-ufw
    assert subjects("api_open", ID) == []             # docker-api-on-tcp
