"""Tables → compiled chains: conditions resolved against the facts of the host, each chain once, when first walked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fwaudit.model.condition import All, Condition, In, Masked, Named, Unknown
from fwaudit.model.ruleset import (
    Chain,
    ChangeSet,
    Continue,
    Goto,
    Inline,
    Jump,
    Return,
    Rule,
    SetMark,
    Table,
    Target,
)
from fwaudit.netfilter.denote import resolve, simplify
from fwaudit.netfilter.facts import Facts
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.path.compiled import CompiledChain, CompiledRule
from fwaudit.path.reads import NOTHING, Reads, reads_of


class Compiler:
    """Compiles the chains of one table for one family. ``serials`` gives each chain of the host a number."""

    def __init__(self, table: Table, facts: Facts, family: int, serials: Iterator[int]) -> None:
        self.chains: dict[str, CompiledChain] = {}
        self._table = table
        self._facts = facts
        self._family = family
        self._resolved: dict[tuple[Condition, ...], tuple[Condition, ...]] = {}
        self._noted: dict[int, tuple[bool, Reads]] = {}
        self._serials = serials

    def chain(self, name: str) -> CompiledChain:
        """The compiled chain of that name, with its whole subtree."""
        found = self.chains.get(name)
        if found is None:
            made: list[CompiledChain] = []
            found = self._build(self._table.chains[name], made)
            _close(made)
        return found

    def _build(self, chain: Chain, made: list[CompiledChain]) -> CompiledChain:
        """Compile a chain and every chain below it; iterative, since hostile rulesets nest deeply."""
        top = self.chains[chain.name] = self._new(chain.name, chain.rules, made)
        work = [top]
        while work:
            current = work.pop()
            for said in texts_of(current.rules):
                body: CompiledChain | None = None
                target = self._seen(said.target)
                if isinstance(target, Jump | Goto):
                    body = self.chains.get(target.chain)
                    if body is None:
                        body = self._new(target.chain, self._table.chains[target.chain].rules, made)
                        self.chains[target.chain] = body
                        work.append(body)
                elif isinstance(target, Inline):
                    body = self._new(current.name, target.rules, made)
                    work.append(body)
                conditions, reads = self._conditions(said.conditions)
                current.add(said, CompiledRule(target, conditions, reads.fields, body), reads)
        return top

    def _seen(self, target: Target) -> Target:
        """A target that changes a named set, as what rules behind it can see of that."""
        bit = self._facts.changes.bits.get(target.set_key, 0) if isinstance(target, ChangeSet) else 0
        return SetMark("in_sets", bit, bit) if bit else target

    def _new(self, name: str, rules: Sequence[Rule], made: list[CompiledChain]) -> CompiledChain:
        made.append(CompiledChain(name, next(self._serials), rules))
        return made[-1]

    def _conditions(self, conditions: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], Reads]:
        """The conditions resolved, and what they read. Rules share conditions, so each is looked at once."""
        reads = NOTHING
        for condition in conditions:
            noted = self._noted.get(id(condition))
            if noted is None:
                noted = self._noted[id(condition)] = _is_simple(condition), reads_of(condition)
            if not noted[0]:
                break
            reads = noted[1] if reads is NOTHING else reads | noted[1]
        else:
            return conditions, reads
        cached = self._resolved.get(conditions)
        if cached is None:
            backend, facts, family = self._table.backend, self._facts, self._family
            whole = simplify(All(tuple(resolve(part, facts, family, backend) for part in conditions)))
            cached = self._resolved[conditions] = whole.parts if isinstance(whole, All) else (whole,)
        return cached, reads_of(All(cached))


def _is_simple(condition: Condition) -> bool:
    """Whether `resolve` and `simplify` would leave it as it is, as they do most."""
    if isinstance(condition, In):
        return condition.values.bounds not in ((), (0,)) and condition.field not in ("iif_index", "oif_index")
    return isinstance(condition, Named | Unknown) or (isinstance(condition, Masked) and condition.mask != 0)


def _close(made: list[CompiledChain]) -> None:
    """Tell each chain what the chains below it read and do.

    Going backwards through ``made`` meets most children before their parents, so a few rounds settle it.
    """
    for chain in made:
        chain.inert = True  # the greatest fixed point: loops do not occur
    changed = True
    while changed:
        changed = False
        for chain in reversed(made):
            for child in chain.children.values():
                if child.reads & ~chain.reads or child.whole & ~chain.whole:
                    chain.reads |= child.reads
                    chain.whole |= child.whole
                    changed = True
                if child.untracks and not chain.untracks:
                    chain.untracks = changed = True
            if chain.inert and not all(map(_is_inert, chain.texts.values())):
                chain.inert = False
                changed = True


def _is_inert(compiled: CompiledRule) -> bool:
    if compiled.body is not None:
        return compiled.body.inert
    return isinstance(compiled.target, Continue | Return)
