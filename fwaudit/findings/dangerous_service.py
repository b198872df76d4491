"""Policy opens a dangerous service.

What: a service that gives away data or the whole host, or that administers something, is reached from the internet or
from private networks, and the firewall policy allows it: a database, a cache, a queue, a search engine, an admin
panel, the API of Docker, Kubernetes or etcd, a remote desktop. It is told by its image, its process and its port.

Why it hurts: such services were made for trusted networks. Many ask for no password, speak without encryption, and
have commands that run programs; all of them are looked for by scanners at all times.

See it yourself: ``nc -vz HOST PORT`` from another machine.

Fix: allow only those who need it: ``ufw delete allow PORT`` and ``ufw allow from 192.0.2.0/24 to any port PORT proto
tcp``; reach it through a VPN or ``ssh -L``; or publish it on 127.0.0.1.

A port that is reached *against* policy has a finding of its own, whose severity knows of the service.

Before: ``ufw allow 5432``. After: ``ufw allow from 192.0.2.0/24 to any port 5432 proto tcp``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.exposure.judge import weak_doors
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import about, container_of, narrower, policy_says, subject
from fwaudit.model.report import Exposure, Finding, Severity

KIND = Kind("dangerous-service", "Policy opens a dangerous service", Severity.MEDIUM,
            ("CIS Docker 5.9", "ATT&CK T1190", "ATT&CK T1133"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each exposure that policy allows and that is bad all the same."""
    for exposure in audited.exposures:
        if exposure.verdict == "as-intended" and exposure.severity >= Severity.LOW and not _told(audited, exposure):
            yield about(
                KIND, audited, exposure,
                f"{subject(exposure)} is probably {exposure.service.likely}, and policy lets strangers in.",
                why=(policy_says(exposure),), next=(narrower(exposure),))


def _told(audited: Audited, exposure: Exposure) -> bool:
    """Whether another finding says it better: weak-credentials, or docker-api-on-tcp."""
    service = exposure.service
    if service.kind == "host-socket" and service.likely == "Docker API":
        return True
    return bool(weak_doors(service, container_of(audited.host, exposure)))
