"""Chains made ready to be walked: conditions resolved, what a chain's subtree reads, and an index of its rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from fwaudit.model.condition import All, AnyOf, Condition, Exists, In, Masked, Named, Not, Unknown
from fwaudit.model.ruleset import (
    Chain,
    Continue,
    CopyMark,
    Goto,
    Inline,
    Jump,
    NoTrack,
    Return,
    Rule,
    SetMark,
    Table,
    Target,
    Undecidable,
)
from fwaudit.netfilter.denote import resolve, simplify
from fwaudit.netfilter.facts import Facts
from fwaudit.path.match import match
from fwaudit.path.outcome import Change
from fwaudit.path.state import ADDRESS_FIELDS, FIELD_INDEX, PORT_FIELDS, PacketState

_NUMBERS = ADDRESS_FIELDS | PORT_FIELDS
_LATE = _NUMBERS | {"mark", "ct_mark"}
_CHANGED = frozenset({"mark", "ct_mark", "ct_state"})
_INDEXED = ("dst", "dport", "orig_dport", "orig_dst", "src")


class CompiledRule:
    """A rule with its conditions resolved, as a conjunction."""

    __slots__ = ("body", "conditions", "rule", "target")

    def __init__(self, rule: Rule, conditions: tuple[Condition, ...]) -> None:
        self.rule = rule
        self.target: Target = rule.target
        self.conditions = conditions
        self.body: CompiledChain | None = None  # of a Jump, Goto or Inline

    @property
    def impossible(self) -> bool:
        """No packet matches."""
        return self.conditions == (AnyOf(()),)


class Specialised:
    """The rules of a chain that are left for packets alike in interfaces, protocol and state, with an index."""

    __slots__ = ("_buckets", "_general", "rules")

    def __init__(self, rules: list[tuple[int, tuple[Condition, ...], CompiledRule]]) -> None:
        self.rules = rules
        self._general: list[int] = []
        self._buckets: dict[str, dict[int, list[int]]] = {}
        for place, (_, conditions, _rule) in enumerate(rules):
            for name in _INDEXED:
                value = _exact(conditions, name)
                if value is not None:
                    self._buckets.setdefault(name, {}).setdefault(value, []).append(place)
                    break
            else:
                self._general.append(place)

    def candidates(self, state: PacketState) -> list[int]:
        """Places in ``rules``, in order, of those that may match a packet like this one."""
        found: list[list[int]] = []
        for name, bucket in self._buckets.items():
            value = state[FIELD_INDEX[name]]
            if value is None:
                found += bucket.values()
            elif value in bucket:
                found.append(bucket[value])
        if not found:
            return self._general
        out = [i for part in found for i in part] + self._general
        out.sort()
        return out


class CompiledChain:
    """A chain: its rules, and what its subtree reads of a packet."""

    __slots__ = ("_bounds", "_children", "_key", "_later", "_own_bounds", "_own_early", "_special", "inert", "name",
                 "reads", "rules", "serial", "untracks", "whole")

    def __init__(self, name: str, serial: int) -> None:
        self.name = name
        self.serial = serial
        self.rules: list[CompiledRule] = []
        self.reads: set[str] = set()
        self.whole: set[str] = set()  # of the numbers read, those of which more than the class matters
        self.untracks = False  # something here or below takes the connection away, so that its state may change
        self.inert = False  # nothing below here does anything but fall through
        self._later: list[frozenset[str]] | None = None
        self._key: list[tuple[int, str]] | None = None
        self._children: dict[int, CompiledChain] = {}
        self._own_early: set[int] = set()
        self._own_bounds: dict[str, set[int]] = {}
        self._bounds: dict[str, tuple[int, ...]] = {}
        self._special: dict[tuple[object, ...], Specialised] = {}

    def key(self, state: PacketState) -> tuple[object, ...]:
        """Two packets with the same key have the same fate in this chain.

        Of a number only the class matters: between which boundaries of the subtree it lies. So 65,536 ports are as
        many questions as there are different port ranges in the rules.
        """
        if self._key is None:
            classes = _NUMBERS - self.whole
            self._key = [(FIELD_INDEX[name], name if name in classes else "") for name in sorted(self.reads)]
        out: list[object] = [self.serial]
        for index, name in self._key:
            value = state[index]
            if name and value is not None:
                value = bisect_right(self.bounds(name), value)
            out.append(value)
        return tuple(out)

    def bounds(self, name: str) -> tuple[int, ...]:
        """Where rules of the subtree change their mind about a field. Computed when first asked for."""
        found = self._bounds.get(name)
        if found is None:
            seen: dict[int, CompiledChain] = {}
            todo = [self]
            values: set[int] = set()
            while todo:
                chain = todo.pop()
                if chain.serial in seen:
                    continue
                seen[chain.serial] = chain
                values.update(chain._own_bounds.get(name, ()))
                todo += chain._children.values()
            found = self._bounds[name] = tuple(sorted(values))
        return found

    def asks_later(self, position: int, change: Change) -> bool:
        """Whether rules behind ``position`` ask about a field that ``change`` changes."""
        if not change or self.reads.isdisjoint(_CHANGED):
            return False
        if self._later is None:
            self._later = []
            seen: frozenset[str] = frozenset()
            for compiled in reversed(self.rules):
                self._later.append(seen)
                if not _goes_on(compiled):
                    seen |= _asked(compiled)
            self._later.reverse()
        later = self._later[position]
        return any(name in later for name, _, _ in change)

    def special(self, state: PacketState) -> Specialised:
        """The rules that are left when everything is known that they ask but addresses, ports and marks."""
        key = tuple([state[i] for i in self._own_early])
        found = self._special.get(key)
        if found is None:
            late = _LATE | {"ct_state"} if self.untracks else _LATE
            found = self._special[key] = Specialised(_specialise(self.rules, state, late))
        return found


def _specialise(
    rules: list[CompiledRule], state: PacketState, late: frozenset[str]
) -> list[tuple[int, tuple[Condition, ...], CompiledRule]]:
    out: list[tuple[int, tuple[Condition, ...], CompiledRule]] = []
    for position, compiled in enumerate(rules):
        if _goes_on(compiled):
            continue
        left: list[Condition] = []
        for condition in compiled.conditions:
            if _is_late(condition, late):
                left.append(condition)
                continue
            bounds = match(condition, state)
            if not bounds.possibly:
                break
            if not bounds.certainly:
                left.append(condition)
        else:
            out.append((position, tuple(left), compiled))
            if not left and ends_chain(compiled.target):
                break  # nothing behind an unconditional verdict is reached
    return out


def _goes_on(compiled: CompiledRule) -> bool:
    """Whether the packet is at the next rule afterwards, as it was, whether the rule matches or not."""
    if isinstance(compiled.target, Goto):
        return False  # even an empty chain does not come back
    return isinstance(compiled.target, Continue) or (compiled.body is not None and compiled.body.inert)


def ends_chain(target: Target) -> bool:
    """True where nothing behind the rule is met once it matches."""
    if isinstance(target, Undecidable):
        return target.terminal
    return not isinstance(target, SetMark | CopyMark | NoTrack | Continue | Jump | Inline)


def _is_late(condition: Condition, late: frozenset[str]) -> bool:
    if isinstance(condition, In | Masked | Named | Exists):
        return condition.field in late
    if isinstance(condition, All | AnyOf):
        return any(_is_late(part, late) for part in condition.parts)
    if isinstance(condition, Not):
        return _is_late(condition.part, late)
    return isinstance(condition, Unknown)


def _exact(conditions: tuple[Condition, ...], name: str) -> int | None:
    for condition in conditions:
        if isinstance(condition, In) and condition.field == name:
            bounds = condition.values.bounds
            if len(bounds) == 2 and bounds[1] == bounds[0] + 1:
                return bounds[0]
    return None


class Compiler:
    """Compiles the chains of one table for one family, each once, when it is first walked."""

    def __init__(self, table: Table, facts: Facts, family: int, serials: Iterator[int]) -> None:
        self._table = table
        self._facts = facts
        self._family = family
        self._chains: dict[str, CompiledChain] = {}
        self._resolved: dict[tuple[Condition, ...], tuple[Condition, ...]] = {}
        self._serials = serials

    def chain(self, name: str) -> CompiledChain:
        """The compiled chain of that name, with its whole subtree."""
        found = self._chains.get(name)
        if found is None:
            made: list[CompiledChain] = []
            found = self._build(self._table.chains[name], made)
            _close(made)
        return found

    def _build(self, chain: Chain, made: list[CompiledChain]) -> CompiledChain:
        """Compile a chain and every chain below it; iterative, since hostile rulesets nest deeply."""
        top = self._chains[chain.name] = self._new(chain.name, made)
        work: list[tuple[CompiledChain, Iterable[Rule]]] = [(top, chain.rules)]
        while work:
            current, rules = work.pop()
            for rule in rules:
                compiled = CompiledRule(rule, self._conditions(rule.conditions))
                current.rules.append(compiled)
                target = rule.target
                if isinstance(target, Jump | Goto):
                    body = self._chains.get(target.chain)
                    if body is None:
                        body = self._chains[target.chain] = self._new(target.chain, made)
                        work.append((body, self._table.chains[target.chain].rules))
                    compiled.body = body
                elif isinstance(target, Inline):
                    compiled.body = self._new(current.name, made)
                    work.append((compiled.body, target.rules))
                if compiled.body is not None:
                    current._children[compiled.body.serial] = compiled.body
                _note_rule(compiled, current)
        return top

    def _new(self, name: str, made: list[CompiledChain]) -> CompiledChain:
        made.append(CompiledChain(name, next(self._serials)))
        return made[-1]

    def _conditions(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        cached = self._resolved.get(conditions)
        if cached is None:
            backend, facts, family = self._table.backend, self._facts, self._family
            whole = simplify(All(tuple(resolve(part, facts, family, backend) for part in conditions)))
            cached = self._resolved[conditions] = whole.parts if isinstance(whole, All) else (whole,)
        return cached


# ---- what a subtree reads -------------------------------------------------------------------------------------------


def _note_rule(compiled: CompiledRule, chain: CompiledChain) -> None:
    for condition in compiled.conditions:
        _note(condition, chain)
    target = compiled.target
    if isinstance(target, SetMark | CopyMark | NoTrack):
        chain.reads.add("ct_state")  # whether there is a connection
    chain.untracks |= isinstance(target, NoTrack)
    if isinstance(target, CopyMark):
        chain.reads.add("ct_mark" if target.to == "mark" else "mark")


def _asked(compiled: CompiledRule) -> frozenset[str]:
    """The fields that rules may change and that one rule, with what is below it, asks about."""
    one = CompiledChain("", 0)
    _note_rule(compiled, one)
    below = compiled.body.reads if compiled.body is not None else set()
    return _CHANGED & (one.reads | below)


def _note(condition: Condition, chain: CompiledChain) -> None:
    if isinstance(condition, All | AnyOf):
        for part in condition.parts:
            _note(part, chain)
    elif isinstance(condition, Not):
        _note(condition.part, chain)
    elif isinstance(condition, In | Masked | Named | Exists):
        name = condition.field
        chain.reads.add(name)
        if name not in _LATE:
            chain._own_early.add(FIELD_INDEX[name])
        if isinstance(condition, In) and name in _NUMBERS:
            chain._own_bounds.setdefault(name, set()).update(condition.values.bounds)
        elif name in _NUMBERS:
            chain.whole.add(name)


def _close(made: list[CompiledChain]) -> None:
    """Add to each chain which fields the chains below it read, and whether anything below has an effect.

    Going backwards through ``made`` meets most children before their parents, so a few rounds settle it.
    """
    for chain in made:
        chain.inert = True  # the greatest fixed point: loops do not occur
    changed = True
    while changed:
        changed = False
        for chain in reversed(made):
            for child in chain._children.values():
                if not (child.reads <= chain.reads and child.whole <= chain.whole):
                    chain.reads |= child.reads
                    chain.whole |= child.whole
                    changed = True
                if child.untracks and not chain.untracks:
                    chain.untracks = changed = True
            if chain.inert and not all(_is_inert(compiled) for compiled in chain.rules):
                chain.inert = False
                changed = True


def _is_inert(compiled: CompiledRule) -> bool:
    if compiled.body is not None:
        return compiled.body.inert
    return isinstance(compiled.target, Continue | Return)
