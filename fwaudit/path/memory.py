"""What becomes of packets from some stage of their way on, kept for others that nothing tells apart from there on.

A published port is asked about from each interface and at each address of the host, and behind NAT of the destination
these packets are all but the same: rules of FORWARD do not ask which address the client sent to. Answers are still more
alike: those of all sockets of a host meet the same rules of OUTPUT. So the rest of the way is walked once for each
peer, which goes its way apart from all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.model.verdict import Answerer
from fwaudit.netfilter.hooks import NAT_SOURCE, BaseChain
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.admission import Admission
from fwaudit.path.classes import Classes
from fwaudit.path.reads import mask_of
from fwaudit.path.route import LOCAL_KINDS, Fib
from fwaudit.path.state import PEER, PacketState
from fwaudit.path.tables import OF_A_DEVICE, Tables
from fwaudit.path.walk import End, Walk, World
from fwaudit.records import NamedTuple

_BEYOND: Final[frozenset[Hook]] = frozenset({"ingress", "prerouting", "forward", "postrouting", "egress"})
_TO_HOST: Final[frozenset[Hook]] = frozenset({"output", "postrouting", "prerouting", "input"})
"""What answers to the host itself meet besides."""
_EVERYTHING = (1 << len(PacketState._fields)) - 1
_BEFORE_NAT = mask_of(("orig_dst", "orig_dport"))
"""What the answer's source turns into behind NAT of the source: nothing but later chains sees it."""
_SENDER = mask_of(("src",))
"""Who sends an answer: routing looks at it where there are rules for it, and else as `Admission.sender` says."""
_OF_AN_ANSWER = _BEFORE_NAT | _SENDER | mask_of(("sport", "reply_src", "reply_sport"))


class Stage(NamedTuple):
    """A place on the way. ``hooks`` lie before a packet between other machines; ``loose``: the fields of which only
    rules ask, so that values which no rule tells apart are alike there; all others routing or services may look at."""

    name: str
    hooks: frozenset[Hook]
    loose: int


FORWARD: Final = Stage("forward", _BEYOND, mask_of(("iif",)) | _BEFORE_NAT)
"""Routed, and on its way out by ``oif``. Sources that ``iif`` does not admit are refused before."""
DOOR: Final = Stage("door", _BEYOND, _OF_AN_ANSWER)
"""An answer at the interface that it comes in by: those of all containers of a bridge are alike to most rules."""
SOCKET: Final = Stage("socket", frozenset({"output", "postrouting", "egress"}), _OF_AN_ANSWER)
"""An answer of the host itself."""

Onward = Callable[[Walk, World], None]


class _Rest:
    """What became of the peers that were walked for, ``covered``: where they ended, and the hooks that they met."""

    __slots__ = ("covered", "ends", "met")

    def __init__(self) -> None:
        self.covered = EMPTY
        self.ends: list[tuple[End, IntervalSet]] = []
        self.met: set[Hook] = set()


