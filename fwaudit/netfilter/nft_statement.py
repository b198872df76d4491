"""nft rules → Rules: the statements of a rule are executed in order, and may have effects between their matches.

``A; meta mark set 1; B; accept`` is one Rule (A → Inline((set mark), (B → accept))). A verdict map is an Inline of one
rule for each element. Since an Inline is walked like a jump, ``return`` and ``goto`` cannot stand inside one: a rule
that needs them there is written as several Rules of the chain, all with the number of the one rule, where that means
the same, and is undecidable otherwise.

Kernel claims (net/netfilter/nf_tables_core.c nft_do_chain, nft_lookup.c): a match that fails, and a map without
element for the key, end the rule; a verdict ends it too, but ``continue``, which goes on with the next statement.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from fwaudit.model.condition import TRUE, Condition, In, Unknown
from fwaudit.model.ruleset import (
    Accept,
    ChangeSet,
    Continue,
    CopyMark,
    Drop,
    Goto,
    Inline,
    Jump,
    NoTrack,
    Reject,
    Return,
    Rule,
    SetMark,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.nft_condition import entailed
from fwaudit.netfilter.nft_expression import family_is
from fwaudit.netfilter.nft_match import Scope, read_key, read_match
from fwaudit.netfilter.nft_merged import in_either_way, merged_run
from fwaudit.netfilter.nft_nat import (
    MOST_BRANCHES,
    Branch,
    Effect,
    covers_all,
    fields_read,
    mangle_effect,
    map_entries,
    nat_effect,
    undecidable,
)
from fwaudit.netfilter.nft_text import expression_text, rule_text, statement_text
from fwaudit.packet.fields import STATE_ESTABLISHED, STATE_RELATED, TCP
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import NamedTuple

MOST_STATEMENTS: Final = 256
"""The kernel takes 128 expressions in a rule (nf_tables.h NFT_RULE_MAXEXPRS)."""

_LEAVES: Final = (Return, Goto)
_QUIET: Final = {"counter": "counter", "log": "log", "last": "last", "flow": "flow add", "dup": "dup",
                 "ct helper": "ct helper set", "ct timeout": "ct timeout set", "ct expectation": "ct expectation set",
                 "secmark": "secmark set"}
_RATES: Final = {"limit": "rate limit", "quota": "quota", "ct count": "number of connections", "meter": "rate limit"}
_PLAIN_VERDICTS: Final[dict[str, Target]] = {
    "accept": Accept(), "drop": Drop(), "return": Return(), "continue": Continue("continue")}
_WHY: Final = {"queue": "a program decides", "tproxy": "it depends on the sockets of the moment",
               "synproxy": "the handshake decides", "fwd": "the packet is sent out elsewhere"}
# Behind "flow add" a rule goes on for a connection that it puts into the flowtable; a new one, which is not confirmed
# yet, is never put there and ends the rule (nft_flow_offload.c nft_flow_offload_eval).
_NOT_NEW: Final = In("ct_state", IntervalSet.of(STATE_ESTABLISHED, STATE_RELATED))
_UPDATE_TEXT: Final = re.compile(r"(add|update|delete) @\S+ \{[^{}]*\}\Z")
_SET_EXTRAS: Final = frozenset({"val", "timeout", "expires", "comment", "counter", "last"})


class Item(NamedTuple):
    """A rule without its number: items of a list are tried in order."""

    conditions: tuple[Condition, ...]
    target: Target
    text: str


class Job:
    """The rule being written: its number, and how many more items it may become (hostile maps would make very many)."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.left = MOST_BRANCHES

    def take(self, wanted: int) -> bool:
        """Whether ``wanted`` more may be made."""
        self.left -= wanted
        return self.left >= 0


def lower_rule(statements: list[Any], scope: Scope, number: int, comment: str) -> tuple[Rule, ...]:
    """The Rules that stand for one nft rule: one, or several of the same number. Never raises but RecursionError."""
    text, counters = rule_text(statements, comment), _counters(statements)
    if len(statements) > MOST_STATEMENTS:
        why = "a rule of more statements than the kernel takes"
        return (Rule((), Undecidable(text[:500], why), text, number, counters, comment),)
    job = Job(number)
    items = _lower(statements, scope, (), job)
    if job.left < 0:
        items = [Item((), Undecidable(text[:500], "it branches into too many ways"), text)]
    if len(items) == 1:
        items = [items[0]._replace(text=text)]
    return tuple(_rule(item, number, comment, counters) for item in items)


