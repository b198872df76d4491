"""Tables → compiled chains: conditions resolved against the facts of the host, each chain once, when first walked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fwaudit.model.condition import All, Condition, In, Masked, Named, Unknown
from fwaudit.model.ruleset import (
    Accept,
    Chain,
    ChangeSet,
    Continue,
    Drop,
    Goto,
    Inline,
    Jump,
    NoTrack,
    Return,
    Rule,
    SetMark,
    Table,
    Target,
    Template,
)
from fwaudit.netfilter.denote import resolve, simplify
from fwaudit.netfilter.facts import Facts
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.path.compiled import CompiledChain, CompiledRule
from fwaudit.path.reads import BIT, NOTHING, Reads, borders_in, read_by, reads_of


class Compiler:
    """Compiles the chains of one table for one family. ``serials`` gives each chain of the host a number."""

    def __init__(self, table: Table, facts: Facts, family: int, serials: Iterator[int]) -> None:
        self.chains: dict[str, CompiledChain] = {}
        self._table = table
        self._facts = facts
        self._family = family
        self._inline: dict[tuple[int, int], CompiledChain] = {}
        self._looked_at: dict[int, tuple[tuple[Condition, ...], Reads]] = {}  # the table keeps its conditions alive
        self._borders: dict[tuple[int, str], frozenset[int]] = {}
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
        """Look at a chain and every chain below it; iterative, since hostile rulesets nest deeply."""
        chains, looked_at = self.chains, self._looked_at
        top = chains[chain.name] = self._new(chain.name, chain.rules, made)
        work = [top]
        while work:
            current = work.pop()
            fields = whole = 0
            for said in texts_of(current.rules):
                target = said.target
                kind = target.__class__
                if kind is Jump or kind is Goto:
                    name: str = target.chain  # type: ignore[union-attr]
                    body = chains.get(name)
                    if body is None:
                        body = chains[name] = self._new(name, self._table.chains[name].rules, made)
                        work.append(body)
                    current.children[body.serial] = body
                elif kind is Inline:
                    body = self._inline[current.serial, id(target)] = self._new(
                        current.name, target.rules, made)  # type: ignore[union-attr]
                    work.append(body)
                    current.children[body.serial] = body
                elif kind is Accept or kind is Drop:  # as most of the others are
                    current.inert = False
                else:
                    self._do(current, self._seen(target))
                conditions = said.conditions
                if conditions:
                    _, reads = looked_at.get(id(conditions)) or self.conditions(conditions)
                    fields |= reads.fields
                    whole |= reads.whole
                    if reads.named:
                        current.named |= reads.named
            current.asked = fields
            current.own_reads |= fields
            current.whole = whole
            current.reads = current.own_reads | current.done_to
        return top

    @staticmethod
    def _do(chain: CompiledChain, target: Target) -> None:
        """Note what a target does that neither ends the chain plainly nor calls another one."""
        if target.__class__ not in (Continue, Return):
            chain.inert = False
        chain.done_to |= read_by(target)
        if isinstance(target, NoTrack | Template):
            chain.untracks = True

    def compiled(self, said: RuleText | Rule, chain: CompiledChain) -> CompiledRule:
        """A text of a chain's rules made ready to be walked."""
        target = self._seen(said.target)
        body: CompiledChain | None = None
        if isinstance(target, (Jump, Goto)):
            body = self.chains[target.chain]
        elif isinstance(target, Inline):
            body = self._inline[chain.serial, id(target)]
        conditions, reads = self.conditions(said.conditions)
        return CompiledRule(target, conditions, reads.fields, body)

    def _seen(self, target: Target) -> Target:
        """A target that changes a named set, as what rules behind it can see of that."""
        bit = self._facts.changes.bits.get(target.set_key, 0) if isinstance(target, ChangeSet) else 0
        return SetMark("in_sets", bit, bit) if bit else target

    def _new(self, name: str, rules: Sequence[Rule], made: list[CompiledChain]) -> CompiledChain:
        made.append(CompiledChain(name, next(self._serials), rules, self))
        return made[-1]

    def conditions(self, conditions: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], Reads]:
        """The conditions resolved, and what they read. Rules share conditions, so each is looked at once."""
        if not conditions:
            return conditions, NOTHING
        found = self._looked_at.get(id(conditions))
        if found is None:
            found = self._looked_at[id(conditions)] = self._look_at(conditions)
        return found

    def borders(self, conditions: tuple[Condition, ...], field: str) -> frozenset[int]:
        """Where the conditions of a text change their mind about a field."""
        key = id(conditions), field
        found = self._borders.get(key)
        if found is None:
            resolved, reads = self.conditions(conditions)
            found = self._borders[key] = frozenset(
                border for condition in resolved if reads.fields & BIT[field]
                for name, bounds in borders_in(condition) if name == field for border in bounds)
        return found

    def _look_at(self, conditions: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], Reads]:
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
                if chain.inert and not child.inert:
                    chain.inert = False  # from the greatest fixed point: loops do not occur
                    changed = True
