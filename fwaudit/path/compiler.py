"""Tables → compiled chains: conditions resolved against the facts of the host, each chain once, when first walked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from fwaudit.model.condition import All, Condition, In, Masked, Named, Unknown
from fwaudit.model.ruleset import (
    Accept,
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
from fwaudit.path.compiled import MOST_RULES, CompiledChain, Content, close
from fwaudit.path.reads import ALWAYS, NOTHING, Reads, Resolved, read_by, reads_of
from fwaudit.path.special import Part

if TYPE_CHECKING:
    from fwaudit.path.chain_store import ChainStore  # a fleet's business alone


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
        if name not in self.chains:
            if self._store is None:
                self._build(name)
            else:
                self._recall(name, self._store)
        return self.chains[name]

    def _build(self, name: str) -> None:
        """Look at a chain and every chain below it; iterative, since hostile rulesets nest deeply."""
        chains = self.chains
        top = chains[name] = self._new(name, self._table.chains[name].rules)
        made = [top]
        work = [top]
        while work:
            current = work.pop()
            calls = self._look_at(current)
            if not calls:
                continue
            children = []
            for target in calls:
                body: CompiledChain | None
                if target.__class__ is Inline:
                    body = self._inline[current.serial, id(target)] = self._new(
                        current.name, target.rules, is_inline=True)
                else:
                    name = target.chain  # type: ignore[union-attr]
                    body = chains.get(name)
                    if body is not None:
                        children.append(body)
                        continue
                    body = chains[name] = self._new(name, self._table.chains[name].rules)
                children.append(body)
                made.append(body)
                work.append(body)
            current.children = children
        close(made)

    def _recall(self, top: str, store: ChainStore) -> None:
        """As `_build`, with chains of the store for all that say the same; those below before those above."""
        table, family, chains = self._table, self._family, self.chains
        seen: set[str] = set()
        work: list[tuple[str, Content | None]] = [(top, None)]
        while work:
            name, content = work.pop()
            if name in chains:
                continue
            if content is not None:
                children = tuple([chains[each] for each in content.calls if each in chains])
                if content.parts is not None and len(children) == len(content.calls) and all(
                        child.is_kept for child in children):
                    chains[name] = store.chain(content, children)
                else:  # it is in a circle, or has something of the host's own in it
                    self._build(name)
            elif name not in seen:
                seen.add(name)
                rules = table.chains[name].rules
                content = store.known(name, rules, family) or store.content(
                    family, self._content(name, rules))
                work.append((name, content))
                work += [(each, None) for each in content.calls]

    def _content(self, name: str, rules: Sequence[Rule]) -> Content:
        """What the rules of a chain say by themselves."""
        chain = CompiledChain(name, 0, rules, None)
        chain.close()  # it is never walked itself
        calls = self._look_at(chain)
        if any(isinstance(target, Inline) for target in calls) or len(rules) > MOST_RULES:
            inside = [rule.target for target in calls if isinstance(target, Inline) for rule in _inside(target)]
            return Content(chain, tuple(dict.fromkeys(
                target.chain for target in (*calls, *inside) if isinstance(target, Jump | Goto))), None)
        places = {target.chain: place for place, target in enumerate(calls) if isinstance(target, Jump | Goto)}
        return Content(chain, tuple(places), [
            Part(said, self._seen(said.target), self.conditions(said.conditions),
                 places[said.target.chain] if isinstance(said.target, Jump | Goto) else -1)
            for said in texts_of(rules)])

    def _look_at(self, chain: CompiledChain) -> Collection[Jump | Goto | Inline]:
        """Note what a chain's own rules read and do; the different calls of other chains."""
        looked_at = self._looked_at
        calls: dict[str | int, Jump | Goto | Inline] | None = None
        fields = whole = 0
        for said in texts_of(chain.source):
            target = said.target
            kind = target.__class__
            if kind is Jump or kind is Goto or kind is Inline:
                if calls is None:
                    calls = {}
                calls[id(target) if kind is Inline else target.chain] = target  # type: ignore[assignment, union-attr]
            elif kind is Accept or kind is Drop:  # as most of the others are
                chain.inert = False
            else:
                self._do(chain, self._seen(target))
            conditions = said.conditions
            if conditions:
                reads = (looked_at.get(id(conditions)) or self.conditions(conditions)).reads
                fields |= reads.fields
                whole |= reads.whole
                if reads.named:
                    chain.named |= reads.named
        chain.asked = fields
        chain.own_reads |= fields
        chain.whole = whole
        chain.reads = chain.own_reads | chain.done_to
        return calls.values() if calls is not None else ()

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
        places = {child.serial: place for place, child in enumerate(chain.children)} if chain.children else {}
        looked_at = self._looked_at
        out = []
        for said in texts_of(chain.source):
            target = said.target
            kind = target.__class__
            calls = -1
            if kind is Jump or kind is Goto:
                calls = places[self.chains[target.chain].serial]  # type: ignore[union-attr]
            elif kind is Inline:
                calls = places[self._inline[chain.serial, id(target)].serial]
            elif kind is ChangeSet:
                target = self._seen(target)
            conditions = said.conditions
            out.append(Part(said, target, looked_at.get(id(conditions)) or self.conditions(conditions), calls))
        return out

    def _seen(self, target: Target) -> Target:
        """A target that changes a named set, as what rules behind it can see of that."""
        bit = self._facts.changes.bits.get(target.set_key, 0) if isinstance(target, ChangeSet) else 0
        return SetMark("in_sets", bit, bit) if bit else target

    def _new(self, name: str, rules: Sequence[Rule], *, is_inline: bool = False) -> CompiledChain:
        return CompiledChain(name, next(self._serials), rules, self, is_inline=is_inline)

    def conditions(self, conditions: tuple[Condition, ...]) -> Resolved:
        """The conditions resolved, and what they read. Rules share conditions, so each is looked at once."""
        if not conditions:
            return ALWAYS
        found = self._looked_at.get(id(conditions))
        if found is None:
            store = self._store
            found = store.looked_at(conditions) if store is not None else None
            self._looked_at[id(conditions)] = found = found or self._resolve(conditions)
        return found

    def _resolve(self, conditions: tuple[Condition, ...]) -> Resolved:
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


def _inside(inline: Inline) -> Iterator[Rule]:
    """The rules of an unnamed chain, and of those in it."""
    todo = [inline]
    while todo:
        for rule in todo.pop().rules:
            yield rule
            if isinstance(rule.target, Inline):
                todo.append(rule.target)
