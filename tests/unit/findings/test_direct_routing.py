from __future__ import annotations

from _found import found, subjects

ID = "direct-routing"


def test_published_and_not() -> None:
    """Before 28, and with FORWARD's policy at ACCEPT also what nobody published."""
    assert subjects("d26/ufw_deny_5432", ID) == [
        "container port 5432/tcp (IPv4) of web on bridge", "container port 80/tcp (IPv4) of web on bridge"]
    whats = {each.subject: each.what for each in found("d26/ip_forward_before", ID)}
    assert "although it is not published" in whats["container port 9200/tcp (IPv4) of web on bridge"]
    assert "past what is published" in whats["container port 80/tcp (IPv4) of web on bridge"]


def test_an_update_is_advised_where_it_helps() -> None:
    assert "update to Docker Engine 28 or later" in found("d26/ufw_deny_5432", ID)[0].next[0]
    assert "fwaudit trace" in found("d26/nft_flush_ruleset", ID)[0].next[0]


def test_28_drops_it() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []
