"""Chains made ready to be walked: what a chain's subtree reads of a packet, and an index of its rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from fwaudit.model.condition import All, AnyOf, Condition, Exists, In, Masked, Named, Not, Unknown
from fwaudit.model.ruleset import Continue, CopyMark, Goto, Inline, Jump, NoTrack, Rule, SetMark, Target, Undecidable
from fwaudit.packet.bounds import Bounds
from fwaudit.path.match import match
from fwaudit.path.outcome import Change
from fwaudit.path.state import ADDRESS_FIELDS, FIELD_INDEX, PORT_FIELDS, UNKNOWN_PORT, PacketState

_NUMBERS = ADDRESS_FIELDS | PORT_FIELDS
_NAMES = frozenset({"iif", "oif", "physin", "physout"})
_LATE = _NUMBERS | {"mark", "ct_mark"}
_CHANGED = frozenset({"mark", "ct_mark", "ct_state"})
_INDEXED = ("dst", "dport", "orig_dport", "orig_dst", "src")


class CompiledRule:
    """A rule with its conditions resolved, as a conjunction. ``body``: the chain of a Jump, Goto or Inline."""

    __slots__ = ("body", "conditions", "rule", "target")

    def __init__(self, rule: Rule, conditions: tuple[Condition, ...], body: CompiledChain | None = None) -> None:
        self.rule = rule
        self.target: Target = rule.target
        self.conditions = conditions
        self.body = body

    @property
    def goes_on(self) -> bool:
        """Whether the packet is at the next rule afterwards, as it was, whether the rule matches or not."""
        if isinstance(self.target, Goto):
            return False  # even an empty chain does not come back
        return isinstance(self.target, Continue) or (self.body is not None and self.body.inert)

    @property
    def ends_chain(self) -> bool:
        """Whether nothing behind the rule is met once it matches."""
        if isinstance(self.target, Undecidable):
            return self.target.terminal
        return not isinstance(self.target, SetMark | CopyMark | NoTrack | Continue | Jump | Inline)


class Entry(NamedTuple):
    """A rule as it stands in an index: ``conditions`` are those that are left to ask. ``exact``: a field and the one
    value of it that the rule is about, empty where there is none."""

    position: int
    conditions: tuple[Condition, ...]
    compiled: CompiledRule
    exact: tuple[str, int] | tuple[()]


class Specialised:
    """The rules of a chain that are left for packets alike in interfaces, protocol and state, with an index."""

    __slots__ = ("_buckets", "_general", "rules")

    def __init__(self, rules: list[Entry]) -> None:
        self.rules = rules
        self._general: list[int] = []
        self._buckets: dict[str, dict[int, list[int]]] = {}
        for place, rule in enumerate(rules):
            if rule.exact:
                name, value = rule.exact
                self._buckets.setdefault(name, {}).setdefault(value, []).append(place)
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
    """A chain: its rules, and what it and the chains below it read of a packet and do.

    ``reads``: names of fields. ``whole``: those numbers among them of which more than the class matters. ``untracks``:
    a rule takes the connection away, so that its state may change. ``inert``: nothing here has any effect.
    """

    __slots__ = ("_bounds", "_entries", "_key", "_later", "_names", "_own_bounds", "_own_early", "_own_names",
                 "_special", "children", "inert", "name", "reads", "rules", "serial", "untracks", "whole")

    def __init__(self, name: str, serial: int) -> None:
        self.name = name
        self.serial = serial
        self.rules: list[CompiledRule] = []
        self.children: dict[int, CompiledChain] = {}
        self.reads: set[str] = set()
        self.whole: set[str] = set()
        self.untracks = False
        self.inert = False
        self._own_bounds: dict[str, set[int]] = {}
        self._own_early: set[int] = set()
        self._own_names: set[Named] = set()
        # computed when first asked for
        self._key: list[tuple[int, str]] | None = None
        self._bounds: dict[str, tuple[int, ...]] = {}
        self._names: dict[str, dict[object, object]] = {}
        self._later: list[frozenset[str]] = []
        self._entries: list[tuple[Entry, tuple[Condition, ...]]] = []
        self._special: dict[tuple[object, ...], Specialised] = {}

    # ---- what it reads ----------------------------------------------------------------------------------------------

    def add(self, compiled: CompiledRule) -> None:
        """Append a rule and note what it reads."""
        self.rules.append(compiled)
        for condition in compiled.conditions:
            self._note(condition)
        target = compiled.target
        if isinstance(target, SetMark | CopyMark | NoTrack):
            self.reads.add("ct_state")  # whether there is a connection
            self.untracks |= isinstance(target, NoTrack)
            if isinstance(target, CopyMark):
                self.reads.add("ct_mark" if target.to == "mark" else "mark")
        if compiled.body is not None:
            self.children[compiled.body.serial] = compiled.body

    def _note(self, condition: Condition) -> None:
        if isinstance(condition, In | Masked | Named | Exists):
            name = condition.field
            self.reads.add(name)
            if name not in _LATE:
                self._own_early.add(FIELD_INDEX[name])
                if isinstance(condition, Named):
                    self._own_names.add(condition)
            elif name in _NUMBERS:
                if isinstance(condition, In):
                    self._own_bounds.setdefault(name, set()).update(condition.values.bounds)
                else:
                    self.whole.add(name)
        elif isinstance(condition, All | AnyOf):
            for part in condition.parts:
                self._note(part)
        elif isinstance(condition, Not):
            self._note(condition.part)

    def key(self, state: PacketState) -> tuple[object, ...]:
        """Two packets with the same key have the same fate in this chain.

        Of a number only the class matters: between which borders of the subtree it lies; of an interface, whether a
        rule names it. So 65,536 ports are as many questions as there are different port ranges in the rules.
        """
        if self._key is None:
            classed = (_NUMBERS | _NAMES) - self.whole
            self._key = [(FIELD_INDEX[name], name if name in classed else "") for name in sorted(self.reads)]
        out: list[object] = [self.serial]
        for index, name in self._key:
            value = state[index]
            if not name or value is None:
                out.append(value)
            elif name in _NUMBERS:
                out.append(bisect_right(self._borders(name), value))
            else:
                out.append(self._name_class(name, value))
        return tuple(out)

    def _borders(self, name: str) -> tuple[int, ...]:
        """Where rules of the subtree change their mind about a number."""
        found = self._bounds.get(name)
        if found is None:
            values: set[int] = set()
            for chain in self._subtree():
                values.update(chain._own_bounds.get(name, ()))
            found = self._bounds[name] = tuple(sorted(values))
        return found

    def _name_class(self, field: str, name: object) -> object:
        """An interface that no rule of the subtree names is like all others that begin with the same prefixes."""
        classes = self._names.setdefault(field, {})
        found = classes.get(name)
        if found is None:
            asked = {each for chain in self._subtree() for each in chain._own_names if each.field == field}
            if name in ("", UNKNOWN_PORT) or any(each.name == name and not each.prefix for each in asked):
                found = name
            else:
                found = tuple(sorted(e.name for e in asked if e.prefix and str(name).startswith(e.name)))
            classes[name] = found
        return found

    def _subtree(self) -> Iterable[CompiledChain]:
        seen: dict[int, CompiledChain] = {}
        todo = [self]
        while todo:
            chain = todo.pop()
            if chain.serial not in seen:
                seen[chain.serial] = chain
                todo += chain.children.values()
        return seen.values()

    def asks_later(self, position: int, change: Change) -> bool:
        """Whether rules behind ``position`` ask about a field that ``change`` changes."""
        if not change or self.reads.isdisjoint(_CHANGED):
            return False
        if not self._later:
            seen: frozenset[str] = frozenset()
            for compiled in reversed(self.rules):
                self._later.append(seen)
                if not compiled.goes_on:
                    alone = CompiledChain("", 0)
                    alone.add(compiled)
                    below = compiled.body.reads if compiled.body is not None else set()
                    seen |= _CHANGED & (alone.reads | below)
            self._later.reverse()
        later = self._later[position]
        return any(name in later for name, _, _ in change)

    # ---- its rules --------------------------------------------------------------------------------------------------

    def special(self, state: PacketState) -> Specialised:
        """The rules that are left when everything is known that they ask but addresses, ports and marks."""
        key = tuple([state[i] for i in self._own_early])
        found = self._special.get(key)
        if found is None:
            if not self._entries:
                self._entries = _entries(self.rules, _LATE | {"ct_state"} if self.untracks else _LATE)
            found = self._special[key] = Specialised(_specialise(self._entries, state))
        return found


def _entries(rules: list[CompiledRule], late: frozenset[str]) -> list[tuple[Entry, tuple[Condition, ...]]]:
    """The rules that do something, each with the conditions that can be decided early."""
    out = []
    known: dict[int, bool] = {}  # many rules share one condition
    for position, compiled in enumerate(rules):
        if compiled.goes_on:
            continue
        left: list[Condition] = []
        early: list[Condition] = []
        for part in compiled.conditions:
            is_late = known.get(id(part))
            if is_late is None:
                is_late = known[id(part)] = _is_late(part, late)
            (left if is_late else early).append(part)
        conditions = tuple(left) if early else compiled.conditions
        out.append((Entry(position, conditions, compiled, _exact(conditions)), tuple(early)))
    return out


def _specialise(entries: list[tuple[Entry, tuple[Condition, ...]]], state: PacketState) -> list[Entry]:
    out: list[Entry] = []
    known: dict[int, Bounds] = {}  # many rules share one condition
    for entry, early in entries:
        for condition in early:
            bounds = known.get(id(condition))
            if bounds is None:
                bounds = known[id(condition)] = match(condition, state)
            if not bounds.possibly:
                break
            if not bounds.certainly:
                entry = entry._replace(conditions=(*entry.conditions, condition))
        else:
            out.append(entry)
            if not entry.conditions and entry.compiled.ends_chain:
                break  # nothing behind an unconditional verdict is reached
    return out


def _is_late(condition: Condition, late: frozenset[str]) -> bool:
    if isinstance(condition, In | Masked | Named | Exists):
        return condition.field in late
    if isinstance(condition, All | AnyOf):
        return any(_is_late(part, late) for part in condition.parts)
    if isinstance(condition, Not):
        return _is_late(condition.part, late)
    return isinstance(condition, Unknown)


def _exact(conditions: tuple[Condition, ...]) -> tuple[str, int] | tuple[()]:
    found = {}
    for condition in conditions:
        if isinstance(condition, In) and condition.field in _INDEXED:
            bounds = condition.values.bounds
            if len(bounds) == 2 and bounds[1] == bounds[0] + 1:
                found[condition.field] = bounds[0]
    for name in _INDEXED if found else ():
        if name in found:
            return name, found[name]
    return ()
