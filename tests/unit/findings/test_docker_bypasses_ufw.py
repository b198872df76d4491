from __future__ import annotations

import pytest
from _found import found, subjects

from fwaudit.model.report import Severity

ID = "docker-bypasses-ufw"


def test_a_published_port_that_ufw_denies() -> None:
    (db,) = [each for each in found("d28/ufw_deny_5432", ID) if each.subject == "5432/tcp (IPv4) of web"]
    assert (db.severity, db.certain, db.explains) == (Severity.CRITICAL, True, True)
    assert db.where_from == "anywhere (eth0, eth1)"
    assert "ufw says: deny 5432 (rule 2)" in db.why
    assert db.next[-1].startswith("fwaudit trace --in eth0 --from 198.51.100.7 --to 203.0.113.10:5432/tcp")


def test_wider_than_policy() -> None:
    assert "wider than policy allows" in found("d28/ufw_allow_from_subnet", ID)[0].what


@pytest.mark.parametrize("name", ["d28/ufw_off", "d28/publish_loopback", "d29nft/ufw_deny_5432", "d28/iptables_false"])
def test_silent(name: str) -> None:
    assert subjects(name, ID) == []
