"""Docker's rules are not in the kernel.

What: containers publish ports, and there is no chain of Docker's in iptables. Either the engine was told so
(``"iptables": false``), or somebody flushed the rules since (``nft flush ruleset``, ``iptables-restore``).

Why it hurts: published ports are served by docker-proxy, so that ufw does apply, which is why people do it. But
containers see every client as the gateway's address, so that logs and access lists by address are worthless;
containers have no way out without a masquerade rule of yours; nothing isolates networks from one another; and every
port of every container, published or not, is open to whoever routes to it as far as FORWARD lets him.

See it yourself: ``iptables -t nat -S DOCKER``; ``grep iptables /etc/docker/daemon.json``.

Fix: let Docker write its rules, and restrict published ports in DOCKER-USER. After a flush, ``systemctl restart
docker``.

Before: ``{"iptables": false}``. After: the line taken out, and rules in DOCKER-USER.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import has_chains
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("iptables-false", "Docker's rules are not in the kernel", Severity.MEDIUM,
            ("CIS Docker 2.4", "ATT&CK T1562.004"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for a host whose engine runs containers on bridge networks without any rule of its own."""
    host = audited.host
    if not _expected(host) or any(name.startswith(("iptables", "nft")) for name, _ in host.unread):
        return
    if has_chains(host, "ip") or _native(host):  # IPv6's are another setting, and stay
        return
    published = sorted({container.name for container in host.engine.containers if container.running
                        for port in container.published if port.host_port})
    if published:
        names = ", ".join(published[:4]) + (f" and {len(published) - 4} more" if len(published) > 4 else "")
        yield KIND.finding(
            "host", Severity.MEDIUM,
            "The engine's rules are not in the kernel: it was told to write none, or they were flushed.",
            why=(f"There is no chain of Docker's for IPv4; ports are published by {names}.",
                 "docker-proxy serves what is published; nothing isolates networks or translates what goes out."),
            next=("grep -n iptables /etc/docker/daemon.json", "systemctl restart docker"))


def _expected(host: Host) -> bool:
    """Whether the engine is one that writes rules on this host."""
    engine = host.engine
    return engine.name == "docker" and bool(engine.version) and not engine.rootless and not engine.unread


def _native(host: Host) -> bool:
    """The IPv4 table of Docker's nftables backend."""
    return any((table.family, table.name) == ("ip", "docker-bridges") for table in host.ruleset.tables)
