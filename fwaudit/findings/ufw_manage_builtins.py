"""ufw empties Docker's chains.

What: ``MANAGE_BUILTINS=yes`` in /etc/default/ufw. Whenever ufw starts or stops, it empties the filter table and the
built-in chains of mangle and nat, and deletes the chains of others, Docker's among them.

Why it hurts: published ports are dead, or answered by docker-proxy, which hides who the client is, until Docker is
restarted; and rules in DOCKER-USER are lost for good.

See it yourself: ``iptables -S DOCKER`` after ``ufw reload`` says that there is no such chain.

Fix: ``MANAGE_BUILTINS=no``, as it is shipped.

Before: ``MANAGE_BUILTINS=yes``. After: ``MANAGE_BUILTINS=no``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.model.report import Finding, Severity

KIND = Kind("ufw-manage-builtins", "ufw empties Docker's chains", Severity.LOW)


def find(audited: Audited) -> Iterator[Finding]:
    """One where ufw is told to, and there is an engine."""
    ufw, engine = audited.host.ufw, audited.host.engine
    if ufw.installed and ufw.manage_builtins and (engine.version or engine.unread):
        yield KIND.finding(
            "ufw", Severity.LOW,
            "ufw deletes Docker's chains, and the rules in DOCKER-USER, whenever it starts or stops.",
            why=("/etc/default/ufw says MANAGE_BUILTINS=yes.",),
            next=("sed -i 's/^MANAGE_BUILTINS=yes/MANAGE_BUILTINS=no/' /etc/default/ufw", "systemctl restart docker"))
