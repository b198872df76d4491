"""Findings: one module for each kind, all named in ``ALL``. A module's docstring is the page that users read."""

from __future__ import annotations

from fwaudit.findings import (
    dangerous_service,
    direct_routing,
    docker_api_on_tcp,
    docker_bypasses_ufw,
    docker_socket_mounted,
    engine_known_bug,
    forward_bypasses_policy,
    host_network_container,
    icc_void,
    ip6tables_off,
    iptables_false,
    ipv6_differs,
    loopback_publish_reachable,
    macvlan_no_host_rules,
    nat_unprotected_network,
    privileged_exposed,
    reachable_by_other_interface,
    routed_network,
    ufw_limited,
    undecided,
    unreadable,
    weak_credentials,
)
from fwaudit.findings.base import Audited, FindingModule
from fwaudit.model.report import Finding

ALL: tuple[FindingModule, ...] = (
    # why a port is reached against policy: each bad exposure has exactly one of these (cause.py)
    docker_bypasses_ufw,
    loopback_publish_reachable,
    reachable_by_other_interface,
    direct_routing,
    routed_network,
    nat_unprotected_network,
    macvlan_no_host_rules,
    ip6tables_off,
    ipv6_differs,
    forward_bypasses_policy,
    undecided,
    # what makes it worse, or is bad although policy allows it
    weak_credentials,
    dangerous_service,
    privileged_exposed,
    ufw_limited,
    # the engine and its containers
    docker_api_on_tcp,
    docker_socket_mounted,
    host_network_container,
    iptables_false,
    icc_void,
    engine_known_bug,
    # what could not be looked at
    unreadable,
)


def find_all(audited: Audited) -> tuple[Finding, ...]:
    """Every finding, the worst first."""
    found = [finding for module in ALL for finding in module.find(audited)]
    found.sort(key=lambda finding: (-finding.severity, finding.id, finding.subject))
    return tuple(found)
