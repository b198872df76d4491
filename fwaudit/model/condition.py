"""What a match says, as data: a small language of conditions on a packet.

Every iptables match and nft expression is read into these few words, so that the engine has to know no more than them.
A condition is about the packet alone; what it needs of the host (which addresses are local, what a named set holds) is
named here and looked up when the rules are walked (`fwaudit.netfilter.denote`).

``Unknown`` keeps the text of what nobody can decide from a snapshot; it may be true or false for any packet.
"""

from __future__ import annotations

from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True)
class In:
    """The field's value is one of ``values``. ``src``/``dst`` values are of the rule's family."""

    field: Field
    values: IntervalSet


@dataclass(frozen=True, slots=True)
class Masked:
    """``field & mask == value``."""

    field: Field
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Named:
    """An interface name is ``name``, or begins with it where ``prefix`` (iptables ``eth+``, nft ``eth*``)."""

    field: Field
    name: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """The packet has that interface at all (``-i +`` is always true for input; nft ``oif exists``)."""

    field: Field


@dataclass(frozen=True, slots=True)
class InGroup:
    """The group of the interface, under the mask, is one of ``values`` (``ip link set … group N``)."""

    field: Field
    values: IntervalSet
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AddressType:
    """The routing type of an address (``local``, ``unicast``, ``broadcast``, ``multicast``, ``anycast``, …) is one of
    ``types``.

    ``interface``: the lookup is limited to that interface of the packet (``iif`` or ``oif``), as
    ``addrtype --limit-iface-in`` and ``fib daddr . iif type`` do; empty: any interface. Upper-case the way
    ``ip route`` and ``addrtype`` spell them is not kept: lower case here.
    """

    field: Field
    types: frozenset[str]
    interface: str = ""


@dataclass(frozen=True, slots=True)
class ReversePath:
    """A route back to the source exists (``rpfilter``; nft ``fib saddr . iif oif exists``).

    ``loose``: over any interface; else over the one that the packet came in by. ``marked``: the lookup uses the
    packet's mark.
    """

    loose: bool = False
    marked: bool = False
    accept_local: bool = False


@dataclass(frozen=True, slots=True)
class InSet:
    """The tuple of ``fields`` is an element of a named set.

    ``set_key`` is ``("ipset", name)`` or ``(family, table, name)`` for an nft set.
    """

    set_key: tuple[str, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not decidable from a snapshot, or not understood: ``text`` as the rule prints it, ``why`` in plain words.

    ``of`` names what would tell, such as a set (its key), where it says the same of all packets that are alike in the
    fields ``about``; without it, two rules that ask the same may get two answers.
    """

    text: str
    why: str
    of: tuple[str, ...] = ()
    about: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; true without parts."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds; false without parts."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; unknown stays unknown."""

    part: Condition


Condition = In | Masked | Named | Exists | InGroup | AddressType | ReversePath | InSet | Unknown | All | AnyOf | Not

TRUE = All(())
FALSE = AnyOf(())
