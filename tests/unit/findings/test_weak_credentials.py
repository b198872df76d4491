from __future__ import annotations

import pytest
from _found import edited, files_of, found, subjects

from fwaudit.model.report import Severity
from fwaudit.render import json, table

ID = "weak-credentials"


def test_the_second_cause_of_the_story() -> None:
    db, inner = found("weak_password", ID)
    assert (db.subject, db.severity) == ("5432/tcp (IPv4) of shop-db-1", Severity.CRITICAL)
    assert db.what.startswith("shop-db-1 has a weak password: POSTGRES_PASSWORD is the image's default")
    assert (db.file, db.line) == ("/srv/shop/compose.yaml", 7)
    assert db.owner == "/srv/shop/compose.yaml:7, service db"
    assert (inner.subject, inner.severity) == ("inner-db", Severity.LOW)


def test_who_only_uses_the_database_is_not_told_of_again() -> None:
    assert not [each for each in found("weak_password", ID) if "shop-web-1" in each.what]


def test_it_raises_the_severity_of_what_it_opens() -> None:
    def of(name: str) -> Severity:
        return next(each.severity for each in found(name, "direct-routing") if "shop-db-1" in each.subject)

    assert (of("weak_password"), of("good_password")) == (Severity.HIGH, Severity.MEDIUM)


def test_where_policy_opens_it() -> None:
    (cache,) = found("weak_and_allowed", ID)
    assert (cache.subject, cache.severity) == ("6379/tcp (IPv4) of cache", Severity.CRITICAL)
    assert "switches authentication off" in cache.what
    assert subjects("weak_and_allowed", "dangerous-service") == ["5432/tcp (IPv4) of pg", "5432/tcp (IPv6) of pg"]


def test_silent_on_a_good_password_and_on_old_snapshots() -> None:
    assert subjects("good_password", ID) == []
    assert subjects("d28/ufw_deny_5432", ID) == []


@pytest.mark.parametrize("secret", [b"k9Vq2Lx7TzP4", b"kV9q", b"=postgres"])
def test_no_value_is_anywhere(secret: bytes) -> None:
    """The lab's containers had these values in their environment."""
    for name in ("weak_password", "good_password", "weak_and_allowed"):
        assert not [path for path, data in files_of(name).items() if secret in data]
        report = edited(name)
        assert secret.decode() not in json.render(report) + table.render(report)
