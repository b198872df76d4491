"""Operands: what stands on the left of an nft match, and what it means to compare it with constants.

Each operand carries what its use implies (``tcp dport`` implies ``meta l4proto tcp``: nft adds that match to the rule
and hides it when listing; seen with ``nft --debug=netlink``), and a *guard*: what must hold for the operand to be the
packet field that it is read as (``th dport`` is a port only where the protocol has ports); without it: unknown.
"""

from __future__ import annotations

from typing import Any, Final

from fwaudit.model.condition import (
    FALSE,
    TRUE,
    AddressType,
    All,
    AnyOf,
    Condition,
    Exists,
    In,
    InGroup,
    Masked,
    Named,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.netfilter.nft_values import (
    CT_STATUS,
    Symbol,
    Unreadable,
    json_text,
    members,
    named,
    number,
    read_number,
    read_values,
    unwrap,
)
from fwaudit.packet.address import masked
from fwaudit.packet.fields import ICMP, ICMPV6, STATE_ESTABLISHED, STATE_NEW, Field
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.records import dataclass

SET_LOOKUP: Final = frozenset({"src", "dst", "sport", "dport", "proto", "mark", "ct_mark", "orig_src", "orig_dst",
                               "orig_sport", "orig_dport", "reply_src", "reply_dst", "reply_sport", "reply_dport"})
"""Fields whose nft sets are kept as NamedSets; sets of other things are resolved while reading."""


def either(parts: list[Condition]) -> Condition:
    """At least one of these, with the sets of one field merged."""
    merged: dict[Field, list[IntervalSet]] = {}
    others: dict[Condition, None] = {}
    for part in parts:
        if isinstance(part, In):
            merged.setdefault(part.field, []).append(part.values)
        elif part == TRUE:
            return TRUE
        elif part != FALSE:
            others[part] = None
    out = [In(field, joined(values)) for field, values in merged.items()] + list(others)
    return out[0] if len(out) == 1 else AnyOf(tuple(out))


def both(parts: list[Condition]) -> Condition:
    """All of these."""
    if FALSE in parts:
        return FALSE
    out = tuple(part for part in parts if part != TRUE)
    return out[0] if len(out) == 1 else All(out)


def negated(condition: Condition) -> Condition:
    """The opposite."""
    if isinstance(condition, In):
        return In(condition.field, ~condition.values)
    if condition in (TRUE, FALSE):
        return FALSE if condition == TRUE else TRUE
    return condition.part if isinstance(condition, Not) else Not(condition)


def joined(parts: list[IntervalSet]) -> IntervalSet:
    """The union of many sets, in one pass where all of them end."""
    if len(parts) < 8 or any(len(part.bounds) & 1 for part in parts):
        out = EMPTY
        for part in parts:
            out = out | part
        return out
    return IntervalSet.from_ranges(
        (part.bounds[i], part.bounds[i + 1] - 1) for part in parts for i in range(0, len(part.bounds), 2))


def entailed(condition: Condition, known: tuple[Condition, ...]) -> bool:
    """Whether ``condition`` follows from what is known to hold."""
    if condition in known:
        return True
    return isinstance(condition, In) and any(
        isinstance(other, In) and other.field == condition.field and other.values <= condition.values
        for other in known)


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
class Name(Operand):
    """An interface, by name (``index`` None) or by index, which nft prints as a name while the device exists."""

    field: Field = "iif"
    index: Field | None = None

    @property
    def set_field(self) -> Field | None:
        return self.field if self.index is None else None

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        if op not in ("==", "!=") or mask is not None:
            raise Unreadable(op)
        elements = members(right)
        found = either([self._is(element) for element in ([right] if elements is None else elements)])
        return found if op == "==" else negated(found)

    def _is(self, value: Any) -> Condition:
        value = unwrap(value)
        if self.index is not None and not (isinstance(value, str) and not value.isdecimal()):
            return In(self.index, read_values(value, 32, number))
        if not isinstance(value, str):
            raise Unreadable(json_text(value))
        if value == "*":
            return TRUE
        if not value:
            return Not(Exists(self.field))
        if value.endswith("\\*"):
            return Named(self.field, value[:-2] + "*")
        return Named(self.field, value[:-1], prefix=True) if value.endswith("*") else Named(self.field, value)


@dataclass(frozen=True, slots=True)
class Group(Operand):
    """``iifgroup``, ``oifgroup``: the number of the interface's group."""

    field: Field = "iif"

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        if op not in ("==", "!="):
            raise Unreadable(op)
        found = InGroup(self.field, union(right, 32, named({"default": 0})), 0xFFFFFFFF if mask is None else mask)
        return found if op == "==" else negated(found)


@dataclass(frozen=True, slots=True)
class Status(Operand):
    """``ct status``: bits of the connection (enum ip_conntrack_status), of which a first packet has few.

    A NEW packet is neither expected (then it would be RELATED: nf_conntrack_core.c resolve_normal_ct) nor seen in
    reply, assured or confirmed. An ESTABLISHED one is confirmed and seen in reply.
    """

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        if op in ("in", "!"):
            bits = read_number(right, 32, named(CT_STATUS)) & (0xFFFFFFFF if mask is None else mask)
            found = either([self._bit(1 << i) for i in range(32) if bits >> i & 1])
            return found if op == "in" else negated(found)
        if op not in ("==", "!=") or mask is None or members(right) is not None:
            return Unknown(self.text, "the connection's status as a whole")
        value = read_number(right, 32, named(CT_STATUS))
        if value & ~mask:
            return FALSE if op == "==" else TRUE
        parts = [self._bit(1 << i) if value >> i & 1 else negated(self._bit(1 << i))
                 for i in range(32) if mask >> i & 1]
        return both(parts) if op == "==" else negated(both(parts))

    def _bit(self, bit: int) -> Condition:
        if bit in (16, 32):
            return In("ct_snat" if bit == 16 else "ct_dnat", IntervalSet.of(1))
        unknown = Unknown(self.text, "the connection's status is not in the snapshot")
        if bit in (2, 8):
            return AnyOf((In("ct_state", IntervalSet.of(STATE_ESTABLISHED)),
                          All((Not(In("ct_state", IntervalSet.of(STATE_ESTABLISHED, STATE_NEW))), unknown))))
        if bit in (1, 4):
            return All((Not(In("ct_state", IntervalSet.of(STATE_NEW))), unknown))
        return unknown


_ADDRESS_TYPES: Final = frozenset({"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole",
                                   "unreachable", "prohibit", "throw", "nat", "xresolve"})


@dataclass(frozen=True, slots=True)
class FibType(Operand):
    """``fib daddr type``: the routing type of an address."""

    field: Field = "dst"
    interface: str = ""

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        elements = members(right)
        types = [unwrap(element) for element in ([right] if elements is None else elements)]
        if op not in ("==", "!=") or mask is not None or not all(
                isinstance(kind, str) and kind in _ADDRESS_TYPES for kind in types):
            raise Unreadable(json_text(right))
        found = AddressType(self.field, frozenset(types), self.interface)
        return found if op == "==" else negated(found)


_STRICT: Final = ReversePath()


@dataclass(frozen=True, slots=True)
class FibRoute(Operand):
    """``fib saddr . iif oif``: the interface of the route back, 0 where there is none (nft_fib_ipv4.c).

    Only whether there is one can be told; a comparison with a given interface is unknown.
    """

    path: ReversePath = _STRICT

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        right = unwrap(right)
        if op not in ("==", "!=") or mask is not None:
            raise Unreadable(op)
        if right is True:
            return self.path if op == "==" else negated(self.path)
        if right is False or right in (0, "0", ""):
            return negated(self.path) if op == "==" else self.path
        return Unknown(self.text, "which interface the route back uses")


@dataclass(frozen=True, slots=True)
class Concat(Operand):
    """Several operands side by side (``ip saddr . tcp dport``)."""

    parts: tuple[Operand, ...] = ()

    def compare(self, op: str, right: Any, mask: int | None = None) -> Condition:
        if op not in ("==", "!=") or mask is not None:
            raise Unreadable(op)
        elements = members(right)
        found = either([self._is(element) for element in ([right] if elements is None else elements)])
        return found if op == "==" else negated(found)

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