def _rule(item: Item, number: int, comment: str = "", counters: tuple[int, int] | None = None) -> Rule:
    target = item.target
    if isinstance(target, Inline):
        target = Inline(tuple(rule if rule.number else replace(rule, number=number) for rule in target.rules))
    return Rule(item.conditions, target, item.text, number, counters, comment)


def _counters(statements: list[Any]) -> tuple[int, int] | None:
    for statement in statements:
        body = statement.get("counter") if isinstance(statement, dict) else None
        if isinstance(body, dict) and isinstance(body.get("packets"), int) and isinstance(body.get("bytes"), int):
            return body["packets"], body["bytes"]
    return None


def _lower(statements: list[Any], scope: Scope, known: tuple[Condition, ...], job: Job) -> list[Item]:
    """The items that statements come to; ``known`` are conditions that hold when the first is executed."""
    conditions: list[Condition] = []
    texts: list[str] = []
    quiet = "continue"

    def need(condition: Condition) -> None:
        if condition != TRUE and not entailed(condition, (*known, *conditions)):
            conditions.append(condition)

    merged: list[Condition] = []
    left = 0  # of a run of matches that may be one
    for position, statement in enumerate(statements):
        kind, body = _split(statement)
        texts.append(statement_text(statement))
        left = left or merged_run(statements, position)
        if left:
            found = read_match(body, scope, (*known, *conditions))
            for condition in found.implied:
                need(condition)
            merged.append(found.condition)
            left -= 1
            if not left:
                need(in_either_way(merged, " ".join(texts[-len(merged):])))
                merged = []
            continue
        change = _set_change(kind, body, statement, scope)
        asked = _asked(kind, body, statement, scope, (*known, *conditions))
        if asked is not None:
            for condition in asked:
                need(condition)
            if change is not None:
                effect = Effect((), (Branch((), change, texts[-1], goes_on=True),))
                items = _after(effect, statements[position + 1 :], scope, (*known, *conditions), job)
                return _nest(tuple(conditions), items, " ".join(texts[:-1]), rule_text(statements), job)
            quiet = _QUIET.get(kind, "set update" if kind in ("set", "map", "") else quiet)
            continue
        effect = _effect(kind, body, statement, scope, (*known, *conditions))
        for condition in effect.implied:
            need(condition)
        items = _after(effect, statements[position + 1 :], scope, (*known, *conditions), job)
        return _nest(tuple(conditions), items, " ".join(texts[:-1]), rule_text(statements), job)
    return [Item(tuple(conditions), Continue(quiet), " ".join(texts))]


def _after(effect: Effect, rest: list[Any], scope: Scope, known: tuple[Condition, ...], job: Job) -> list[Item]:
    """The effect's branches, each followed by the rest of the rule where it goes on."""
    items: list[Item] = []
    for branch in effect.branches:
        if not job.take(1):
            break
        own = tuple(condition for condition in branch.conditions if not entailed(condition, known))
        behind: list[Item] = []
        if branch.goes_on and rest:
            kept = () if isinstance(branch.target, NoTrack | Template) else (*known, *branch.conditions)
            behind = [item for item in _lower(rest, scope, kept, job)
                      if item.conditions or type(item.target) is not Continue]
        if not behind:
            items.append(Item(own, branch.target, branch.text))
        elif type(branch.target) is Continue:
            items += _nest(own, behind, branch.text, branch.text, job)
        else:
            inner = [Item((), branch.target, branch.text), *behind]
            items += _nest(own, inner, "", " ".join((branch.text, rule_text(rest))), job)
    return items


