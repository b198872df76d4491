"""The rules of the fix, before they are spelled for a tool: which packets, and what becomes of them.

Their shape, and why each part is there (found on real engines):

1. Replies go their way: a rule about sources would match them the wrong way round, and cut allowed clients off.
2. What comes from a container network is none of our business, nor is what leaves by another interface (a router's or
   a VPN's traffic, somebody's own port forwards). A network that is made tomorrow is neither, so it is closed at first.
3. ICMP stays with ufw and Docker, as it was.
4. The policy of INPUT, clause by clause in its order, for what was sent to a port of the host and translated by DNAT
   (``ctorigdst``: rules here see the container's address and port; ``ctdir``: see 1).
5. What policy says about everything else, for every translated packet.
6. Straight to a container's address, past all published ports: nothing is DNATed there.

Every ``allow`` is a RETURN: Docker's own isolation and all later chains keep their say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import Any, Literal

from fwaudit.fix.policy import Clause, Name, Reading
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One rule. ``about``: *replies* of known connections, *icmp*, *translated* packets (the clause's ``dst`` and
    ``dport`` are then the original ones), or *any*. ``comment`` is in our own words."""

    does: Literal["return", "drop", "reject"]
    about: Literal["any", "replies", "icmp", "translated"] = "any"
    clause: Clause = field(default_factory=Clause)
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a published port really is: the container's address and port behind a bridge."""

    bridge: str
    address: int
    proto: int
    port: int


@dataclass(frozen=True, slots=True)
class Scope:
    """A published port of one family that a smaller plan is about; ``dst`` 0: every address of the host."""

    proto: int
    port: int
    dst: int = 0
    behind: tuple[Endpoint, ...] = ()

    @property
    def clause(self) -> Clause:
        """What was sent to it."""
        return Clause(proto=IntervalSet.of(self.proto), dport=IntervalSet.of(self.port),
                      dst=IntervalSet.of(self.dst) if self.dst else None)


def whole(policy: Reading, route: Reading, bridges: Iterable[str], others: Iterable[str], allows: Iterable[Clause],
          spared: Iterable[str] = ()) -> Iterator[Line]:
    """The lines that make everything behind ``bridges`` obey ``policy``.

    ``others``: interfaces that are no container networks. ``spared``: interfaces whose packets are let alone.
    ``route``: what may be sent on to containers (``ufw route``). ``allows``: ports and the only sources for them.
    """
    bridges = tuple(bridges)
    yield from _head(bridges, spared)
    for name in others:
        yield Line("return", clause=Clause(oifs=(Name(name),)), comment="not to a container")
    yield Line("return", "icmp")
    yield from _allowed(allows)
    yield from _route(route)
    for clause in policy.clauses:
        yield _translated(clause)
    yield replace(_translated(policy.default), comment="every other published port")
    for bridge in bridges:
        yield Line("drop", clause=Clause(oifs=(Name(bridge),)), comment="straight to a container")


def smaller(policy: Reading, route: Reading, bridges: Iterable[str], scopes: Iterable[Scope],
            allows: Iterable[Clause], spared: Iterable[str] = ()) -> Iterator[Line]:
    """The lines for some published ports only."""
    yield from _head(bridges, spared)
    yield from _allowed(allows)
    yield from _route(route)
    straight: list[Line] = []
    for scope in scopes:
        for clause in (*policy.clauses, policy.default):
            both = _both(clause, scope.clause)
            if both is not None:
                yield _translated(both)
        straight += [Line("drop", clause=Clause(
            oifs=(Name(each.bridge),), dst=IntervalSet.of(each.address), proto=IntervalSet.of(each.proto),
            dport=IntervalSet.of(each.port)), comment="straight to the container") for each in scope.behind]
    yield from dict.fromkeys(straight)


def _head(bridges: Iterable[str], spared: Iterable[str]) -> Iterator[Line]:
    yield Line("return", "replies")
    for bridge in bridges:
        yield Line("return", clause=Clause(iifs=(Name(bridge),)), comment="from a container")
    for name in spared:
        yield Line("return", clause=Clause(iifs=(Name(name),)), comment="not an interface to restrict")


def _allowed(allows: Iterable[Clause]) -> Iterator[Line]:
    """Each port's sources, then nobody else."""
    last: Clause | None = None
    for clause in allows:
        port = replace(clause, src=None)
        if last is not None and port != last:
            yield Line("drop", "translated", last, "no other source")
        if clause.src:
            yield Line("return", "translated", clause, "--allow")
        last = port
    if last is not None:
        yield Line("drop", "translated", last, "no other source")


def _route(route: Reading) -> Iterator[Line]:
    for clause in route.clauses:
        if clause.verdict == "allow":
            yield Line("return", "any", clause, clause.said)


def _translated(clause: Clause) -> Line:
    does: dict[str, Literal["return", "drop", "reject"]] = {"allow": "return", "deny": "drop", "reject": "reject"}
    return Line(does[clause.verdict], "translated", clause, clause.said)


def _both(one: Clause, two: Clause) -> Clause | None:
    """A clause narrowed to what another says of proto, dport and dst; None where they have nothing in common."""
    changed: dict[str, Any] = {}
    for name in ("proto", "dport", "dst"):
        mine: IntervalSet | None = getattr(one, name)
        theirs: IntervalSet | None = getattr(two, name)
        both = theirs if mine is None else mine if theirs is None else mine & theirs
        if both is not None and not both:
            return None
        changed[name] = both
    return replace(one, **changed)
