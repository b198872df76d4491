"""Findings: one module for each kind, all named in ``ALL``. A module's docstring is the page that users read."""

from __future__ import annotations

from fwaudit.findings import (
    both_backends_in_use,
    dangerous_service,
    direct_routing,
    docker_api_on_tcp,
    docker_bypasses_ufw,
    docker_socket_mounted,
    docker_ufw_different_backends,
    docker_user_cuts_replies,
    docker_user_dead_rule,
    docker_user_empty_set,
    docker_user_host_port,
    docker_user_ignored,
    docker_user_jumps_to_ufw,
    docker_user_not_called,
    docker_user_not_persistent,
    docker_user_one_family,
    docker_user_one_interface,
    docker_user_stale,
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
    source_port_hole,
    ufw_docker_block,
    ufw_drift,
    ufw_forward_accept,
    ufw_inactive,
    ufw_ipv6_off,
    ufw_limited,
    ufw_manage_builtins,
    ufw_not_hooked,
    ufw_rule_unused,
    ufw_rule_without_effect,
    undecided,
    unreadable,
    weak_credentials,
)
from fwaudit.findings.base import Audited, FindingModule
from fwaudit.findings.cause import causes_of
from fwaudit.model.report import Finding, FindingPage
from fwaudit.records import replace

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
    source_port_hole,
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
    # DOCKER-USER, checked for effect
    docker_user_not_called,
    docker_user_ignored,
    docker_user_dead_rule,
    docker_user_host_port,
    docker_user_one_interface,
    docker_user_one_family,
    docker_user_jumps_to_ufw,
    docker_user_cuts_replies,
    docker_user_empty_set,
    docker_user_stale,
    docker_user_not_persistent,
    ufw_docker_block,
    # ufw
    ufw_inactive,
    ufw_not_hooked,
    ufw_drift,
    ufw_rule_without_effect,
    ufw_rule_unused,
    ufw_forward_accept,
    ufw_ipv6_off,
    ufw_manage_builtins,
    # backends
    docker_ufw_different_backends,
    both_backends_in_use,
    # what could not be looked at
    unreadable,
)


def pages() -> tuple[FindingPage, ...]:
    """The catalogue: a page for each kind, in the order of ``ALL``."""
    return tuple(FindingPage(module.KIND.id, module.KIND.title, module.KIND.worst, module.KIND.references,
                             tuple(" ".join(part.split()) for part in (module.__doc__ or "").split("\n\n")))
                 for module in ALL)


def find_all(audited: Audited) -> tuple[Finding, ...]:
    """Every finding, the worst first."""
    audited = replace(audited, causes=causes_of(audited.host, audited.exposures))
    found = [finding for module in ALL for finding in module.find(audited)]
    found.sort(key=lambda finding: (-finding.severity, finding.id, finding.subject))
    return tuple(found)
