"""The host's own policy, read out of the chains that are loaded: a flat list of clauses, of which the first decides.

What ``ufw allow 5432`` means for a port of this host stands in the INPUT chains. A published port never comes there, so
the fix says the same again where its packets do pass. Chains are read, not ufw's files: what an admin wrote into
before.rules, or by hand without any ufw, is policy all the same.

Only what can be said about the first packet of a connection from elsewhere to an address of this host becomes a clause:
a rule about lo, about replies or about ICMP says nothing about a published port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from fwaudit.model.condition import (
    AddressType,
    All,
    AnyOf,
    Condition,
    Exists,
    In,
    InSet,
    Masked,
    Named,
    Not,
    Unknown,
)
from fwaudit.model.ruleset import (
    Accept,
    Chain,
    Continue,
    CopyMark,
    Drop,
    Goto,
    Inline,
    Jump,
    Reject,
    Return,
    Rule,
    SetMark,
)
from fwaudit.packet.fields import SCTP, STATE_NEW, TCP, UDP
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.records import dataclass

SERVED = IntervalSet.of(TCP, UDP, SCTP)
"""The protocols that a container's port can be published for."""

_SYN = 2
_MAX_FORMS = 64
_MAX_CLAUSES = 4096
_MAX_DEPTH = 64
_RECENT = re.compile(r"-m recent --update --seconds (\d{1,5}) --hitcount (\d{1,3}) --name \S+"
                     r"(?: --mask (?:255\.255\.255\.255|(?:ffff:){7}ffff))? --rsource")
_CONSTANT = {"bridged": 0, "pkttype": 0, "locally_made": 0, "ct_direction": 0, "ct_dnat": 0, "ct_snat": 0,
             "ct_state": STATE_NEW, "tcp_flags": _SYN}
_UNICAST = {4: IntervalSet((0, 0xE0 << 24)), 6: IntervalSet((0, 0xFF << 120))}
_ORIGINAL = {"orig_src": "src", "orig_dst": "dst", "orig_sport": "sport", "orig_dport": "dport",
             "reply_src": "dst", "reply_sport": "dport", "reply_dst": "src", "reply_dport": "sport"}