def _nest(conditions: tuple[Condition, ...], items: list[Item], prefix: str, text: str, job: Job) -> list[Item]:
    """``items`` where ``conditions`` hold: one item, or several where one of them leaves the chain."""
    if len(items) == 1:
        first = items[0]
        return [Item((*conditions, *first.conditions), first.target, f"{prefix} {first.text}".strip())]
    if not any(isinstance(item.target, _LEAVES) for item in items):
        return [Item(conditions, Inline(tuple(_rule(item, job.number) for item in items)), text)]
    read = fields_read(conditions)
    if any(read & _written(item.target) for item in items[:-1]):
        return [Item(conditions, Undecidable(text[:500], "a return or goto behind an effect on what the rule matches"),
                     text)]
    return [Item((*conditions, *item.conditions), item.target, f"{prefix} {item.text}".strip()) for item in items]


def _written(target: Target) -> frozenset[str]:
    if isinstance(target, SetMark):
        return frozenset((target.field,))
    if isinstance(target, CopyMark):
        return frozenset((target.to,))
    if isinstance(target, NoTrack | Template):
        return frozenset(("ct_state",))
    if isinstance(target, Undecidable):
        return frozenset(("mark", "ct_mark"))
    if isinstance(target, Inline):
        return frozenset().union(*(_written(rule.target) for rule in target.rules))
    return frozenset()


# ---- statements that ask --------------------------------------------------------------------------------------------


def _split(statement: Any) -> tuple[str, Any]:
    if isinstance(statement, dict) and len(statement) == 1:
        kind, body = next(iter(statement.items()))
        return str(kind), body
    return "", statement


def _asked(kind: str, body: Any, statement: Any, scope: Scope,
           known: tuple[Condition, ...]) -> tuple[Condition, ...] | None:
    """The conditions that a statement without effect on the packet adds; None for one with an effect."""
    if kind == "match":
        found = read_match(body, scope, known)
        return (*found.implied, found.condition)
    if kind in _RATES:
        return (Unknown(statement_text(statement), _RATES[kind]),)
    if kind == "flow":
        return _NOT_NEW, Unknown(statement_text(statement), "whether the connection is in the flowtable already")
    if kind == "reset" and isinstance(body, dict):
        return read_key(body, scope).implied
    if kind in _QUIET:
        if isinstance(body, dict) and "map" in body:
            return (Unknown(statement_text(statement), "whether the map has an element for the packet"),)
        return ()
    if kind in ("set", "map") and isinstance(body, dict) and {"op", "elem"} <= body.keys():
        return _set_update(body, statement, scope)
    if kind == "xt" and isinstance(body, dict):
        if body.get("type") == "match":
            return (Unknown(statement_text(statement), "an iptables match that nft does not show"),)
        if body.get("type") == "watcher":
            return ()
    if not kind and isinstance(statement, str) and _UPDATE_TEXT.match(" ".join(statement.split())) and not re.search(
            r"limit|quota|ct count", statement):
        return ()
    return None


def _set_change(kind: str, body: Any, statement: Any, scope: Scope) -> ChangeSet | None:
    """What a statement adds to a named set that rules of the table ask about, or takes out of it."""
    name: Any = ""
    operation: Any = ""
    if kind in ("set", "map") and isinstance(body, dict):
        operation, name = body.get("op"), body.get(kind, body.get("set"))
    elif not kind and isinstance(statement, str):
        operation, _, rest = statement.partition(" ")
        name = rest.partition(" ")[0]
    name = name.removeprefix("@") if isinstance(name, str) else ""
    if name not in scope.looked_up:
        return None
    return ChangeSet("set update", (scope.family, scope.table, name), operation == "delete")


def _set_update(body: dict[str, Any], statement: Any, scope: Scope) -> tuple[Condition, ...]:
    """``add @set { … }``: changes later packets only, but a limit on the element is a match (nft_dynset.c)."""
    element = body["elem"]
    inner = element.get("elem") if isinstance(element, dict) else None
    extras = inner.keys() - _SET_EXTRAS if isinstance(inner, dict) else set()
    implied = read_key(inner.get("val") if isinstance(inner, dict) else element, scope).implied
    parts = body.get("stmt", [])
    rated = [part for part in (parts if isinstance(parts, list) else [parts]) if _split(part)[0] not in _QUIET]
    if rated or extras:
        return (*implied, Unknown(statement_text(statement), "rate limit for each element"))
    return implied


