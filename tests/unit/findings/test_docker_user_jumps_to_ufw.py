"""docker-user-jumps-to-ufw: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import audited, found, one

from fwaudit.model.report import Severity


def test_a_jump_into_ufws_chain():
    finding = one("docker-user-jumps-to-ufw", "lab/jumps_to_ufw")
    assert (finding.subject, finding.severity, finding.certain) == ("DOCKER-USER (IPv4)", Severity.HIGH, True)
    assert finding.why[0] == "DOCKER-USER rule 1: -A DOCKER-USER -i eth0 -j ufw-user-input"
    assert finding.next[0] == "iptables -D DOCKER-USER -i eth0 -j ufw-user-input"


def test_a_reload_does_leave_the_host_open():
    """The same machine after ``ufw reload``: what ufw kept everybody from is reached."""
    before, after = ({exposure.service.port for exposure in audited(name).exposures if exposure.family == 4
                      and exposure.service.kind == "host-socket" and any(way.certainly for way in exposure.ways)}
                     for name in ("lab/jumps_to_ufw", "lab/jumps_to_ufw_reloaded"))
    assert 9100 in after - before


def test_silent_where_ufw_docker_jumps_to_the_chain_for_forwarding():
    """ufw deletes that one too, but does not ask for it when it starts."""
    assert found("docker-user-jumps-to-ufw", "d28/ufw_docker") == []
    assert found("docker-user-jumps-to-ufw", "lab/plain") == []
