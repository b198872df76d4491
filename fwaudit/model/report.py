"""What an audit found: for every service from where it can be reached, and whether the firewall policy meant it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import IntEnum
from typing import Generic, Literal, TypeVar

from fwaudit.model.verdict import Answerer, Query, Trace
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

SCHEMA_VERSION = 1

T = TypeVar("T")

Verdict = Literal[
    "bypass",       # reached by sources that the firewall policy denies
    "neighbours",   # reached only by machines on the same link that send to an address which is not meant for them
    "undecided",    # the snapshot does not tell whether sources that policy denies get through
    "as-intended",  # reached, and policy allows every source that gets through
    "blocked",      # nobody gets through from outside
]


class Severity(IntEnum):
    """How bad it would be; how sure it is stands apart (`Exposure.certain`)."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class Service:
    """Something that answers on a port.

    ``kind``: ``published`` (Docker's -p; ``port`` is the host's), ``host-socket`` (a process of the host),
    ``container-port`` (a port inside a container, reached at the container's own address), or ``forwarded`` (a rule of
    somebody's own sends it on). ``bound``: the address that
    it was published on or listens on, as text, ``*`` for every address. ``container_port`` of a published port.
    ``likely``: what it probably is (PostgreSQL), empty where nobody can tell.
    """

    kind: Literal["published", "host-socket", "container-port", "forwarded"]
    proto: int
    port: int
    bound: str = "*"
    container: str = ""
    container_port: int = 0
    project: str = ""
    compose_service: str = ""
    image: str = ""
    process: str = ""
    likely: str = ""

    @property
    def who(self) -> str:
        """Who answers, by the best name there is."""
        return who_answers(self.kind, self.container, self.process)


def who_answers(kind: str, container: str, process: str) -> str:
    """The name of a container or a process, or what it is where nobody knows its name. ``kind`` is a `Service`'s."""
    return container or process or ("a container" if kind in ("published", "container-port") else "a process")


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: by interface ``iif`` to address ``dst``.

    ``certainly``/``possibly``: sources that get through and are answered. ``allowed``/``allowed_possibly``: sources
    that policy lets in there. ``neighbours_only``: only a machine on the same link can send such a packet here, since
    ``dst`` is not routed to that interface from afar. ``sports``: ranges of source ports that a packet has to have to
    get in this way, for the sources that get in by no other; empty: those of an ordinary client.
    """

    iif: str
    dst: int
    certainly: IntervalSet
    possibly: IntervalSet
    allowed: IntervalSet
    allowed_possibly: IntervalSet
    neighbours_only: bool = False
    to: Answerer | None = None
    sports: tuple[tuple[int, int], ...] = ()

    @property
    def bypass(self) -> IntervalSet:
        """Sources that certainly get in although policy certainly denies them."""
        return self.certainly - self.allowed_possibly

    @property
    def doubtful(self) -> IntervalSet:
        """Sources that may get in although policy certainly denies them."""
        return self.possibly - self.certainly - self.allowed_possibly


class Later(Generic[T]):
    """A value that is worked out when somebody first asks for it: most who get a report ask for little of it.

    ``work`` is called once, and must be pure. Two are equal where their values are; a pickled one has its value.
    """

    __slots__ = ("_value", "_work")

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work

    @classmethod
    def of(cls, value: T) -> Later[T]:
        """What is known already."""
        return cls(lambda: value)

    def get(self) -> T:
        """The value. Raises what ``work`` raises, each time."""
        if self._work is not None:
            self._value = self._work()
            self._work = None  # and with it what it holds on to
        return self._value

    def __eq__(self, other: object) -> bool:
        return self.get() == other.get() if isinstance(other, Later) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __reduce__(self) -> tuple[Callable[[T], Later[T]], tuple[T]]:
        return Later.of, (self.get(),)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the firewall policy says about a service, and by which rule.

    ``by``: ``ufw``, or ``INPUT`` where there is no active ufw and the INPUT chains as they are were asked.
    ``says``: allow, deny, reject, limit, partly (some sources), or unknown. ``rule``: the number in
    ``ufw status numbered``, 0 for a default policy. ``text``: the rule or default in ufw's words.
    """

    by: Literal["ufw", "INPUT", "loopback", "route"]
    says: Literal["allow", "deny", "reject", "limit", "partly", "unknown"]
    rule: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One packet that shows it: the question, and its way rule by rule, which is walked when somebody asks for it."""

    query: Query
    trace_later: Later[Trace]

    @property
    def trace(self) -> Trace:
        """The packet's way."""
        return self.trace_later.get()


