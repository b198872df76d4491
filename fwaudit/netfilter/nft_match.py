"""nft matches → conditions: an operand, an operator and constants, or a lookup in a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fwaudit.model.condition import Condition, InSet, Unknown
from fwaudit.netfilter.nft_condition import entailed, negated
from fwaudit.netfilter.nft_expression import operand
from fwaudit.netfilter.nft_operand import Concat, Domain, KnownBits, Number, Operand, guarded
from fwaudit.netfilter.nft_operand_host import Status
from fwaudit.netfilter.nft_sets import RATED, RawSet
from fwaudit.netfilter.nft_text import statement_text
from fwaudit.netfilter.nft_values import (
    CT_STATUS,
    Symbol,
    Unreadable,
    json_text,
    named,
    number,
    read_number,
    read_values,
    unwrap,
)
from fwaudit.packet.fields import PORT_PROTOCOLS, Field
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.records import NamedTuple, dataclass

MOST_INLINE: Final = 4096
"""Elements of a named set that are written out as conditions, where the engine has no field to look up."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rules of one table see. ``written``: packet fields that some rule of the table sets; ``looked_up``: the
    named sets that some rule asks about."""

    family: str
    table: str
    sets: Mapping[str, RawSet]
    written: frozenset[str] = frozenset()
    looked_up: frozenset[str] = frozenset()


class Match(NamedTuple):
    """A condition, and what its expression implies beside it (also where the condition is negated)."""

    implied: tuple[Condition, ...]
    condition: Condition


class Bits(NamedTuple):
    """``(base & mask) ^ flip``; ``mask`` None: all bits."""

    base: Operand
    mask: int | None
    flip: int


def read_match(body: Any, scope: Scope, known: tuple[Condition, ...] = ()) -> Match:
    """A match statement's meaning. ``known``: conditions that hold whenever it is asked. Never raises."""
    text = statement_text({"match": body})
    if not isinstance(body, dict) or body.keys() != {"op", "left", "right"} or not isinstance(body["op"], str):
        return Match((), Unknown(text, "a match that is not understood"))
    try:
        base, mask, flip = read_bits(body["left"], scope.family)
        base, implied = replace(base, text=text), base.implied
        if type(base) is Operand:
            return Match(implied, Unknown(text, base.why))
        condition = _condition(base, mask, flip, body["op"], body["right"], scope, text)
    except Unreadable as error:
        inner = operand(_innermost(body["left"]), scope.family)
        return Match(inner.implied, Unknown(text, inner.why if type(inner) is Operand else f"not understood: {error}"))
    return Match(implied, condition if all(entailed(part, known) for part in base.guard) else guarded(base, condition))


def _condition(base: Operand, mask: int | None, flip: int, op: str, right: Any, scope: Scope,
               text: str) -> Condition:
    if isinstance(right, str) and right.startswith("@"):
        if mask is not None or flip or op not in ("==", "!=", "in"):
            return Unknown(text, "a computed value looked up in a set")
        found = _lookup(base, right[1:], scope, text)
        return negated(found) if op == "!=" else found
    if flip:
        if op not in ("==", "!=") or not isinstance(base, Number):
            raise Unreadable(op)
        right = read_number(right, base.width, base.symbol) ^ flip
    return base.compare(op, right, mask)


def _lookup(base: Operand, name: str, scope: Scope, text: str) -> Condition:
    raw = scope.sets.get(name)
    if raw is None:
        return Unknown(text, "the set is not in the snapshot")
    parts = base.parts if isinstance(base, Concat) else (base,)
    fields: list[Field] = [part.set_field for part in parts if part.set_field is not None]
    if len(fields) == len(parts) == len(raw.types) and not raw.is_map and all(
            part.kind not in ("mac", "other") for part in raw.types):
        found: Condition = InSet(raw.key, tuple(fields))
        if isinstance(base, Concat) and not _all_have_ports(raw, fields):
            guard = tuple(dict.fromkeys(condition for part in parts for condition in part.guard))
            found = guarded(replace(base, guard=guard), found)
        return found
    if any(type(part) is Operand for part in parts):
        return Unknown(text, next(part.why for part in parts if type(part) is Operand))
    if raw.rated:
        return Unknown(text, RATED)
    if raw.dynamic or len(raw.elements) > MOST_INLINE:
        return Unknown(text, "a set of things that are not packet fields")
    keys = [element[0] if raw.is_map and isinstance(element, list) and element else element
            for element in raw.elements]
    return base.compare("==", {"set": keys})


def _all_have_ports(raw: RawSet, fields: list[Field]) -> bool:
    """Whether every element names a protocol that has ports, so that its port is one."""
    if "proto" not in fields:
        return False
    place = fields.index("proto")
    for element in raw.elements:
        inner = unwrap(element)
        parts = inner.get("concat") if isinstance(inner, dict) else None
        try:
            protocols = read_values(parts[place], 8, raw.types[place].symbol) if isinstance(parts, list) else ALL
        except (Unreadable, IndexError):
            return False
        if not protocols <= IntervalSet.of(*PORT_PROTOCOLS):
            return False
    return True


def read_key(expression: Any, scope: Scope) -> Operand:
    """The key of a map or vmap: an operand, unknown where it is computed. Never raises."""
    try:
        base, mask, flip = read_bits(expression, scope.family)
    except Unreadable:
        return operand(expression, scope.family)
    return base if mask is None and not flip else Operand(base.text, "a computed key", base.implied, base.guard)


def key_is(key: Operand, value: Any, text: str, known: tuple[Condition, ...] = ()) -> Condition:
    """The condition that a map's key equals ``value`` (an element's key), printed as ``text``. Never raises."""
    key = replace(key, text=text)
    try:
        condition = key.compare("==", value)
    except Unreadable as error:
        return Unknown(key.text, f"not understood: {error}")
    return condition if all(entailed(part, known) for part in key.guard) else guarded(key, condition)


# ---- bits -----------------------------------------------------------------------------------------------------------


def read_bits(expression: Any, family: str) -> Bits:
    """``X & M | V ^ W`` as ``(X & mask) ^ flip``. Raises Unreadable for what is not of that form."""
    if isinstance(expression, dict) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        if kind in ("&", "|", "^") and isinstance(body, list) and len(body) >= 2:
            base, mask, flip = read_bits(body[0], family)
            width, symbol = _readable(base)
            full = (1 << width) - 1
            bits = full if mask is None else mask
            for constant in body[1:]:
                value = read_number(constant, width, symbol)
                if kind == "&":
                    bits, flip = bits & value, flip & value
                elif kind == "|":
                    bits, flip = bits & ~value, flip & ~value | value
                else:
                    flip ^= value
            return Bits(base, bits, flip)
        if kind in ("<<", ">>"):
            raise Unreadable(json_text(expression))
    return Bits(operand(expression, family), None, 0)


def _readable(base: Operand) -> tuple[int, Symbol]:
    if isinstance(base, Number | Domain):
        return base.width, base.symbol
    if isinstance(base, Status):
        return 32, named(CT_STATUS)
    if isinstance(base, KnownBits):
        return base.width, number
    raise Unreadable(base.text)


def _innermost(expression: Any) -> Any:
    while isinstance(expression, dict) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        if kind not in ("&", "|", "^", "<<", ">>") or not isinstance(body, list) or not body:
            break
        expression = body[0]
    return expression