_RANGED = ("src", "dst", "proto", "sport", "dport")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: all that is not None or empty must hold. ``dst`` and ``dport`` are what the packet was sent to.

    ``iifs``/``oifs``: interface names that must hold, with what was asked of them. ``sets``: (ipset, whether the source
    has to be in it). ``rate`` (seconds, hits): holds for a source that came that often. ``said``: the rule it is from.
    """

    verdict: Literal["allow", "deny", "reject"] = "deny"
    how: str = ""
    iifs: tuple[Name, ...] = ()
    oifs: tuple[Name, ...] = ()
    src: IntervalSet | None = None
    dst: IntervalSet | None = None
    proto: IntervalSet | None = None
    sport: IntervalSet | None = None
    dport: IntervalSet | None = None
    sets: tuple[tuple[str, bool], ...] = ()
    rate: tuple[int, int] | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """An interface is ``name`` (or begins with it: ``prefix``); or it is not (``negated``)."""

    name: str
    prefix: bool = False
    negated: bool = False

    def holds(self, interface: str) -> bool:
        """Whether an interface of this name fulfils it."""
        return (interface.startswith(self.name) if self.prefix else interface == self.name) != self.negated


@dataclass(frozen=True, slots=True)
class Reading:
    """``clauses`` in order, and the clause that decides where none holds. ``refused``: rules that cannot be said in
    another place, each with the reason."""

    clauses: tuple[Clause, ...]
    default: Clause
    refused: tuple[str, ...] = ()


def read_policy(chains: Mapping[str, Chain], base: Chain, family: int, never_from: Iterable[str] = (),
                name_of: Callable[[str, Rule], str] | None = None, default: Clause | None = None) -> Reading:
    """The policy of a base chain on input, or of ``ufw-user-forward``.

    ``chains``: of its table, to follow jumps. ``never_from``: interfaces whose packets are none of the clauses'
    business. ``name_of``: how a rule of a chain is called in words; else its text. ``default``: what decides where no
    clause holds, if it is not the chain's own policy.
    """
    reader = _Reader(chains, family, frozenset(never_from), name_of or (lambda chain, rule: rule.text))
    ended = reader.walk(base.name, base.rules, Clause(), 0) is _ENDED
    default = default or Clause("allow" if base.policy == "accept" else "deny", said=f"chain policy of {base.name}")
    if ended:
        default = reader.clauses.pop()
    while reader.clauses and _same_verdict(reader.clauses[-1], default) and reader.clauses[-1].rate is None:
        reader.clauses.pop()
    return Reading(tuple(reader.clauses), default, tuple(reader.refused))


def _same_verdict(one: Clause, other: Clause) -> bool:
    return (one.verdict, one.how) == (other.verdict, other.how)


class _Refused(Exception):
    """A condition that cannot be said in another chain; the message tells why."""


_LEFT, _ENDED = object(), object()


class _Reader:
    """Walks chains as the kernel does, with what holds so far in hand."""

    def __init__(self, chains: Mapping[str, Chain], family: int, never_from: frozenset[str],
                 name_of: Callable[[str, Rule], str]) -> None:
        self.chains = chains
        self.family = family
        self.never_from = never_from
        self.name_of = name_of
        self.clauses: list[Clause] = []
        self.refused: list[str] = []

    def walk(self, name: str, rules: Iterable[Rule], so_far: Clause, depth: int) -> object:
        """``_ENDED`` where every packet of ``so_far`` got a verdict, ``_LEFT`` where it came back or fell through."""
        rules = tuple(rules)
        for number, rule in enumerate(rules, 1):
            try:
                forms = self.forms(rule.conditions, so_far)
                if forms:
                    said = self.rule(name, rule, forms, so_far, depth)
                    if said is not None:
                        return said
            except _Refused as why:
                # a RETURN passes over the rest of its chain
                passed = rules[number:] if isinstance(rule.target, Return) else (rule,)
                if any(self.matters(each, depth) for each in passed):
                    self.refused.append(f"{rule.text}: {why}")
        return _LEFT

    def matters(self, rule: Rule, depth: int) -> bool:
        """Whether a rule could decide anything: a jump to a chain that only writes to the log does not."""
        if isinstance(rule.target, (Jump, Goto)) and depth < _MAX_DEPTH:
            chain = self.chains.get(rule.target.chain)
            return chain is not None and any(self.matters(each, depth + 1) for each in chain.rules)
        return not isinstance(rule.target, (Continue, SetMark, CopyMark, Return))

    def rule(self, name: str, rule: Rule, forms: list[Clause], so_far: Clause, depth: int) -> object | None:
        """What a rule does; None where the walk goes on behind it."""
        target, always = rule.target, forms == [so_far]
        if isinstance(target, (Continue, SetMark, CopyMark)):
            return None
        if isinstance(target, (Accept, Drop, Reject)):
            if len(self.clauses) + len(forms) > _MAX_CLAUSES:
                raise _Refused(f"more than {_MAX_CLAUSES} clauses")
            for form in forms:
                self.clauses.append(_decided(form, target, form.said or self.name_of(name, rule)))
            return _ENDED if always else None
        if isinstance(target, Return):
            if always:
                return _LEFT
            raise _Refused("a RETURN for some packets only")
        if isinstance(target, Inline) or (isinstance(target, (Jump, Goto)) and target.chain in self.chains):
            if depth >= _MAX_DEPTH:
                raise _Refused("chains nested too deep")
            inner = target.rules if isinstance(target, Inline) else self.chains[target.chain].rules
            inner_name = name if isinstance(target, Inline) else target.chain
            said = self.name_of(name, rule) if rule.conditions else ""
            ends = [self.walk(inner_name, inner, replace(form, said=form.said or said), depth + 1) for form in forms]
            if always and ends == [_ENDED]:
                return _ENDED
            if isinstance(target, Goto):
                if always:
                    return _LEFT
                if any(end is not _ENDED for end in ends):
                    raise _Refused("a goto that may come back")
            return None
        raise _Refused("a target that cannot be said elsewhere")

    # ---- conditions -------------------------------------------------------------------------------------------------

    def forms(self, conditions: Iterable[Condition], so_far: Clause) -> list[Clause]:
        """The ways in which all conditions hold, in addition to what holds already; empty: never."""
        forms = [so_far]
        for condition in conditions:
            forms = [more for form in forms for more in self.one(condition, form, True)]
            if len(forms) > _MAX_FORMS:
                raise _Refused("too many alternatives")
        return forms

    def one(self, condition: Condition, form: Clause, positive: bool) -> list[Clause]:
        """``form`` with one condition (or its opposite) added: itself where it holds anyway, nothing where never."""
        if isinstance(condition, Not):
            return self.one(condition.part, form, not positive)
        if isinstance(condition, (All, AnyOf)):
            if isinstance(condition, All) == positive:
                forms = [form]
                for part in condition.parts:
                    forms = [more for each in forms for more in self.one(part, each, positive)]
                return forms
            found: list[Clause] = []
            for part in condition.parts:
                forms = self.one(part, form, positive)
                if form in forms:
                    return [form]
                found += forms
            return found
        if isinstance(condition, In):
            return self.value(condition.field, condition.values if positive else ~condition.values, form)
        if isinstance(condition, Masked) and condition.field == "tcp_flags":
            return [form] if (_SYN & condition.mask == condition.value) == positive else []
        if isinstance(condition, Exists):
            return [form] if (condition.field == "iif") == positive else []
        if isinstance(condition, Named):
            return self.interface(condition, form, positive)
        if isinstance(condition, AddressType) and condition.field == "dst" and not condition.interface:
            return [form] if ("local" in condition.types) == positive else []
        if isinstance(condition, InSet) and condition.set_key[0] == "ipset" and condition.fields == ("src",):
            return [replace(form, sets=(*form.sets, (condition.set_key[1], positive)))]
        if isinstance(condition, Unknown) and positive:
            found_rate = _RECENT.fullmatch(condition.text)
            if found_rate and form.rate is None:
                return [replace(form, rate=(int(found_rate[1]), int(found_rate[2])))]
            raise _Refused(condition.why)
        field = getattr(condition, "field", "")
        raise _Refused(f"it asks about {field}" if field else "it asks about this very chain's packets")

    def value(self, field: str, values: IntervalSet, form: Clause) -> list[Clause]:
        if field in _CONSTANT:
            return [form] if _CONSTANT[field] in values else []
        field = _ORIGINAL.get(field, field)
        if field in ("icmp_type", "icmp_code"):
            return []
        if field == "family":
            return [form] if self.family in values else []
        if field not in _RANGED:
            raise _Refused(f"it asks about {field}")
        if field == "dst":
            values = values & _UNICAST[self.family]
        if field == "proto" and not values & SERVED:
            return []
        if field == "proto" and values >= SERVED:
            return [form]
        known: IntervalSet | None = getattr(form, field)
        both = values if known is None else values & known
        if not both:
            return []
        whole = _UNICAST[self.family] if field == "dst" else ALL
        changed: dict[str, Any] = {field: both}
        return [form] if both in (known, whole) else [replace(form, **changed)]

    def interface(self, condition: Named, form: Clause, positive: bool) -> list[Clause]:
        wanted = Name(condition.name, condition.prefix, not positive)
        if condition.field not in ("iif", "oif"):
            raise _Refused(f"it asks about {condition.field}")
        if condition.field == "iif":
            if not condition.prefix and condition.name in self.never_from:
                return [] if positive else [form]
            return [form] if wanted in form.iifs else [replace(form, iifs=(*form.iifs, wanted))]
        return [form] if wanted in form.oifs else [replace(form, oifs=(*form.oifs, wanted))]


def _decided(form: Clause, target: Accept | Drop | Reject, said: str) -> Clause:
    if isinstance(target, Accept):
        return replace(form, verdict="allow", said=said)
    if isinstance(target, Drop):
        return replace(form, verdict="deny", said=said)
    return replace(form, verdict="reject", how=target.how, said=said)
