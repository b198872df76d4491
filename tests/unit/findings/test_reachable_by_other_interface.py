from __future__ import annotations

from _found import found, subjects

ID = "reachable-by-other-interface"


def test_published_on_the_inner_address() -> None:
    (only,) = found("other_interface", ID)
    assert only.subject == "192.168.50.10:5432/tcp (IPv4) of pg"
    assert only.where_from == "neighbours (eth0)"
    assert only.next[0] == "iptables -t raw -I PREROUTING 1 -i eth0 -d 192.168.50.10 -p tcp --dport 5432 -j DROP"
    assert only.explains


def test_silent_with_a_rule_that_names_the_interface() -> None:
    assert subjects("other_interface_closed", ID) == []


def test_silent_where_its_own_interface_is_open_too() -> None:
    assert subjects("d28/publish_pub_ip", ID) == []
    assert subjects("d28/publish_pub_ip", "docker-bypasses-ufw")
