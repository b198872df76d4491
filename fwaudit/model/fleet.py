"""What is known of many hosts at once: compact rows, which cross processes and lie in a database, and their groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from fwaudit.model.report import who_answers
from fwaudit.records import dataclass

SCHEMA_VERSION = 1

Level = Literal["ok", "warning", "critical", "unknown"]
LEVELS: tuple[Level, ...] = ("critical", "unknown", "warning", "ok")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class PortRow:
    """A service that somebody reaches, or of which it is not decided, in one family; blocked ones are only counted.

    ``key`` names it the same from run to run within its host. ``proto`` is a name (tcp), ``severity`` the number of
    `Severity`. ``standing`` is that of `Judged`. ``cause``: the id of the finding that explains it. ``sources``: from
    where, in words; empty where it is as intended.
    """

    key: str
    kind: str
    family: int
    proto: str
    port: int
    bound: str
    container: str
    project: str
    compose_service: str
    image: str
    process: str
    likely: str
    verdict: str
    standing: str
    severity: int
    certain: bool
    cause: str
    sources: str

    @property
    def who(self) -> str:
        """Who answers, by the best name there is."""
        return who_answers(self.kind, self.container, self.process)


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding about one host; ``subject`` stays the same from run to run. ``standing`` is that of `JudgedFinding`,
    empty where its exposure's says all."""

    id: str
    subject: str
    severity: int
    certain: bool
    standing: str
    what: str


@dataclass(frozen=True, slots=True)
class HostRow:
    """What one snapshot says. ``source``: where it was read from. ``error``: why it could not be, and then there is
    nothing else. ``unread``: how many of its sources were not. ``breaches``: exposures that nobody answers for.
    ``redacted``: names and addresses in it are replacements. ``rendered``: the host in a format of its own, empty where
    nobody asked."""

    source: str
    host: str = ""
    taken_at: str = ""
    level: Level = "unknown"
    severity: int = 0
    breaches: int = 0
    undecided: int = 0
    accepted: int = 0
    intended: int = 0
    blocked: int = 0
    unread: int = 0
    engine: str = ""
    firewall: str = ""
    error: str = ""
    redacted: bool = False
    ports: tuple[PortRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    rendered: str = ""

    @property
    def name(self) -> str:
        """The host's name, or where its snapshot lies."""
        return self.host or self.source


@dataclass(frozen=True, slots=True)
class Group:
    """So many things of one name on so many hosts, the worst of ``severity``. ``example``: a host where it is
    as bad as that."""

    name: str
    severity: int
    count: int
    hosts: int
    example: str


@dataclass(frozen=True, slots=True)
class Change:
    """A port that is reached now and was not (new), the other way round (gone), or that is judged otherwise (changed).

    ``before``/``after``: verdict and severity in words, empty where there is none.
    """

    kind: Literal["new", "gone", "changed"]
    host: str
    port: str
    who: str
    severity: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Since the run of the time ``since``. ``listed`` gives the changes, the worst first. ``not_compared``: hosts of
    which not everything could be read now or then."""

    since: str
    new: int
    gone: int
    changed: int
    hosts_new: int
    hosts_gone: int
    not_compared: int
    listed: Callable[[], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many hosts. ``hosts`` gives their rows, the worst first, one at a time, since there may be more than memory has
    room for. ``levels``: how many hosts of each level. ``failed``: how many snapshots could not be read; ``redacted``:
    in how many of them names and addresses are replacements."""

    taken_at: str
    levels: dict[Level, int]
    failed: int
    incomplete: int
    breaches: int
    undecided: int
    by_finding: tuple[Group, ...]
    by_service: tuple[Group, ...]
    by_image: tuple[Group, ...]
    hosts: Callable[[], Iterator[HostRow]]
    changes: Changes | None = None
    seconds: float = 0.0
    redacted: int = 0

    @property
    def total(self) -> int:
        """How many snapshots there are."""
        return sum(self.levels.values())

    @property
    def level(self) -> Level:
        """The worst of all: 3 wins over 0 and 1, never over 2."""
        return next((level for level in LEVELS if self.levels.get(level)), "unknown")
