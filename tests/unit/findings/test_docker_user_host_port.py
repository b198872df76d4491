"""docker-user-host-port: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import edited, found, one

from fwaudit.model.report import Severity


def test_the_hosts_port_where_the_containers_is_seen():
    finding = one("docker-user-host-port", "d28/du_drop_hostport_wrong")
    assert (finding.subject, finding.severity, finding.certain) == ("8080/tcp (IPv4) of web", Severity.HIGH, True)
    assert finding.why[0] == "DOCKER-USER rule 1: -A DOCKER-USER -i eth0 -p tcp -m tcp --dport 8080 -j DROP"
    assert finding.next == ("iptables -R DOCKER-USER 1 -i eth0 -p tcp -m conntrack --ctorigdstport 8080 --ctdir "
                            "ORIGINAL -j DROP",)


def test_silent_for_the_containers_port_and_for_the_original_one():
    assert found("docker-user-host-port", "d28/du_drop_ctrport") == []
    assert found("docker-user-host-port", "d28/du_drop_ctorigdstport") == []


def test_what_it_says_to_type_closes_the_port():
    """The rule that the finding suggests, put in place of the wrong one: the finding is gone and so is the way in."""
    rule = one("docker-user-host-port", "d28/du_drop_hostport_wrong").next[0].removeprefix("iptables -R DOCKER-USER 1 ")
    mended = edited("d28/du_drop_hostport_wrong", {"iptables/nft.v4": (
        "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 8080 -j DROP", f"-A DOCKER-USER {rule}")})
    assert found("docker-user-host-port", mended) == []
    (web,) = [each for each in mended.exposures if (each.service.kind, each.service.port, each.family) == (
        "published", 8080, 4)]
    assert not any(way.possibly for way in web.ways if way.iif == "eth0")


def test_silent_where_another_container_has_that_port_inside():
    listens = edited("d28/du_drop_hostport_wrong", {"docker/listeners.json": ('"port": 80,', '"port": 8080,')})
    assert found("docker-user-host-port", listens) == []


def test_silent_for_what_leaves():
    leaving = edited("d28/du_drop_hostport_wrong", {"iptables/nft.v4": (
        "-A DOCKER-USER -i eth0 -p tcp", "-A DOCKER-USER -i docker0 -p tcp")})
    assert found("docker-user-host-port", leaving) == []
