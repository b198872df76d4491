"""This version of the engine has a known bug that opens something.

What: the version that runs here is one that a published advisory or issue names, and this host has what the bug is
about (an internal network, firewalld, an encrypted overlay). The bug is in the engine; no rule that you wrote is at
fault.

Why it hurts: what the rules show now may not be what they are after the next reload, and what a network is called is
not what it does.

See it yourself: ``docker version``, and the advisory that is named.

Fix: update the engine. The version number is all that is looked at: distributors mend bugs without changing it, so
ask your distribution's security tracker.

Bugs that show in the rules are not told here but by what they open: loopback-publish-reachable and direct-routing
before version 28.

Before: Docker 28.3.2 with firewalld. After: Docker 28.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import DockerNetwork, Host
from fwaudit.model.report import Finding, Severity
from fwaudit.records import dataclass

KIND = Kind("engine-known-bug", "The engine's version has a known bug", Severity.MEDIUM, ("ATT&CK T1190",))

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Bug:
    """``spans``: first affected version, and the first that is not. ``applies``: the host has what it is about."""

    name: str
    what: str
    spans: tuple[tuple[Version, Version], ...]
    applies: Callable[[Host], bool]
    severity: Severity


def find(audited: Audited) -> Iterator[Finding]:
    """One for each bug of the running version that concerns this host."""
    host = audited.host
    version = _version(host.engine.version)
    if host.engine.name != "docker" or version is None:
        return
    for bug in _BUGS:
        mended = next((str_of(end) for start, end in bug.spans if start <= version < end), "")
        if mended and bug.applies(host):
            yield KIND.finding(
                bug.name, bug.severity, f"Docker {host.engine.version} has {bug.name}: {bug.what}.", certain=False,
                why=("Judged by the version number alone; distributors mend bugs without changing it.",),
                next=(f"update to Docker {mended} or later" if mended != str_of(_NEVER) else "watch for an update",))


def _version(text: str) -> Version | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def str_of(version: Version) -> str:
    """``28.3.3``."""
    return ".".join(map(str, version))


def _used(host: Host, wanted: Callable[[DockerNetwork], bool]) -> bool:
    """Whether a running container is on such a network."""
    used = {endpoint.network for container in host.engine.containers if container.running
            for endpoint in container.endpoints}
    return any(wanted(network) and network.name in used for network in host.engine.networks)


def _has_internal(host: Host) -> bool:
    return _used(host, lambda network: network.internal)


def _internal_beside_nftables(host: Host) -> bool:
    published = any(port.host_port for container in host.engine.containers if container.running
                    for port in container.published)
    return host.engine.firewall == "nftables" and published and _has_internal(host)


def _has_encrypted_overlay(host: Host) -> bool:
    return any(network.driver == "overlay" and "encrypted" in network.options for network in host.engine.networks)


def _has_firewalld(host: Host) -> bool:
    return any(table.name == "firewalld" for table in host.ruleset.tables)


def _always(host: Host) -> bool:
    return bool(host.engine.containers)


_NEVER: Version = (9999, 0, 0)
_BUGS: tuple[_Bug, ...] = (
    _Bug("CVE-2025-54388", "a reload of firewalld takes away the rules that keep others from containers' addresses",
         (((28, 2, 0), (28, 3, 3)),), _has_firewalld, Severity.MEDIUM),
    _Bug("CVE-2025-54410", "a reload of firewalld takes away the isolation of bridge networks from one another",
         (((0, 0, 0), (25, 0, 13)), ((26, 0, 0), (28, 0, 0))), _has_firewalld, Severity.LOW),
    _Bug("CVE-2024-29018", "containers on internal networks send names to outside resolvers, and data with them",
         (((0, 0, 0), (23, 0, 11)), ((24, 0, 0), (25, 0, 5))), _has_internal, Severity.LOW),
    _Bug("CVE-2023-28840", "encrypted overlay networks take packets that are neither encrypted nor authenticated",
         (((0, 0, 0), (20, 10, 24)), ((23, 0, 0), (23, 0, 3))), _has_encrypted_overlay, Severity.MEDIUM),
    _Bug("the rule order of 28.0.0", "what containers send comes to ufw's chains first and is rejected (moby#49528)",
         (((28, 0, 0), (28, 0, 1)),), _always, Severity.LOW),
    _Bug("the internal network's way out", "containers on an internal network reach other networks' published ports by "
         "their own gateway's address", (((29, 0, 0), _NEVER),), _internal_beside_nftables, Severity.LOW),
)
