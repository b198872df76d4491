from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "loopback-publish-reachable"


def test_before_28() -> None:
    (db,) = [each for each in found("d26/publish_loopback", ID) if ":5432/" in each.subject]
    assert db.subject == "127.0.0.1:5432/tcp (IPv4) of web"
    assert db.severity == Severity.MEDIUM
    assert db.where_from.startswith("neighbours")
    assert db.next[0] == "iptables -t raw -I PREROUTING 1 ! -i lo -d 127.0.0.0/8 -j DROP"


def test_28_drops_it() -> None:
    assert subjects("d28/publish_loopback", ID) == []
