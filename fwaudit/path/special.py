"""What the rules of a chain say, and those that are left for packets alike in interfaces, protocol and state, with an
index."""

from __future__ import annotations

from fwaudit.model.condition import All, AnyOf, Condition, Exists, In, Masked, Named, Not, Unknown
from fwaudit.model.ruleset import (
    Continue,
    CopyMark,
    Goto,
    Inline,
    Jump,
    NoTrack,
    Rule,
    SetMark,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.rule_list import ReadRow
from fwaudit.netfilter.rule_text import RuleText
from fwaudit.packet.bounds import Bounds
from fwaudit.packet.steps import StepFunction
from fwaudit.path.match import match
from fwaudit.path.outcome import Outcome, plain_outcome
from fwaudit.path.reads import BIT, Resolved
from fwaudit.path.state import FIELD_INDEX, PacketState
from fwaudit.records import NamedTuple

_DST, _SRC, _DPORT = FIELD_INDEX["dst"], FIELD_INDEX["src"], FIELD_INDEX["dport"]
_INDEXED = ("dst", "dport", "orig_dport", "orig_dst", "src")
Exact = tuple[int, int] | None
"""(index of a field, its one value) that a rule is about."""
_GOING_ON = (SetMark, CopyMark, NoTrack, Template, Continue, Jump, Inline)


class Called(NamedTuple):
    """What the rules of a chain have to know of one that they call: whether it does anything to a packet, and what of
    all that rules may change it asks about."""

    inert: bool
    reads: int


class Part(NamedTuple):
    """A text of a chain: what it says, its target as rules behind it see that, its conditions, and of a Jump, Goto or
    Inline the place of the chain among those that are called (else -1)."""

    said: RuleText | Rule
    target: Target
    resolved: Resolved
    calls: int


class CompiledRule:
    """What rules of a chain say that are alike but for their addresses: their other conditions, resolved, as a
    conjunction, and their target. ``reads``: the fields that the conditions read, as bits. ``calls``: the place of the
    chain of a Jump, Goto or Inline among `CompiledChain.children`, which ``called`` tells about; else -1 and None.

    ``always``: its outcome for every peer, once the evaluator of the chain's engines made it.
    """

    __slots__ = ("_plain", "always", "called", "calls", "conditions", "ends_chain", "goes_on", "reads", "target")

    def __init__(self, target: Target, conditions: tuple[Condition, ...], reads: int, calls: int = -1,
                 called: Called | None = None) -> None:
        self.target = target
        self.conditions = conditions
        self.reads = reads
        self.calls = calls
        self.called = called
        self.always: StepFunction | None = None
        self._plain: Outcome | bool | None = False
        self.ends_chain = target.terminal if isinstance(target, Undecidable) else not isinstance(target, _GOING_ON)
        """Whether nothing behind the rule is met once it matches."""
        self.goes_on = not isinstance(target, Goto) and (  # even an empty chain of a Goto does not come back
            isinstance(target, Continue) or (called is not None and called.inert))
        """Whether the packet is at the next rule afterwards, as it was, whether the rule matches or not."""

    @property
    def plain(self) -> Outcome | None:
        """The outcome of a target that ends the chain; None where the packet goes on, or into another chain."""
        if self._plain is False:
            self._plain = plain_outcome(self.target) if self.calls < 0 else None
        return self._plain  # type: ignore[return-value]


class Text(NamedTuple):
    """A text as a specialised chain has it: the conditions that are left to ask, and what the rule does."""

    conditions: tuple[Condition, ...]
    compiled: CompiledRule
    exact: Exact
    ports: tuple[int, int] | None
    """The range of ``dport`` that it is about, its end not included; None where it asks for none, or for several."""


Reached = tuple[CompiledRule, int, Bounds]
"""A row that may match, its place in the chain, and the peers for which it does."""
Divided = list[tuple[int, Text, tuple[Condition, ...]]]
"""(identity of a text, the text with the conditions that are left to the end, those that are decided early)."""


class Specialised:
    """``rows``: all that there are. ``texts`` by the identity of what a row says; a row without one does not match such
    packets.

    Of 10,000 rules about one address, port or range of ports each, `candidates` looks up the few that speak of the
    packet's own. ``reached``: the rules that such packets meet, where that is known and the same for all of them;
    ``folded``: then, what came of them, by the identities of what the chains that they call do.
    """

    __slots__ = ("_buckets", "_general", "_ranges", "folded", "reached", "rows", "texts")

    def __init__(self, rows: list[ReadRow], divided: Divided, state: PacketState) -> None:
        self.rows = rows
        self.texts = _left(divided, state)
        self.reached: list[Reached] | None = None
        self.folded: dict[tuple[int, ...], StepFunction] = {}
        self._general: list[int] = []
        self._buckets: dict[int, dict[int, list[int]]] = {}
        self._ranges: list[tuple[int, int, int]] = []
        texts, general, buckets = self.texts, self._general, self._buckets
        for place, (said, src, dst, _) in enumerate(rows):
            text = texts.get(id(said))
            if text is None:
                continue
            exact = text.exact
            if dst is not None and len(dst.bounds) == 2 and dst.bounds[1] == dst.bounds[0] + 1:
                exact = _DST, dst.bounds[0]
            elif exact is None and src is not None:
                bounds = src.bounds
                if len(bounds) == 2 and bounds[1] == bounds[0] + 1:
                    exact = _SRC, bounds[0]
            if exact is None and text.ports is not None:
                self._ranges.append((*text.ports, place))
            elif exact is None:
                general.append(place)
                if src is dst is None and not text.conditions and text.compiled.ends_chain:
                    break  # nothing behind an unconditional verdict is reached
            else:
                buckets.setdefault(exact[0], {}).setdefault(exact[1], []).append(place)

    def candidates(self, state: PacketState) -> list[int]:
        """Places of the rules that may match a packet like this one, in order."""
        found: list[list[int]] = []
        for index, bucket in self._buckets.items():
            value = state[index]
            if value is None:
                found += bucket.values()
            elif value in bucket:
                found.append(bucket[value])
        if self._ranges:
            port = state[_DPORT]
            found.append([place for low, end, place in self._ranges
                          if port is None or low <= port < end])  # type: ignore[operator]
        if not found:
            return self._general
        out = [place for part in found for place in part] + self._general
        out.sort()
        return out


def divide(compiled: dict[int, CompiledRule], late: int) -> Divided:
    """The texts that do something, with the conditions that no packet's number decides apart from the others."""
    out: Divided = []
    known: dict[int, bool] = {}  # many rules share one condition
    for said, rule in compiled.items():
        if rule.goes_on:
            continue
        left: list[Condition] = []
        early: list[Condition] = []
        for part in rule.conditions:
            is_late = known.get(id(part))
            if is_late is None:
                is_late = known[id(part)] = _is_late(part, late)
            (left if is_late else early).append(part)
        conditions = tuple(left) if early else rule.conditions
        out.append((said, Text(conditions, rule, _exact(conditions), _range(conditions)), tuple(early)))
    return out


def _left(divided: Divided, state: PacketState) -> dict[int, Text]:
    out: dict[int, Text] = {}
    known: dict[int, Bounds] = {}
    for said, text, early in divided:
        for condition in early:
            bounds = known.get(id(condition))
            if bounds is None:
                bounds = known[id(condition)] = match(condition, state)
            if not bounds.possibly:
                break
            if not bounds.certainly:
                text = text._replace(conditions=(*text.conditions, condition))
        else:
            out[said] = text
    return out


def _is_late(condition: Condition, late: int) -> bool:
    if isinstance(condition, In | Masked | Named | Exists):
        return bool(BIT[condition.field] & late)
    if isinstance(condition, All | AnyOf):
        return any(_is_late(part, late) for part in condition.parts)
    if isinstance(condition, Not):
        return _is_late(condition.part, late)
    return isinstance(condition, Unknown)


def _exact(conditions: tuple[Condition, ...]) -> Exact:
    found = {}
    for condition in conditions:
        if isinstance(condition, In) and condition.field in _INDEXED:
            bounds = condition.values.bounds
            if len(bounds) == 2 and bounds[1] == bounds[0] + 1:
                found[condition.field] = bounds[0]
    for name in _INDEXED if found else ():
        if name in found:
            return FIELD_INDEX[name], found[name]
    return None


def _range(conditions: tuple[Condition, ...]) -> tuple[int, int] | None:
    for condition in conditions:
        if isinstance(condition, In) and condition.field == "dport" and len(condition.values.bounds) == 2:
            low, end = condition.values.bounds
            return low, end
    return None
