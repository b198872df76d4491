"""Rulesets: tables, chains, rules, targets and named sets, for iptables-nft, iptables-legacy and native nftables alike.

An nft rule whose statements take effect before its last match (``meta mark set 1 ip saddr A accept``), a verdict map
and a NAT map are kept as one rule with an ``Inline`` target: an unnamed chain, so that the engine knows one kind of
rule only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from fwaudit.model.condition import Condition
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

Backend = Literal["nft", "legacy", "native"]
"""``nft``: made by iptables-nft; ``legacy``: by iptables-legacy; ``native``: by nft or another netlink program."""

Hook = Literal["ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"]


# ---- targets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accept:
    """Ends the base chain; later base chains of the hook still run."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Final for the packet."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Final, and the sender is told ``how`` (``icmp-port-unreachable``, ``tcp-reset``, …)."""

    how: str


@dataclass(frozen=True, slots=True)
class Return:
    """Back to the caller; in a base chain, the chain policy."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Walk ``chain``, then go on behind this rule."""

    chain: str


@dataclass(frozen=True, slots=True)
class Goto:
    """Walk ``chain`` in place of the rest of this one."""

    chain: str


@dataclass(frozen=True, slots=True)
class Continue:
    """No effect on the packet's way (LOG, counter, TCPMSS, …); ``name`` says which."""

    name: str


@dataclass(frozen=True, slots=True)
class ChangeSet(Continue):
    """Adds an element of the packet to a named set, or takes it out (``removes``): rules behind it may see that."""

    set_key: tuple[str, ...] = ()
    removes: bool = False


@dataclass(frozen=True, slots=True)
class Inline:
    """An unnamed chain in a rule's place: walked like a Jump."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Dnat:
    """Rewrite the destination; the kernel picks one of ``addresses`` × ``ports`` where there are several.

    ``addresses`` None: the address stays. ``ports`` None: the port stays. ``family`` 4 or 6: of the addresses, and the
    only packets that nft's ``dnat ip to`` applies to; 0: any.
    ``port_base``: with a range, the port is shifted by (original port - port_base) (iptables ``--to-destination
    :a-b/base``).
    """

    addresses: tuple[int, int] | None
    ports: tuple[int, int] | None = None
    family: int = 0
    random: bool = False
    port_base: int | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """DNAT to this host: the first address of the interface that the packet came in by; loopback in output."""

    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NetmapDnat:
    """NETMAP in prerouting/output: the network part of the destination becomes that of ``network`` (low, prefix)."""

    family: int
    low: int
    prefix: int


@dataclass(frozen=True, slots=True)
class Snat:
    """Rewrite the source. ``addresses`` None: masquerade (the address of the outgoing interface)."""

    addresses: tuple[int, int] | None
    ports: tuple[int, int] | None = None
    family: int = 0


@dataclass(frozen=True, slots=True)
class SetMark:
    """``field = (field & ~mask) ^ value`` for ``mark`` or ``ct_mark`` (iptables --set-xmark semantics); ``in_sets`` is
    the engine's own."""

    field: Literal["mark", "ct_mark", "in_sets"]
    value: int
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class CopyMark:
    """Save (``ct_mark`` from ``mark``) or restore (``mark`` from ``ct_mark``), as xt_CONNMARK does:
    ``to = (to & ~to_mask) ^ (from & from_mask)``."""

    to: Literal["mark", "ct_mark"]
    to_mask: int = 0xFFFFFFFF
    from_mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class NoTrack:
    """No connection tracking for this packet: no NAT, state UNTRACKED."""


@dataclass(frozen=True, slots=True)
class Template:
    """What the connection is to be given (zone, helper, timeout) before it is tracked. From here on the packet will be
    tracked for certain: NoTrack comes too late. ``anew``: also after NoTrack (nft; iptables leaves that alone).
    ``zone``: an answer finds its connection where rules give it the same one."""

    name: str
    anew: bool = False
    zone: bool = False


@dataclass(frozen=True, slots=True)
class Undecidable:
    """A target whose outcome the ruleset does not tell (NFQUEUE, TPROXY, an unknown one): anything may happen.

    ``terminal`` False: the packet goes on behind the rule for certain, changed in a way that is not known.
    """

    text: str
    why: str
    terminal: bool = True


Target = (
    Accept | Drop | Reject | Return | Jump | Goto | Continue | Inline | Dnat | Redirect | NetmapDnat | Snat | SetMark
    | CopyMark | NoTrack | Template | Undecidable
)


# ---- rules, chains, tables ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all ``conditions`` hold → ``target``. ``text`` prints it as its tool would; ``number`` is 1-based.

    ``counters`` is (packets, bytes) where the dump had them.
    """

    conditions: tuple[Condition, ...]
    target: Target
    text: str
    number: int = 0
    counters: tuple[int, int] | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain. A base chain has ``hook``, ``priority``, ``kind`` (filter, nat, route) and ``policy``.

    ``devices``: only packets of these interfaces (netdev ingress/egress); empty: all. A name may end in ``*``
    (Linux 6.16, nft 1.1.4).
    """

    name: str
    rules: Sequence[Rule]
    hook: Hook | None = None
    priority: int = 0
    kind: Literal["filter", "nat", "route"] = "filter"
    policy: Literal["accept", "drop"] = "accept"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one backend. ``family``: ip, ip6, inet, netdev, bridge, arp."""

    backend: Backend
    family: str
    name: str
    chains: Mapping[str, Chain]
    dormant: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a named set: a range of values for each field, as IntervalSets (names for interfaces).

    ``excluded``: an ipset ``nomatch`` element. ``expires``: it has a timeout, so it may be gone later.
    """

    values: tuple[IntervalSet | str, ...]
    excluded: bool = False
    expires: bool = False


@dataclass(frozen=True, slots=True)
class NamedSet:
    """An ipset or nft set. ``kinds`` names what each element holds: addr, port, proto, iface, mark, mac, set.

    A set of plain addresses or numbers of one kind is kept as ``values`` alone, by family (4, 6; 0 for numbers), since
    it may hold 100,000 of them. ``members``: of an ipset list:set. ``unread``: why the elements are not known, empty
    where they are. ``dynamic``: packets or programs add to it, so it may differ tomorrow. ``family`` 4 or 6: an ipset
    that no packet of the other one is in; 0: any.
    """

    key: tuple[str, ...]
    kinds: tuple[str, ...]
    values: Mapping[int, IntervalSet] = field(default_factory=dict)
    elements: tuple[Element, ...] = ()
    members: tuple[str, ...] = ()
    dynamic: bool = False
    unread: str = ""
    family: int = 0


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All tables of a host and the sets that they use. ``unread``: (source, why) for each that could not be read."""

    tables: tuple[Table, ...] = ()
    sets: Mapping[tuple[str, ...], NamedSet] = field(default_factory=dict)
    unread: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def fields_of(direction: str) -> tuple[Field, Field]:
    """The address and port fields that an ipset's ``src`` or ``dst`` means."""
    return ("src", "sport") if direction == "src" else ("dst", "dport")