class Memory:
    """The memory of one host: one for all stages, since one leads to the other."""

    def __init__(self, host: Host, tables: Tables, fibs: dict[int, Fib], admission: Admission) -> None:
        self._host = host
        self._tables = tables
        self._admission = admission
        self._fibs = fibs
        self._local = {family: admission.own_addresses(family) | IntervalSet.union([
            area for area, hop in fib.lookup(PEER) if hop.kind in LOCAL_KINDS]) for family, fib in fibs.items()}
        self._classes: dict[tuple[str, int, bool], Classes] = {}
        self._leaving: dict[tuple[Hook, int], Classes] = {}
        self._by_class: dict[tuple[object, ...], _Rest] = {}
        self._by_state: dict[tuple[str, PacketState, bool], _Rest] = {}

    def go_on(self, stage: Stage, walk: Walk, world: World, onward: Onward, to: Answerer | None = None) -> None:
        """As ``onward(walk, world)``, which is all that comes behind the stage. ``to``: who answers, where it is he.

        Answers to addresses of the host's own, and broadcast ones, lead through the rules of INPUT as well, which are
        looked at for what they tell apart only where there are such peers.
        """
        to_host = bool((world.peers & self._local[walk.family]).bounds)
        key = stage.name, world.state, to_host
        rest = self._by_state.get(key)
        if rest is None:
            rest = self._by_state[key] = self._of_class(stage, world.state, to_host)
        left = _recall(rest, walk, world, to) if rest.covered.bounds else world.peers
        if left.bounds:
            rest = self._learn(stage, rest, walk, world.among(left), onward, to_host)
            _recall(rest, walk, world.among(left), to)

    def is_alone(self, family: int, iif: str) -> bool:
        """Whether rules name an interface that packets come in by, so that it is like no other."""
        return self._classes_of(FORWARD, family, False).is_named("iif", iif)

    def _of_class(self, stage: Stage, state: PacketState, to_host: bool) -> _Rest:
        classes = self._classes_of(stage, state.family, to_host)
        sender = self._admission.sender(state.family, state.src) if stage is DOOR and state.src is not None else None
        return self._by_class.setdefault((classes.key(state), state.iif == state.oif, to_host, sender), _Rest())

    def _learn(self, stage: Stage, rest: _Rest, walk: Walk, world: World, onward: Onward, to_host: bool) -> _Rest:
        """Walk for the peers, and for all others, where the walk is an answer's: these are few ways."""
        peers = world.peers
        if stage is not FORWARD:
            everybody = self._fibs[walk.family].universe
            peers = (everybody if to_host else everybody - self._local[walk.family]) - rest.covered
        inner = Walk(walk.tables, walk.host, walk.family)
        onward(inner, world.among(peers))
        if not to_host and not inner.met <= stage.hooks:
            # they met rules that the classes do not know of, and say nothing about others of their class
            rest = self._by_state[stage.name, world.state, to_host] = _Rest()
        rest.covered = rest.covered | peers
        rest.ends += [(end, each.peers) for end, worlds in inner.ends.items() for each in worlds]
        rest.met |= inner.met
        return rest

    def leaving(self, walk: Walk, worlds: list[World], hook: Hook) -> list[World]:
        """Answers on their way out of ``hook`` by several interfaces, as few of them as rules tell apart: who sent an
        answer's question does not depend on it."""
        if walk.peer is not None or len(worlds) < 2 or self._tables.below.exists:
            return worlds
        key = hook, walk.family
        classes = self._leaving.get(key)
        if classes is None:
            chains = [base for base in self._chains(walk.family, (hook, "postrouting", "egress"))
                      if base.chain.kind != "nat"]
            loose = 0 if any(base.chain.hook == "egress" for base in chains) else mask_of(("oif",))
            classes = self._leaving[key] = self._group(key, walk.family, chains, loose)
        by_class: dict[object, World] = {}
        for world in worlds:
            alike = classes.key(world.state)
            known = by_class.get(alike)
            by_class[alike] = world if known is None else known.among(known.peers | world.peers)
        return list(by_class.values())

    def _classes_of(self, stage: Stage, family: int, to_host: bool) -> Classes:
        key = stage.name, family, to_host
        found = self._classes.get(key)
        if found is None:
            found = self._classes[key] = self._alike(stage, family, to_host)
        return found

    def _alike(self, stage: Stage, family: int, to_host: bool) -> Classes:
        loose = stage.loose & ~_SENDER if self._fibs[family].custom else stage.loose
        hooks = stage.hooks | _TO_HOST if to_host else stage.hooks
        # nat chains are for a connection's first packet, which has only postrouting before it, and that from FORWARD on
        chains = [base for base in self._chains(family, hooks) if base.chain.kind != "nat" or (
            stage is FORWARD and base.chain.hook == "postrouting")]
        for base in chains:
            behind_nat = base.place[0] >= NAT_SOURCE and base.chain.kind != "nat"
            if base.chain.hook == "egress" or (base.chain.hook in ("postrouting", "input") and behind_nat):
                loose &= ~_BEFORE_NAT  # such a rule sees it as source
        return self._group(stage.name, family, chains, loose)

    def _chains(self, family: int, hooks: Iterable[Hook]) -> list[BaseChain]:
        return [base for hook in hooks
                for device in (("", *self._host.interfaces) if hook in OF_A_DEVICE else ("",))
                for base in self._tables.base_chains(family, hook, device)]

    def _group(self, name: object, family: int, chains: list[BaseChain], loose: int) -> Classes:
        compiled = [self._tables.chain(base, family) for base in chains]
        return self._tables.classes((name, family), compiled, _EVERYTHING & ~loose)


def _recall(rest: _Rest, walk: Walk, world: World, to: Answerer | None) -> IntervalSet:
    """Note the ends of the peers that are known; the others."""
    walk.met |= rest.met
    known, left = world.peers.divide(rest.covered)
    for end, area in rest.ends if known.bounds else ():
        here = known & area
        if here.bounds:
            if to is not None and end.to is not None:
                end = end._replace(to=to)
            walk.ends.setdefault(end, []).append(World(world.state, here))
    return left
