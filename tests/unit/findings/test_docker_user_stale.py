"""docker-user-stale: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import audit_of, edited, files_of, found, one

from fwaudit.model.report import Severity


def test_an_address_and_a_bridge_that_are_gone():
    bridge, address = sorted(found("docker-user-stale", "lab/stale"), key=lambda each: "172.17" in each.subject)
    assert address.subject == "172.17.0.4 in the network bridge"
    assert address.next == ("iptables -D DOCKER-USER -d 172.17.0.4/32 -i eth0 -p tcp -m tcp --dport 80 -j DROP",)
    assert bridge.subject.startswith("the bridge br-")
    assert {each.severity for each in (bridge, address)} == {Severity.LOW} and address.certain


def test_silent_about_an_address_that_a_container_has():
    """The same host has a rule for 172.17.0.2, and a container there."""
    assert not any("172.17.0.2" in each.subject for each in found("docker-user-stale", "lab/stale"))
    assert found("docker-user-stale", "d28/du_src_iface_port") == []


def test_silent_where_the_engine_was_not_asked():
    files = {name: data for name, data in files_of("lab/stale").items() if not name.startswith("docker/")}
    assert found("docker-user-stale", audit_of(files)) == []


def test_route_rules_of_ufw_docker_count_too():
    gone = edited("lab/ufw_docker_wrong_port", {"iptables/nft.v4": (
        "-A ufw-user-forward -p tcp", "-A ufw-user-forward -d 172.17.0.9/32 -p tcp")})
    finding = one("docker-user-stale", gone)
    assert finding.subject == "172.17.0.9 in the network bridge" and finding.next == ("ufw status numbered",)
