"""Something could not be looked at.

What: a source of facts is missing or does not read: a tool that is not installed, a file that only root may read, an
engine that does not answer, a format that nobody knows.

Why it hurts: what depends on it is undecided, and a clean report from half of the facts is a lie.

See it yourself: run the command that is named, as root.

Fix: run fwaudit as root; install the tool; where something was changed while it was read, run it again.

Before: ``fwaudit report``. After: ``sudo fwaudit report``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.model.report import Finding, Severity

KIND = Kind("unreadable", "A source could not be read", Severity.MEDIUM)

_HIDES: tuple[tuple[str, Severity, str, str], ...] = (
    ("iptables", Severity.MEDIUM, "rules that may open or close any port", "iptables-save; ip6tables-save"),
    ("nft", Severity.MEDIUM, "rules that may open or close any port", "nft -j list ruleset"),
    ("ipset", Severity.MEDIUM, "which addresses a rule means that asks a set", "ipset save"),
    ("docker/listeners", Severity.LOW, "which ports of containers answer: all count as answering",
     "fwaudit report, as root"),
    ("docker/compose", Severity.INFO, "in which line of a compose file a port is published", "fwaudit snapshot"),
    ("docker", Severity.MEDIUM, "containers, what they publish and their networks", "docker info"),
    ("ufw", Severity.MEDIUM, "what the admin meant: the INPUT chains stand for it", "ufw status verbose"),
    ("net", Severity.MEDIUM, "where packets are sent", "ip addr; ip route show table all; ip rule"),
    ("sockets/owners", Severity.LOW, "which process listens on a port", "ss -tulnp"),
    ("sockets", Severity.MEDIUM, "what listens on this host", "ss -tuln"),
    ("sysctl", Severity.MEDIUM, "whether the kernel forwards", "sysctl net.ipv4.ip_forward"),
)
"""By the beginning of a source's name: how bad its absence is, what it hides, and the command that asks for it."""


def find(audited: Audited) -> Iterator[Finding]:
    """One for each source that was wanted and could not be read."""
    for source, why in audited.host.unread:
        severity, hides, command = _about(source)
        root = "permission" in why.lower() or "root" in why.lower()
        yield KIND.finding(source, severity, f"{source} could not be read; it hides {hides}.", certain=True, why=(why,),
                           next=("sudo fwaudit report",) if root else (command,))


def _about(source: str) -> tuple[Severity, str, str]:
    for prefix, severity, hides, command in _HIDES:
        if source.startswith(prefix):
            return severity, hides, command
    return Severity.LOW, "what depends on it", "fwaudit report"
