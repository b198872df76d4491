"""Operands that the packet itself does not tell: interfaces, the connection's status, and what routing says."""

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
    Named,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.netfilter.nft_condition import both, either, negated
from fwaudit.netfilter.nft_operand import Operand, Symbolic, union
from fwaudit.netfilter.nft_values import (
    CT_STATUS,
    Unreadable,
    json_text,
    members,
    named,
    number,
    read_number,
    read_values,
    unwrap,
)
from fwaudit.packet.fields import STATE_ESTABLISHED, STATE_NEW, Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class Name(Symbolic):
    """An interface, by name (``index`` None) or by index, which nft prints as a name while the device exists."""

    field: Field = "iif"
    index: Field | None = None

    @property
    def set_field(self) -> Field | None:
        return self.field if self.index is None else None

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
