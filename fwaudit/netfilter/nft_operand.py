"""Operands: what stands on the left of an nft match, and what it means to compare it with constants.

Each operand carries what its use implies (``tcp dport`` implies ``meta l4proto tcp``: nft adds that match to the rule
and hides it when listing; seen with ``nft --debug=netlink``), and a *guard*: what must hold for the operand to be the
packet field that it is read as (``th dport`` is a port only where the protocol has ports); without it: unknown.
"""

from __future__ import annotations

from typing import Any, Final

from fwaudit.model.condition import FALSE, TRUE, All, AnyOf, Condition, In, Masked, Unknown
from fwaudit.netfilter.nft_condition import both, either, entailed, joined, negated
from fwaudit.netfilter.nft_values import (
    Symbol,
    Unreadable,
    json_text,
    members,
    number,
    read_number,
    read_values,
    unwrap,
)
from fwaudit.packet.address import masked
from fwaudit.packet.fields import ICMP, ICMPV6, Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

SET_LOOKUP: Final = frozenset({"src", "dst", "sport", "dport", "proto", "mark", "ct_mark", "orig_src", "orig_dst",
                               "orig_sport", "orig_dport", "reply_src", "reply_dst", "reply_sport", "reply_dport"})
"""Fields whose nft sets are kept as NamedSets; sets of other things are resolved while reading."""


def union(value: Any, width: int, symbol: Symbol) -> IntervalSet:
    """The values of one constant or of an anonymous set of them. Raises Unreadable."""
    elements = members(value)
    if elements is None:
        return read_values(value, width, symbol)
    return joined([read_values(element, width, symbol) for element in elements])


def holds(op: str, value: int, right: IntervalSet) -> bool:
    """Does ``value op right`` hold? ``in``: a bit of right is set; ``!``: none is. Raises Unreadable."""
    if op in ("==", "!="):
        return (value in right) == (op == "==")
    bits = single(right)
    if op in ("in", "!"):
        return bool(value & bits) == (op == "in")
    if op in ("<", ">", "<=", ">="):
        return {"<": value < bits, ">": value > bits, "<=": value <= bits, ">=": value >= bits}[op]
    raise Unreadable(op)


def single(values: IntervalSet) -> int:
    """The only member of a set of one. Raises Unreadable."""
    bounds = values.bounds
    if len(bounds) != 2 or bounds[1] != bounds[0] + 1:
        raise Unreadable("one value expected")
    return bounds[0]


@dataclass(frozen=True, slots=True)
class Operand:
    """Base: something that nobody can tell from a snapshot. ``text`` as nft prints it."""

    text: str
    why: str = "not decidable from a snapshot"
    implied: tuple[Condition, ...] = ()
    guard: tuple[Condition, ...] = ()

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        """``(self & mask) op right``; ``right`` is the JSON constant. Raises Unreadable."""
        return Unknown(self.text, self.why)

    def outside(self, condition: Condition) -> Condition:
        """What ``condition``, a comparison of this operand, comes to where the guard does not hold."""
        return Unknown(self.text, "header bytes of a protocol without that field")

    @property
    def set_field(self) -> Field | None:
        """The field that a lookup in a named set asks about; None where named sets are resolved in reading."""
        return None


@dataclass(frozen=True, slots=True)
class Absent(Operand):
    """Part of a header that a plain packet does not have: the expression breaks, so no comparison holds."""

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        return FALSE


@dataclass(frozen=True, slots=True)
class Constant(Operand):
    """Something that has one value for every packet."""

    value: int = 0
    width: int = 8

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        value = self.value if mask is None else self.value & mask
        return TRUE if holds(op, value, union(right, self.width, number)) else FALSE


@dataclass(frozen=True, slots=True)
class KnownBits(Operand):
    """A header field of which some bits are the same in every packet: ``bits`` of them, with the value ``value``."""

    bits: int = 0
    value: int = 0
    width: int = 16

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        asked = (1 << self.width) - 1 if mask is None else mask
        if op in ("in", "!") and members(right) is None:
            asked &= read_number(right, self.width, number)
        if asked & ~self.bits:
            return Unknown(self.text, self.why)
        return TRUE if holds(op, self.value & asked, union(right, self.width, number)) else FALSE


