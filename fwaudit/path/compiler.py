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
from fwaudit.path.chain_store import ChainStore
from fwaudit.path.compiled import CompiledChain
from fwaudit.path.compiled_rules import Part
from fwaudit.path.reads import NOTHING, Reads, read_by, reads_of
from fwaudit.path.resolved import ALWAYS, Resolved


class Compiler:
    """Compiles the chains of one table for one family. ``serials`` gives each chain a number of its own. ``store``: of
    the chains of other hosts, where there are such."""

    def __init__(self, table: Table, facts: Facts, family: int, serials: Iterator[int],
                 store: ChainStore | None = None) -> None:
        self.chains: dict[str, CompiledChain] = {}
        self._table = table
        self._facts = facts
        self._family = family
        self._inline: dict[tuple[int, int], CompiledChain] = {}
        self._looked_at: dict[int, Resolved] = {}  # the table keeps its conditions alive
        self._resolved: dict[tuple[Condition, ...], Resolved] = {}
        self._noted: dict[int, tuple[bool, Reads]] = {}
        self._serials = serials
        self._store = store

    def chain(self, name: str) -> CompiledChain:
        """The compiled chain of that name, with its whole subtree."""
        found = self.chains.get(name)
        if found is None:
            made: list[CompiledChain] = []
            self._build(self._table.chains[name], made)
            _close(made)
            if self._store is not None:
                self._exchange(made, self._store)
            found = self.chains[name]
        return found

    def _build(self, chain: Chain, made: list[CompiledChain]) -> None:
        """Look at a chain and every chain below it; iterative, since hostile rulesets nest deeply."""
        chains, looked_at = self.chains, self._looked_at
        top = chains[chain.name] = self._new(chain.name, chain.rules, made)
        work = [top]
        while work:
            current = work.pop()
            fields = whole = 0
            children: dict[int, CompiledChain] = {}
            for said in texts_of(current.source):
                target = said.target
                kind = target.__class__
                if kind is Jump or kind is Goto:
                    name: str = target.chain  # type: ignore[union-attr]
                    body = chains.get(name)
                    if body is None:
                        body = chains[name] = self._new(name, self._table.chains[name].rules, made)
                        work.append(body)
                    children[body.serial] = body
                elif kind is Inline:
                    body = self._inline[current.serial, id(target)] = self._new(
                        current.name, target.rules, made, is_inline=True)  # type: ignore[union-attr]
                    work.append(body)
                    children[body.serial] = body
                elif kind is Accept or kind is Drop:  # as most of the others are
                    current.inert = False
                else:
                    self._do(current, self._seen(target))
                conditions = said.conditions
                if conditions:
                    reads = (looked_at.get(id(conditions)) or self.conditions(conditions)).reads
                    fields |= reads.fields
                    whole |= reads.whole
                    if reads.named:
                        current.named |= reads.named
            if children:
                current.children = tuple(children.values())
            current.asked = fields
            current.own_reads |= fields
            current.whole = whole
            current.reads = current.own_reads | current.done_to

    @staticmethod
    def _do(chain: CompiledChain, target: Target) -> None:
        """Note what a target does that neither ends the chain plainly nor calls another one."""
        if target.__class__ not in (Continue, Return):
            chain.inert = False
        chain.done_to |= read_by(target)
        if isinstance(target, NoTrack | Template):
            chain.untracks = True

    def parts(self, chain: CompiledChain) -> list[Part]:
        """Each text of a chain's rules."""
        places = {child.serial: place for place, child in enumerate(chain.children)}
        out = []
        for said in texts_of(chain.source):
            target = said.target
            calls = -1
            if isinstance(target, (Jump, Goto)):
                calls = places[self.chains[target.chain].serial]
            elif isinstance(target, Inline):
                calls = places[self._inline[chain.serial, id(target)].serial]
            out.append(Part(said, self._seen(target), self.conditions(said.conditions), calls))
        return out

    def _seen(self, target: Target) -> Target:
        """A target that changes a named set, as what rules behind it can see of that."""
        bit = self._facts.changes.bits.get(target.set_key, 0) if isinstance(target, ChangeSet) else 0
        return SetMark("in_sets", bit, bit) if bit else target

    def _new(self, name: str, rules: Sequence[Rule], made: list[CompiledChain], *, is_inline: bool = False,
             ) -> CompiledChain:
        made.append(CompiledChain(name, next(self._serials), rules, self, is_inline=is_inline))
        return made[-1]

    def _exchange(self, made: list[CompiledChain], store: ChainStore) -> None:
        """Put chains of the store in the place of those that say the same."""
        instead: dict[int, CompiledChain] = {}
        for chain in _callees_first(made):
            chain.children = tuple([instead.get(child.serial, child) for child in chain.children])
            kept = store.kept(chain, self._family, self.parts)
            if kept is not chain:
                instead[chain.serial] = kept
                self.chains[chain.name] = kept
        if instead:
            for chain in made:  # those as well that reach themselves
                chain.children = tuple([instead.get(child.serial, child) for child in chain.children])

    def conditions(self, conditions: tuple[Condition, ...]) -> Resolved:
        """The conditions resolved, and what they read. Rules share conditions, so each is looked at once."""
        if not conditions:
            return ALWAYS
        found = self._looked_at.get(id(conditions))
        if found is None:
            store = self._store
            found = store.looked_at(conditions) if store is not None else None
            self._looked_at[id(conditions)] = found = found or self._look_at(conditions)
        return found

    def _look_at(self, conditions: tuple[Condition, ...]) -> Resolved:
        store = self._store
        reads = NOTHING
        for condition in conditions:
            noted = self._noted.get(id(condition))
            if noted is None:
                noted = self._noted[id(condition)] = _is_simple(condition), reads_of(condition)
            if not noted[0]:
                break
            reads = noted[1] if reads is NOTHING else reads | noted[1]
        else:
            return Resolved(conditions, reads) if store is None else store.simple(conditions, reads)
        found = self._resolved.get(conditions)
        if found is None:
            backend, facts, family = self._table.backend, self._facts, self._family
            whole = simplify(All(tuple(resolve(part, facts, family, backend) for part in conditions)))
            parts = whole.parts if isinstance(whole, All) else (whole,)
            reads = reads_of(All(parts))
            found = Resolved(parts, reads) if store is None else store.resolved(parts, reads)
            self._resolved[conditions] = found
        return found


def _is_simple(condition: Condition) -> bool:
    """Whether `resolve` and `simplify` would leave it as it is, as they do most."""
    if isinstance(condition, In):
        return condition.values.bounds not in ((), (0,)) and condition.field not in ("iif_index", "oif_index")
    return isinstance(condition, Named | Unknown) or (isinstance(condition, Masked) and condition.mask != 0)


def _callees_first(made: list[CompiledChain]) -> Iterator[CompiledChain]:
    """The chains, each behind those that it calls; without those that reach themselves, and all that call these."""
    waiting = {chain.serial: len(chain.children) for chain in made}
    callers: dict[int, list[CompiledChain]] = {}
    for chain in made:
        for child in chain.children:
            if child.serial in waiting:
                callers.setdefault(child.serial, []).append(chain)
            else:
                waiting[chain.serial] -= 1
    ready = [chain for chain in made if not waiting[chain.serial]]
    while ready:
        chain = ready.pop()
        for caller in callers.get(chain.serial, ()):
            waiting[caller.serial] -= 1
            if not waiting[caller.serial]:
                ready.append(caller)
        yield chain


def _close(made: list[CompiledChain]) -> None:
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
