"""A chain as the engine has it: its rules, the chains below it, and what all these read of a packet and do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from fwaudit.model.condition import Named
from fwaudit.model.ruleset import Rule, Table
from fwaudit.netfilter.rule_list import RuleList
from fwaudit.path.classes import Classes
from fwaudit.path.compiled_rules import Called, CompiledRules, Part
from fwaudit.path.reads import BIT, CHANGED
from fwaudit.path.state import PacketState

_NO_NAMES: frozenset[Named] = frozenset()


class Texts(Protocol):
    """Whoever can tell what the texts of a chain's rules say (`fwaudit.path.compiler.Compiler`)."""

    def parts(self, chain: CompiledChain) -> list[Part]:
        """Each different text of a chain."""


class CompiledChain:
    """A chain: its rules, and what it and the chains below it read of a packet and do.

    ``children``: the chains that it calls, each once. ``is_inline``: it has no name of its own.
    ``reads``, ``whole``: of the subtree, as in `Reads`; ``own_reads``, ``named``: of the chain's conditions alone,
    ``asked``: without the addresses of its rules; ``done_to``: read by the chain's targets.
    ``untracks``: a rule takes the connection away, so that its state may change. ``inert``: nothing here does anything.
    ``compiler`` makes its texts ready when the chain is first walked: most chains never are. A chain that is kept for
    other hosts (``is_kept``) has none, since a compiler is of one host, and its rules are ready.
    """

    __slots__ = ("_classes", "_compiler", "_rules", "_walked", "asked", "children", "done_to", "inert", "is_inline",
                 "is_kept", "key", "name", "named", "own_reads", "reads", "serial", "untracks", "whole")

    def __init__(self, name: str, serial: int, rules: Sequence[Rule], compiler: Texts | None, *,
                 is_inline: bool = False) -> None:
        self.name = name
        self.serial = serial
        self.children: Sequence[CompiledChain] = ()
        self.is_inline = is_inline
        self.is_kept = False
        self.named: frozenset[Named] = _NO_NAMES
        self.untracks = False
        self.inert = True
        self.whole = 0
        has_src, has_dst = rules.has_addresses() if isinstance(rules, RuleList) else (False, False)
        self.own_reads = self.reads = BIT["src"] * has_src | BIT["dst"] * has_dst
        self.asked = self.done_to = 0
        self._rules = rules
        self._compiler = compiler
        self.key: Callable[[PacketState], tuple[object, ...]] = self._first_key
        """Two packets with the same key have the same fate in this chain (`Classes.key`)."""
        # made when first asked for
        self._walked: CompiledRules | None = None
        self._classes: Classes | None = None

    @property
    def rules(self) -> CompiledRules:
        """The rules, made ready to be walked."""
        if self._walked is None:
            assert self._compiler is not None
            self._walked = self.ready(self._rules, self._compiler.parts(self))
        return self._walked

    def ready(self, rules: Sequence[Rule], parts: list[Part]) -> CompiledRules:
        """These, which have these texts, made ready as rules of the chain."""
        return CompiledRules(rules, parts, self.called(), asked=self.asked, reads=self.own_reads,
                             done_to=self.done_to, untracks=self.untracks)

    def called(self) -> tuple[Called, ...]:
        """What its rules have to know of the chains that they call."""
        return tuple([Called(child.inert, child.reads & CHANGED) for child in self.children])

    def above(self, serial: int, children: tuple[CompiledChain, ...], kept: Callable[[CompiledChain], CompiledRules],
              ) -> CompiledChain:
        """A chain of the same rules that stands above these chains, for several hosts. ``kept``: its rules made ready.
        """
        out = CompiledChain(self.name, serial, (), None)
        out.children, out.named, out.inert, out.untracks = children, self.named, self.inert, self.untracks
        out.asked, out.own_reads, out.done_to = self.asked, self.own_reads, self.done_to
        out.whole, out.reads = self.whole, self.reads
        close([out])
        out._walked = kept(out)
        out.is_kept = True
        return out

    def close(self) -> None:
        """Forget what refers to the chain itself; it can not be walked any more."""
        del self.key, self._classes

    def shown(self, table: Table) -> Sequence[Rule]:
        """The rules as ``table`` has them, of which the chain is. Another host's may say the same with other words in
        their comments and other counters, or the same host's in another table."""
        return self._rules if self.is_inline else table.chains[self.name].rules

    @property
    def source(self) -> Sequence[Rule]:
        """The rules that the chain is compiled of; none where it is kept for other hosts."""
        return self._rules

    def subtree(self) -> Iterable[CompiledChain]:
        """This chain and every chain below it."""
        seen: dict[int, CompiledChain] = {}
        todo = [self]
        while todo:
            chain = todo.pop()
            if chain.serial not in seen:
                seen[chain.serial] = chain
                todo += chain.children
        return seen.values()

    def classes(self) -> Classes:
        """Which packets the subtree does not tell apart."""
        if self._classes is None:
            self._classes = Classes(self.serial, (self,))
        return self._classes

    def _first_key(self, state: PacketState) -> tuple[object, ...]:
        self.key = self.classes().key
        return self.key(state)


def close(made: list[CompiledChain]) -> None:
    """Tell each chain what the chains below it read and do.

    Going backwards through ``made`` meets most children before their parents, so a few rounds settle it.
    """
    changed = True
    while changed:
        changed = False
        for chain in reversed(made):
            for child in chain.children:
                if child.reads & ~chain.reads or child.whole & ~chain.whole:
                    chain.reads |= child.reads
                    chain.whole |= child.whole
                    changed = True
                if child.untracks and not chain.untracks:
                    chain.untracks = changed = True
                if chain.inert and not child.inert:
                    chain.inert = False  # from the greatest fixed point: loops do not occur
                    changed = True
