"""The rules of one host, compiled on first use and shared by all walks."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.netfilter.facts import Facts
from fwaudit.netfilter.hooks import CONNTRACK, BaseChain, base_chains, nat_place
from fwaudit.netfilter.tracking import tracked_families
from fwaudit.path.below import Below
from fwaudit.path.chain import ChainEvaluator
from fwaudit.path.classes import Classes
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.compiler import Compiler
from fwaudit.path.orders import Order, orders
from fwaudit.records import NamedTuple

if TYPE_CHECKING:
    from fwaudit.path.chain_store import ChainStore

OF_A_DEVICE = ("ingress", "egress")
"""Hooks whose chains look at packets of some interfaces alone."""

_NEVER = 1 << 32


class Stop(NamedTuple):
    """A base chain where packets meet it."""

    base: BaseChain
    chain: CompiledChain
    is_nat: bool


class Line(NamedTuple):
    """The base chains of a hook in the order in which they run, and what the kernel does between them.

    ``untracked``: before connection tracking, where the hook ``tracks``; ``turned``: behind the place where NAT of an
    answer is undone, where the hook ``turns`` answers.
    """

    untracked: tuple[Stop, ...]
    tracked: tuple[Stop, ...]
    turned: tuple[Stop, ...]
    tracks: bool
    turns: bool


class Tables:
    """Base chains by hook, compiled chains by table, and the evaluator that remembers their results.

    ``store``: has chains of other hosts, and the evaluator of all of them; without one they are the host's own.
    """

    def __init__(self, host: Host, facts: Facts, store: ChainStore | None = None) -> None:
        if store is not None and not store.takes(host.ruleset):
            store = None
        self.evaluator = ChainEvaluator() if store is None else store.evaluator
        self._store = store
        self.below = Below(host)
        self._host = host
        self._tracked = tracked_families(host.ruleset)
        self._facts = facts
        self._hooks: dict[tuple[int, str, str], tuple[BaseChain, ...]] = {}
        self._lines: dict[tuple[int, str, str], tuple[Line, ...]] = {}
        self._compilers: dict[tuple[int, int], Compiler] = {}
        self._by_base: dict[int, CompiledChain] = {}  # of `base_chains`, which are kept
        self._chains: dict[tuple[int, int, str], CompiledChain] = {}
        hooks = {chain.hook for table in host.ruleset.tables for chain in table.chains.values()}
        self.has_ingress, self.has_egress = "ingress" in hooks, "egress" in hooks
        # one number for each chain: memories are kept under it
        self._serials = count(1) if store is None else store.serials

    def base_chains(self, family: int, hook: Hook, device: str) -> tuple[BaseChain, ...]:
        """The base chains of a hook, in order; without those that cannot do anything."""
        key = (family, hook, device if hook in OF_A_DEVICE else "")
        found = self._hooks.get(key)
        if found is None:
            found = tuple(
                base for base in base_chains(self._host.ruleset, *key)
                if (base.chain.rules or base.chain.policy == "drop")
                and (base.chain.kind != "nat" or family in self._tracked)
            )
            self._hooks[key] = found
        return found

    def lines(self, family: int, hook: Hook, device: str) -> tuple[Line, ...]:
        """They in the orders in which the kernel may run them, where that makes a difference; in one, where it does
        not, and in none where there are too many."""
        key = (family, hook, device if hook in OF_A_DEVICE else "")
        found = self._lines.get(key)
        if found is None:
            chains = orders(self.base_chains(*key), lambda base: self.chain(base, family), hook)
            found = self._lines[key] = tuple([self._line(order, family, hook) for order in chains])
        return found

    def _line(self, order: Order, family: int, hook: Hook) -> Line:
        stops = [Stop(base, self.chain(base, family), base.chain.kind == "nat") for base in order]
        tracking = CONNTRACK if hook in ("prerouting", "output") else -_NEVER
        turning = nat_place(hook) if hook in ("prerouting", "output", "input", "postrouting") else _NEVER
        return Line(tuple([stop for stop in stops if stop.base.place[0] < tracking]),
                    tuple([stop for stop in stops if tracking <= stop.base.place[0] < turning]),
                    tuple([stop for stop in stops if turning <= stop.base.place[0]]),
                    tracking == CONNTRACK, turning < _NEVER)

    def chain(self, base: BaseChain, family: int) -> CompiledChain:
        """The compiled form of a base chain for one family."""
        found = self._by_base.get(id(base))
        if found is None:
            found = self._by_base[id(base)] = self._find(base, family)
        return found

    def _find(self, base: BaseChain, family: int) -> CompiledChain:
        key = (id(base.table), family, base.chain.name)
        found = self._chains.get(key)
        if found is None:
            table_key = (id(base.table), family)
            compiler = self._compilers.get(table_key)
            if compiler is None:
                compiler = self._compilers[table_key] = Compiler(
                    base.table, self._facts, family, self._serials, self._store)
            found = self._chains[key] = compiler.chain(base.chain.name)
        return found

    def classes(self, name: object, chains: list[CompiledChain], exactly: int) -> Classes:
        """As ``Classes(name, chains, exactly)``, which hosts may have in common as well."""
        make = Classes if self._store is None else self._store.classes
        return make(name, chains, exactly)
