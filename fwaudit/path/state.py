"""PacketState: all that is known of a packet at one place on its way, but for the peer's address.

A field is None where it is the peer's address (``src`` of a packet that comes in, ``dst`` of the answer to it) or,
for ``sport``/``dport`` and marks, where the value is not known.
"""

from __future__ import annotations

from fwaudit.packet.fields import STATE_INVALID
from fwaudit.records import NamedTuple

PEER = None
DESTINATION_DONE, SOURCE_DONE = 1, 2


class PacketState(NamedTuple):
    """One packet, as rules can see it. Names are those of `fwaudit.packet.fields.Field`.

    ``ct_state``: None where the packet has a template, and will be tracked (see `Template`).
    ``nat_done``: NAT of the destination or, later, of the source is decided, even where it changed nothing
    (IPS_DST_NAT_DONE, IPS_SRC_NAT_DONE of the kernel): 0, DESTINATION_DONE, SOURCE_DONE.
    ``answers``: of an answer, (ct_snat, ct_dnat) of the connection that tracking will find for it; None: it finds none.
    """

    family: int
    proto: int
    src: int | None = PEER
    dst: int | None = 0
    sport: int | None = None
    dport: int | None = 0
    icmp_type: int = 8
    icmp_code: int = 0
    tcp_flags: int = 2
    iif: str = ""
    oif: str = ""
    iif_index: int = 0
    oif_index: int = 0
    physin: str = ""
    physout: str = ""
    mark: int | None = 0
    ct_mark: int | None = 0
    ct_state: int | None = STATE_INVALID
    ct_direction: int = 0
    ct_snat: int = 0
    ct_dnat: int = 0
    orig_src: int | None = PEER
    orig_dst: int | None = 0
    orig_sport: int | None = None
    orig_dport: int | None = 0
    reply_src: int | None = 0
    reply_dst: int | None = PEER
    reply_sport: int | None = 0
    reply_dport: int | None = None
    bridged: int = 0
    pkttype: int = 0
    locally_made: int = 0
    in_sets: int = 0
    nat_done: int = 0
    answers: tuple[int, int] | None = None


FIELD_INDEX = {name: i for i, name in enumerate(PacketState._fields)}


def but(state: PacketState, **changes: object) -> PacketState:
    """The state with other values in some fields: ``state._replace``, in half the time where one field changes."""
    values: list[object] = list(state)
    for name, value in changes.items():
        values[FIELD_INDEX[name]] = value
    return tuple.__new__(PacketState, values)


ADDRESS_FIELDS = frozenset({"src", "dst", "orig_src", "orig_dst", "reply_src", "reply_dst"})
PORT_FIELDS = frozenset({"sport", "dport", "orig_sport", "orig_dport", "reply_sport", "reply_dport"})
CLIENT_PORTS = (1024, 65535)
"""Where an ordinary client's source port lies when the question does not name one."""
UNKNOWN_PORT = "?"
"""The value of ``physin``/``physout`` where a packet crosses a bridge: which port it is, a question does not say."""