@dataclass(frozen=True, slots=True)
class Exposure:
    """One service in one family. ``ways`` has one entry for each interface and address that was asked about.

    ``certain``: False where the verdict rests on something that the snapshot does not tell. ``evidence``: a packet
    that gets through, or for an undecided one the packet that shows why; None where everything is blocked.
    ``policy_later``: ``policy``, which is worked out when somebody asks for it.
    """

    service: Service
    family: int
    ways: tuple[Way, ...]
    verdict: Verdict
    severity: Severity
    certain: bool
    policy_later: Later[Policy]
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        """What the firewall policy says of the packet that is the evidence; where nothing gets in, of a stranger's."""
        return self.policy_later.get()

    @property
    def from_outside(self) -> bool:
        """True where it is reached from outside although policy does not allow it: what the first line counts."""
        return self.verdict == "bypass"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or worth knowing.

    ``id`` names the kind (kebab-case, stable for ever: ``docker-bypasses-ufw``); ``subject`` what it is about, in words
    that stay the same from run to run (container name, port, family; never a rule number or a container id). ``what``:
    one sentence. ``where_from``: the sources in question, in words. ``why``: sentences of evidence. ``next``: commands
    or edits, most useful first. ``owner``: the compose file and service that the fix belongs to; ``file`` and ``line``
    (from 1) are the same where a place in a file is known. ``exposure``: the one that it rests on, None where it is
    about the host. ``explains``: it says why its exposure is as it is; of those each bad exposure has exactly one.
    ``references``: CIS Docker Benchmark and ATT&CK ids.
    """

    id: str
    subject: str
    title: str
    severity: Severity
    certain: bool
    what: str
    where_from: str = ""
    why: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    owner: str = ""
    exposure: Exposure | None = None
    references: tuple[str, ...] = ()
    explains: bool = False
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class FindingPage:
    """What the catalogue says of a kind of finding: its id, its title, the worst that it gets, what it cites, and its
    page: paragraphs, with code between ``double backticks``."""

    id: str
    title: str
    worst: Severity
    references: tuple[str, ...]
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a report was asked not to show. ``by``: the options that asked for it, as they are typed."""

    by: str = ""
    exposures: tuple[Exposure, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an audit says about one host.

    ``networks``: interface → its own networks (family, low, prefix), for putting sources into words; ``inside``: all
    networks and addresses of the host. ``unread``: (source, why) for what could not be looked at. ``firewall``: one
    line on what stands for policy here; ``policy``: the same in a word, ``ufw`` or ``INPUT``. ``hidden``: what filters
    left out of exposures and findings. ``preview``: the Compose files that the host is shown with, as if they were up;
    empty for a host as it is. ``redacted``: names and addresses are replacements for those of the host that the
    snapshot was taken of.
    """

    host: str
    taken_at: str
    exposures: tuple[Exposure, ...]
    firewall: str
    engine: str
    networks: Mapping[str, tuple[tuple[int, int, int], ...]]
    unread: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    inside: tuple[tuple[int, int, int], ...] = ()
    policy: Literal["ufw", "INPUT"] = "INPUT"
    hidden: Hidden = field(default_factory=Hidden)
    preview: str = ""
    redacted: bool = False

    @property
    def every_exposure(self) -> tuple[Exposure, ...]:
        """Those that are shown and those that are hidden: what totals, the first line and exit codes are about."""
        return self.exposures + self.hidden.exposures

    @property
    def against_policy(self) -> set[tuple[str, int, int, str]]:
        """The ports that are reached from outside although policy does not allow it, shown or hidden; v4 and v6 of one
        port are one."""
        offered = (each.service for each in self.every_exposure if each.from_outside)
        return {(of.kind, of.proto, of.port, of.container or of.process) for of in offered}

    @property
    def every_finding(self) -> tuple[Finding, ...]:
        """Those that are shown and those that are hidden."""
        return self.findings + self.hidden.findings

    @property
    def complete(self) -> bool:
        """True where every source that was wanted could be read."""
        return not self.unread
