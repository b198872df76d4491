"""What becomes of packets: dispositions, who answers, and the rules that were met on the way."""

from __future__ import annotations

from typing import Literal

from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.records import NamedTuple, dataclass

Disposition = Literal[
    "delivered",      # it arrives and, for TCP, the answer gets back
    "dropped",        # a rule, a chain policy or the kernel's own checks lose it without a word
    "rejected",       # refused with an answer
    "no-route",       # the kernel has nowhere to send it
    "not-listening",  # it gets through, and nobody listens there
    "accepted",       # the answer to a question about one hook: nobody is asked who listens
    "undecided",      # the snapshot does not tell
]


class Answerer(NamedTuple):
    """Who gets the packet. ``kind``: ``container``, ``host-socket``, or ``elsewhere`` for another machine that this
    host forwards to. ``name``: of the container or the process.

    ``via`` is ``docker-proxy`` where a process of the host takes the connection for the container.
    """

    kind: Literal["container", "host-socket", "elsewhere"]
    name: str
    family: int
    address: int
    port: int
    via: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule (or chain policy, ``rule`` 0) that a packet met, and what it did (``dnat 172.17.0.2:80``, ``drop``)."""

    hook: str
    family: str
    backend: str
    table: str
    chain: str
    rule: int
    text: str
    does: str
    counters: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a packet where a fact has a certain value; undecided where another fact has to be known, too."""

    disposition: Disposition
    to: Answerer | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that the snapshot does not tell, in words, and (value, what becomes of the packet then) for each value.

    A value is ``yes``, ``no``, ranges of ports, or a name of a choice. Several endings: other facts decide between
    them. Without values where nobody models what follows from it.
    """

    words: str
    values: tuple[tuple[str, tuple[Ending, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """One packet's way. ``undecided_on``: the facts that would decide it, empty where it is decided; ``facts``: the
    same, with what each value leads to.

    ``smallest``: no fewer facts would decide it. False where there are too many to tell: then ``undecided_on`` has
    everything that may matter, and ``facts`` is empty.
    """

    disposition: Disposition
    to: Answerer | None = None
    undecided_on: tuple[str, ...] = ()
    path: tuple[Step, ...] = ()
    facts: tuple[Fact, ...] = ()
    smallest: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """One disposition of a question about many sources: the sources that certainly and possibly come to it."""

    disposition: Disposition
    to: Answerer | None
    certainly: IntervalSet
    possibly: IntervalSet


@dataclass(frozen=True, slots=True)
class Query:
    """Packets that are alike but for their source: the first packet of a new connection.

    ``iif`` empty: sent by the host itself. ``sport`` None: any port that an ordinary client takes (1024-65535).
    ``hook`` (``input`` or ``forward``): put the packet straight into that hook's chains, with no NAT and no routing;
    ``oif`` is then its outgoing interface. ``sources``: the addresses asked about.
    ``answer``: with ``hook``, the packet is the answer to a connection that ``dst`` opened, masqueraded on its way out.
    """

    family: int
    iif: str
    dst: int
    proto: int
    dport: int = 0
    sources: IntervalSet = ALL
    sport: int | None = None
    hook: Literal["", "input", "forward"] = ""
    oif: str = ""
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """The answer: outcomes whose ``possibly`` sets cover the sources asked about.

    A source in two ``possibly`` sets is undecided between them; in a ``certainly`` set it is decided.
    """

    query: Query
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One outcome of a question about many sources: which, whether for certain, and the way of one of them."""

    sources: IntervalSet
    certainly: bool
    trace: Trace
