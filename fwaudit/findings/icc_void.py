"""icc=false has no effect.

What: a network is meant to keep its containers from one another (``"icc": false`` or
``com.docker.network.bridge.enable_icc: "false"``), and they reach one another all the same. Before Docker 28 the rule
that drops their packets is *appended* to FORWARD: with ufw started first, as at every boot, it stands behind ufw's
chains, and with ``DEFAULT_FORWARD_POLICY="ACCEPT"`` ufw accepts everything new before. Without
``net.bridge.bridge-nf-call-iptables``, packets within a bridge do not come to iptables at all.

Why it hurts: one container that is broken into reaches all ports of the others.

See it yourself: from one container, connect to the address of another on the same network; ``iptables -S FORWARD``.

Fix: update to Docker 28, which drops before ufw is asked; or set ``DEFAULT_FORWARD_POLICY="DROP"`` in
/etc/default/ufw and reload; or give every group of containers a network of its own.

Before: ``DEFAULT_FORWARD_POLICY="ACCEPT"`` with Docker 26. After: ``DEFAULT_FORWARD_POLICY="DROP"``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import DockerNetwork
from fwaudit.model.report import Finding, Severity
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import IntervalSet

KIND = Kind("icc-void", "icc=false has no effect", Severity.MEDIUM,
            ("CIS Docker 2.2", "ATT&CK T1021"))

_BRIDGED = "net.bridge.bridge-nf-call-iptables"
_ANY_PORT = 47111
"""A port that no rule speaks of: what becomes of it becomes of all that nobody published."""


def find(audited: Audited) -> Iterator[Finding]:
    """One for each bridge network with icc off whose containers certainly reach one another."""
    for network in audited.host.engine.networks:
        members = _members(audited, network)
        if network.icc or network.driver != "bridge" or len(members) < 2:
            continue
        why = _why(audited, network, members)
        if why:
            yield KIND.finding(
                f"network {network.name}", Severity.MEDIUM,
                f"The network {network.name} has icc off, and its containers reach one another all the same.",
                why=(why,),
                next=("iptables -S FORWARD", "grep DEFAULT_FORWARD_POLICY /etc/default/ufw"))


def _members(audited: Audited, network: DockerNetwork) -> list[int]:
    return [endpoint.address for container in audited.host.engine.containers if container.running
            for endpoint in container.endpoints if endpoint.network == network.name and endpoint.address is not None]


def _why(audited: Audited, network: DockerNetwork, members: list[int]) -> str:
    """Why the packets of one container get to another; empty where they do not, or where it is not certain."""
    called = audited.host.setting(_BRIDGED)
    if called == 0:
        return f"{_BRIDGED} is 0: packets within a bridge do not come to iptables."
    if called is None or audited.engine.blind(4):
        return ""
    source, target = members[:2]
    trace = audited.engine.trace(Query(4, network.interface, target, 6, _ANY_PORT, IntervalSet.of(source),
                                       hook="forward", oif=network.interface))
    if trace.disposition != "accepted":
        return ""
    deciding = next((step for step in reversed(trace.path) if step.table), None)
    if deciding is None:
        return "FORWARD accepts it."
    return f"FORWARD accepts it by {deciding.table} {deciding.chain}: {deciding.text}"
