"""The rules of one host, compiled on first use and shared by all walks."""

from __future__ import annotations

from itertools import count

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.netfilter.facts import Facts
from fwaudit.netfilter.hooks import BaseChain, base_chains
from fwaudit.netfilter.tracking import tracked_families
from fwaudit.packet.steps import StepFunction
from fwaudit.path.below import Below
from fwaudit.path.chain import ChainEvaluator
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.compiler import Compiler
from fwaudit.path.orders import Order, orders
from fwaudit.path.state import PacketState


class Tables:
    """Base chains by hook, compiled chains by table, and the evaluator that remembers their results."""

    def __init__(self, host: Host, facts: Facts) -> None:
        self.evaluator = ChainEvaluator()
        self.below = Below(host)
        self._host = host
        self._tracked = tracked_families(host.ruleset)
        self._facts = facts
        self._hooks: dict[tuple[int, str, str], tuple[BaseChain, ...]] = {}
        self._orders: dict[tuple[int, str, str], tuple[Order, ...]] = {}
        self._compilers: dict[tuple[int, int], Compiler] = {}
        self._by_base: dict[int, CompiledChain] = {}  # of `base_chains`, which are kept
        self._chains: dict[tuple[int, int, str], CompiledChain] = {}
        self._numbers = count(1)  # one number for each chain of the host: memories are kept under it

    def base_chains(self, family: int, hook: Hook, device: str) -> tuple[BaseChain, ...]:
        """The base chains of a hook, in order; without those that cannot do anything."""
        key = (family, hook, device)
        found = self._hooks.get(key)
        if found is None:
            found = tuple(
                base for base in base_chains(self._host.ruleset, family, hook, device)
                if (base.chain.rules or base.chain.policy == "drop")
                and (base.chain.kind != "nat" or family in self._tracked)
            )
            self._hooks[key] = found
        return found

    def orders(self, family: int, hook: Hook, device: str) -> tuple[Order, ...]:
        """The orders in which the kernel may run them, where that makes a difference; one, where it does not, and none
        where there are too many."""
        key = (family, hook, device)
        found = self._orders.get(key)
        if found is None:
            found = self._orders[key] = orders(
                self.base_chains(*key), lambda base: self.chain(base, family), hook)
        return found

    def evaluate(self, base: BaseChain, family: int, state: PacketState) -> StepFunction:
        """What a base chain does to such packets, by peer; values are those of `evaluator`."""
        return self.evaluator.evaluate(self.chain(base, family), state)

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
                compiler = self._compilers[table_key] = Compiler(base.table, self._facts, family, self._numbers)
            found = self._chains[key] = compiler.chain(base.chain.name)
        return found
