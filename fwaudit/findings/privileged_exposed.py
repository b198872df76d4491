"""A privileged container is exposed.

What: a container that runs with ``--privileged``, or with a capability that is as good (``SYS_ADMIN``,
``SYS_MODULE``, ``SYS_PTRACE``, ``SYS_RAWIO``, ``ALL``), is reached from outside.

Why it hurts: whoever breaks into the service inside has the host: a privileged container mounts the host's disks and
loads kernel modules.

See it yourself: ``docker inspect --format '{{.HostConfig.Privileged}} {{.HostConfig.CapAdd}}' CONTAINER``.

Fix: run it without ``privileged``, with the one capability or device that it needs (``cap_add``, ``devices``); put
what faces the network into a container of its own.

Before: ``privileged: true``. After: ``cap_add: [NET_ADMIN]``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import about, foothold, subject
from fwaudit.model.host import Container
from fwaudit.model.report import Finding, Severity

KIND = Kind("privileged-exposed", "A privileged container is exposed", Severity.CRITICAL,
            ("CIS Docker 5.5", "CIS Docker 5.4", "ATT&CK T1611"))

_AS_GOOD = ("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH")


def find(audited: Audited) -> Iterator[Finding]:
    """One for each privileged container that somebody outside reaches."""
    for container in audited.host.engine.containers:
        power = _power(container)
        reached = foothold(audited, container) if power and container.running else None
        if reached is not None:
            exposure, severity = reached
            yield about(
                KIND, audited, exposure, f"{subject(exposure)} is reached from outside, and the container {power}: who "
                "breaks in has the host.", severity=severity,
                next=("run it without privileged, with the one capability or device that it needs",))


def _power(container: Container) -> str:
    """What makes it as good as root on the host, in words; empty where nothing does."""
    if container.privileged:
        return "is privileged"
    found = [name for each in container.capabilities if (name := each.upper().removeprefix("CAP_")) in _AS_GOOD]
    return f"has the capability {found[0]}" if found else ""
