"""Names that stay the same from run to run, for programs that compare them."""

from __future__ import annotations

import hashlib

from fwaudit.model.report import Exposure, Finding, Report
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import EMPTY, IntervalSet


def protocol(exposure: Exposure) -> str:
    """``tcp``."""
    return PROTOCOL_NAMES.get(exposure.service.proto, str(exposure.service.proto))


def identity(report: Report, *parts: str) -> str:
    """A digest of the host and whatever names a thing; no rule number and no container id is among it."""
    return hashlib.sha256("\0".join([report.host, *parts]).encode("utf-8", "backslashreplace")).hexdigest()


def exposure_identity(report: Report, exposure: Exposure, kind: str = "exposure") -> str:
    """The same for the same port of the same container and family, from run to run."""
    service = exposure.service
    name = service.container or service.process
    bound = service.bound if service.kind != "container-port" else ""  # a container's address changes
    return identity(report, kind, service.kind, name, bound, str(service.port), protocol(exposure),
                    str(exposure.family))


def finding_identity(report: Report, finding: Finding) -> str:
    """The same for the same finding about the same thing."""
    return identity(report, finding.id, finding.subject)


def reached(exposure: Exposure) -> IntervalSet:
    """Every source that may get in by any way."""
    found = EMPTY
    for way in exposure.ways:
        found = found | way.possibly
    return found
