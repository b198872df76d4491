"""What every finding is made of: the facts that it may use, and the form of its module.

A finding is one module. Its docstring is its page (what, why it hurts, how to see it yourself, how to fix it), and
``fwaudit findings ID`` prints it. The module has ``KIND`` and ``find(audited)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Protocol

from fwaudit.exposure.words import Networks
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.path.engine import Engine
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Audited:
    """One host, its exposures, and the engine for further questions.

    ``networks``: each outside interface's own; ``inside``: all networks and addresses of the host. Both to put sources
    into words. ``causes``: for each exposure the id of the finding that explains it, empty for one that is not bad.
    """

    host: Host
    engine: Engine
    exposures: tuple[Exposure, ...]
    networks: Mapping[str, Networks] = field(default_factory=dict)
    inside: Networks = ()
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a finding: its stable id, a title, what it cites, and the worst that it gets."""

    id: str
    title: str
    worst: Severity
    references: tuple[str, ...] = ()

    def finding(self, subject: str, severity: Severity, what: str, *, certain: bool = True, where_from: str = "",
                why: tuple[str, ...] = (), next: tuple[str, ...] = (), owner: str = "",
                exposure: Exposure | None = None, explains: bool = False, file: str = "", line: int = 0) -> Finding:
        """A finding of this kind."""
        return Finding(self.id, subject, self.title, severity, certain, what, where_from, why, next, owner, exposure,
                       self.references, explains, file, line)


class FindingModule(Protocol):
    """What a module in this package offers."""

    @property
    def KIND(self) -> Kind:
        """Its kind."""

    def find(self, audited: Audited) -> Iterator[Finding]:
        """Every finding of the kind on one host."""
