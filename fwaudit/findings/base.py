"""What every finding is made of: the facts that it may use, and the form of its module.

A finding is one module. Its docstring is its page (what, why it hurts, how to see it yourself, how to fix it), and
``fwaudit findings ID`` prints it. The module has ``KIND`` and ``find(audited)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Service, Severity
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.path.engine import Engine


@dataclass(frozen=True, slots=True)
class Audited:
    """One host, its exposures, and the engine for further questions."""

    host: Host
    engine: Engine
    exposures: tuple[Exposure, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a finding: its stable id, a title, what it cites, and the worst that it gets."""

    id: str
    title: str
    worst: Severity
    references: tuple[str, ...] = ()

    def finding(self, subject: str, severity: Severity, what: str, *, certain: bool = True, where_from: str = "",
                why: tuple[str, ...] = (), next: tuple[str, ...] = (), owner: str = "",
                exposure: Exposure | None = None) -> Finding:
        """A finding of this kind."""
        return Finding(self.id, subject, self.title, severity, certain, what, where_from, why, next, owner, exposure,
                       self.references)


class FindingModule(Protocol):
    """What a module in this package offers."""

    @property
    def KIND(self) -> Kind:
        """Its kind."""

    def find(self, audited: Audited) -> Iterator[Finding]:
        """Every finding of the kind on one host."""


def port_name(exposure: Exposure) -> str:
    """``5432/tcp (IPv4)``: how a finding names an exposure. Part of its identity, so without addresses."""
    service = exposure.service
    protocol = PROTOCOL_NAMES.get(service.proto, str(service.proto))
    return f"{service.port}/{protocol} (IPv{exposure.family})"


def owner_of(host: Host, service: Service) -> str:
    """Who owns the fix: the compose file and service that a container's labels name, or its project; else nobody."""
    for container in host.engine.containers:
        if container.name == service.container and container.project:
            place = container.config_files or f"project {container.project}"
            return f"{place}, service {container.service}" if container.service else place
    return ""
