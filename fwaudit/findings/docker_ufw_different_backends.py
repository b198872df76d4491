"""Docker and ufw write to different backends.

What: Docker's chains stand in the legacy tables and ufw's in nftables, or the other way round, since the two use
different ``iptables`` commands. The kernel asks both; neither program sees the other's rules.

Why it hurts: an accept in one is no accept in the other, and a drop in either is final: with ufw's forward policy DROP,
what Docker publishes is dead; and who lists the rules sees half of them.

See it yourself: ``iptables-nft-save`` and ``iptables-legacy-save`` each show the chains of one of them.

Fix: choose one backend for the whole host, then restart the program that moves, best with a reboot.

Before: ``update-alternatives --display iptables`` says legacy for one of them. After: ``update-alternatives --set
iptables /usr/sbin/iptables-nft``, and ip6tables likewise.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._rules import filter_tables
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("docker-ufw-different-backends", "Docker and ufw write to different backends", Severity.MEDIUM)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family in which the two share no backend."""
    for family in (4, 6):
        docker, ufw = backends(audited.host, family)
        if docker and ufw and not docker & ufw:
            here, there = sorted(docker)[0], sorted(ufw)[0]
            yield KIND.finding(
                f"IPv{family}", Severity.MEDIUM,
                f"Docker's IPv{family} rules are in {_name(here)}, ufw's in {_name(there)}: a drop in either is final.",
                why=(f"The chain DOCKER holds rules in {_name(here)}.",
                     f"The chain ufw{'6' if family == 6 else ''}-user-input is in {_name(there)}."),
                next=("update-alternatives --display iptables", "iptables-legacy-save | grep -c DOCKER",
                      "iptables-nft-save | grep -c DOCKER"))


def backends(host: Host, family: int) -> tuple[set[str], set[str]]:
    """The backends that hold Docker's rules, and those that hold ufw's."""
    docker: set[str] = set()
    ufw: set[str] = set()
    user = "ufw-user-input" if family == 4 else "ufw6-user-input"
    for of, table in filter_tables(host):
        forward = table.chains.get("FORWARD")
        if of == family and "DOCKER" in table.chains and forward is not None and forward.rules:
            docker.add(table.backend)
        if of == family and user in table.chains:
            ufw.add(table.backend)
    return docker, ufw


def _name(backend: str) -> str:
    return "the legacy tables" if backend == "legacy" else "nftables"