# ---- statements that act --------------------------------------------------------------------------------------------


def _effect(kind: str, body: Any, statement: Any, scope: Scope, known: tuple[Condition, ...]) -> Effect:
    verdict = _verdict(kind, body)
    text = statement_text(statement)
    if verdict is not None:
        return Effect((), (Branch((), verdict, text, goes_on=kind == "continue"),))
    if kind == "vmap":
        return _verdict_map(body, statement, scope, known)
    if kind == "reject":
        return _reject(body, statement, scope, known)
    if kind in ("dnat", "snat", "masquerade", "redirect"):
        return nat_effect(kind, body, scope, known)
    if kind == "mangle":
        return mangle_effect(body, scope, known)
    if kind == "notrack":
        return Effect((), (Branch((), NoTrack(), text, goes_on=True),))
    if kind == "xt":
        if isinstance(body, dict) and body.get("type") == "target" and body.get("name") in ("LOG", "NFLOG", "TRACE"):
            return Effect((), (Branch((), Continue(str(body["name"])), text, goes_on=True),))
        return undecidable(statement, "an iptables extension that nft does not show")
    return undecidable(statement, _WHY.get(kind, "a statement that is not understood"))


def _verdict(kind: str, body: Any) -> Target | None:
    if kind in ("jump", "goto"):
        name = body.get("target") if isinstance(body, dict) and len(body) == 1 else None
        if isinstance(name, str):
            return Jump(name) if kind == "jump" else Goto(name)
        return None
    if body is not None:
        return None
    return _PLAIN_VERDICTS.get(kind)


def _reject(body: Any, statement: Any, scope: Scope, known: tuple[Condition, ...]) -> Effect:
    """``reject with icmp`` applies to IPv4 only, ``icmpv6`` to IPv6, ``tcp reset`` to TCP; nft hides these matches.

    In front of a reset, nft lists no ``meta nfproto`` although the kernel asks it (ran, 1.0.6): where no other match
    tells the family, it cannot be told whether there is one.
    """
    body = {} if body is None else body
    if not isinstance(body, dict) or not body.keys() <= {"type", "expr"}:
        return undecidable(statement, "a reject that is not understood")
    kind = body.get("type", {"ip": "icmp", "ip6": "icmpv6"}.get(scope.family, "icmpx"))
    how = str(kind) if kind == "tcp reset" else f"{kind} {expression_text(body.get('expr', 'port-unreachable'))}"
    implied: tuple[Condition, ...] = ()
    if kind in ("icmp", "icmpv6") and scope.family not in ("ip", "ip6"):
        implied = (family_is(4 if kind == "icmp" else 6),)
    elif kind == "tcp reset":
        implied = (In("proto", IntervalSet.of(TCP)),)
        if scope.family not in ("ip", "ip6") and not any(_tells_family(each) for each in known):
            implied += (Unknown("meta nfproto", "nft does not list it in front of a TCP reset"),)
    return Effect(implied, (Branch((), Reject(how), statement_text(statement)),))


def _tells_family(condition: Condition) -> bool:
    return isinstance(condition, In) and condition.field == "family"


def _verdict_map(body: Any, statement: Any, scope: Scope, known: tuple[Condition, ...]) -> Effect:
    found = map_entries(body, scope, known)
    if isinstance(found, str):
        return undecidable(statement, found)
    key, entries = found
    branches: list[Branch] = []
    for entry in entries:
        verdict = _verdict(*_split(entry.value))
        if verdict is None:
            return undecidable(statement, "a verdict that is not understood", implied=key.implied)
        branches.append(Branch((entry.condition,) if entry.condition != TRUE else (), verdict,
                               f"{entry.text} {statement_text(entry.value)}", goes_on=isinstance(verdict, Continue)))
    jumps = any(isinstance(branch.target, Jump) for branch in branches[:-1])
    if jumps and fields_read(tuple(entry.condition for entry in entries)) & scope.written:
        return undecidable(statement, "its chains may change what the map looks at", implied=key.implied)
    if branches and not jumps and covers_all(body["key"], body["data"]):
        branches[-1] = branches[-1]._replace(conditions=())
    return Effect(key.implied, tuple(branches))