@dataclass(frozen=True, slots=True)
class Number(Operand):
    """A field of the packet that is a number of ``width`` bits."""

    field: Field = "mark"
    width: int = 32
    symbol: Symbol = number

    @property
    def set_field(self) -> Field | None:
        return self.field if self.field in SET_LOOKUP else None

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        top = (1 << self.width) - 1
        if op in ("in", "!") and members(right) is None:
            bits = read_number(right, self.width, self.symbol) & (top if mask is None else mask)
            none = Masked(self.field, bits, 0) if self.field == "tcp_flags" else self._masked(bits, 0)
            return none if op == "!" else negated(none)
        values = union(right, self.width, self.symbol)
        if mask is not None and mask != top:
            return self._compare_masked(op, values, mask)
        if op in ("==", "!="):
            return In(self.field, values if op == "==" else ~values)
        edge = single(values)
        if op in ("<", "<="):
            return In(self.field, IntervalSet.range(0, edge if op == "<=" else edge - 1))
        if op in (">", ">="):
            return In(self.field, IntervalSet((edge if op == ">=" else edge + 1,)))
        raise Unreadable(op)

    def _compare_masked(self, op: str, values: IntervalSet, mask: int) -> Condition:
        if op in ("==", "!="):
            top = (1 << self.width) - 1
            if values.size(top) > 256:
                raise Unreadable("too many values under a mask")
            wanted = [value for low, high in values.ranges(top) for value in range(low, high + 1)]
            found = either([self._masked(mask, value) for value in wanted])
            return found if op == "==" else negated(found)
        if self.width > 8:
            raise Unreadable(op)
        return In(self.field, IntervalSet.of(*(v for v in range(1 << self.width) if holds(op, v & mask, values))))

    def _masked(self, mask: int, value: int) -> Condition:
        if value & ~mask:
            return FALSE
        if self.field in ("mark", "ct_mark", "tcp_flags"):
            return Masked(self.field, mask, value)
        try:
            values = masked(value, mask, self.width)
        except ValueError:
            return Masked(self.field, mask, value)
        few = self.width > 16 or len(values.bounds) <= 64  # an address is a set while rules are walked: better exact
        return In(self.field, values) if few else Masked(self.field, mask, value)


@dataclass(frozen=True, slots=True)
class TuplePort(Number):
    """``ct original proto-dst`` and its like: a port, or what a connection without ports has in its place.

    That is type and code of an ICMP message for proto-dst, an identifier for proto-src, and 0 for other protocols
    (nf_conntrack_proto_icmp.c icmp_pkt_to_tuple, nf_conntrack_core.c nf_ct_get_tuple).
    """

    def outside(self, condition: Condition) -> Condition:
        if not isinstance(condition, In) or condition.field != self.field:
            return Unknown(self.text, "what stands for a port in a connection without ports")
        icmp = In("proto", IntervalSet.of(ICMP, ICMPV6))
        told: Condition = Unknown(self.text, "the identifier of an ICMP message")
        if self.field == "orig_dport":
            told = either([_type_and_code(condition.values & IntervalSet.range(kind << 8, kind << 8 | 255), kind)
                           for kind in range(256)])
        others = negated(icmp) if 0 in condition.values else FALSE
        return either([both([icmp, told]), others])


def _type_and_code(values: IntervalSet, kind: int) -> Condition:
    codes = IntervalSet.from_ranges((low & 255, high & 255) for low, high in values.ranges(0xFFFF))
    if not codes:
        return FALSE
    is_kind = In("icmp_type", IntervalSet.of(kind))
    return is_kind if codes == IntervalSet.range(0, 255) else All((is_kind, In("icmp_code", codes)))


@dataclass(frozen=True, slots=True)
class Domain(Operand):
    """A field of few values, each of which the kernel shows as another number: ``values`` maps ours to the kernel's."""

    field: Field = "family"
    values: tuple[tuple[int, int], ...] = ()
    width: int = 32
    symbol: Symbol = number

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        wanted = union(right, self.width, self.symbol)
        keep = -1 if mask is None else mask
        hits = [ours for ours, kernels in self.values if holds(op, kernels & keep, wanted)]
        return In(self.field, IntervalSet.of(*hits))


@dataclass(frozen=True, slots=True)
class Symbolic(Operand):
    """Base: an operand that is equal to a constant, or one of several, or not; it has no order and no bits."""

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        if op not in ("==", "!=") or mask is not None:
            raise Unreadable(op)
        elements = members(right)
        found = either([self._is(element) for element in ([right] if elements is None else elements)])
        return found if op == "==" else negated(found)

    def _is(self, value: Any) -> Condition:
        """Whether it is this one constant. Raises Unreadable."""
        raise Unreadable(json_text(value))


@dataclass(frozen=True, slots=True)
class Concat(Symbolic):
    """Several operands side by side (``ip saddr . tcp dport``)."""

    parts: tuple[Operand, ...] = ()

    def _is(self, value: Any) -> Condition:
        value = unwrap(value)
        if value == "*":
            return TRUE
        values = value.get("concat") if isinstance(value, dict) else None
        if not isinstance(values, list) or len(values) != len(self.parts):
            raise Unreadable(json_text(value))
        found = [part.compare("==", each) for part, each in zip(self.parts, values, strict=True)]
        return both([condition if all(entailed(guard, tuple(found)) for guard in part.guard)
                     else guarded(part, condition) for part, condition in zip(self.parts, found, strict=True)])


def guarded(operand: Operand, condition: Condition) -> Condition:
    """``condition`` where the operand's guard holds, unknown elsewhere."""
    if not operand.guard:
        return condition
    guard = both(list(operand.guard))
    return AnyOf((All((guard, condition)), both([negated(guard), operand.outside(condition)])))


FAMILIES_NFPROTO: Final = ((4, 2), (6, 10))
FAMILIES_ETHERTYPE: Final = ((4, 0x0800), (6, 0x86DD))

