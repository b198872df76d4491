"""conntrack and state: what connection tracking knows of the packet's connection (xt_conntrack.c conntrack_mt).

A packet that is not tracked (INVALID, UNTRACKED) has no connection: the kernel then looks at ``--ctstate`` alone, and
where the rule has none the match fails, negated options included (``if (ct == NULL) return match_flags & STATE``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fwaudit.model.condition import FALSE, AnyOf, Condition, In, Unknown
from fwaudit.netfilter.matches._option import Match, Option, Reader, all_of, any_of, ports_in, read_option
from fwaudit.netfilter.matches.basic import addresses, protocol_number
from fwaudit.packet.fields import (
    STATE_ESTABLISHED,
    STATE_INVALID,
    STATE_NEW,
    STATE_RELATED,
    STATE_UNTRACKED,
    Field,
)
from fwaudit.packet.intervals import IntervalSet

_STATES = {"INVALID": STATE_INVALID, "ESTABLISHED": STATE_ESTABLISHED, "RELATED": STATE_RELATED, "NEW": STATE_NEW,
           "UNTRACKED": STATE_UNTRACKED}
_NATTED: dict[str, Field] = {"SNAT": "ct_snat", "DNAT": "ct_dnat"}
_ONE = IntervalSet.of(1)

TRACKED = In("ct_state", IntervalSet.of(STATE_ESTABLISHED, STATE_RELATED, STATE_NEW))
_NOT_TRACKED = In("ct_state", ~TRACKED.values)
_OLD = In("ct_state", IntervalSet.of(STATE_ESTABLISHED, STATE_RELATED))


def _state(arguments: tuple[str, ...], family: int) -> Condition:
    """SNAT and DNAT are no states but marks on the connection that a rewrite has left."""
    names = arguments[0].upper().split(",")
    unknown = [name for name in names if name not in _STATES and name not in _NATTED]
    if unknown:
        raise ValueError(f"not a connection state: {unknown[0]!r}")
    states = [_STATES[name] for name in names if name in _STATES]
    parts: list[Condition] = [In("ct_state", IntervalSet.of(*states))] if states else []
    parts += [In(_NATTED[name], _ONE) for name in sorted(set(names) & set(_NATTED))]
    return any_of(parts)


def _status(arguments: tuple[str, ...], family: int) -> Condition:
    """A packet that is NEW has no status of these yet: nf_conntrack_core.c resolve_normal_ct calls one that is EXPECTED
    or has SEEN_REPLY by another state, and the first packet is confirmed behind all rules. NONE is an empty mask, which
    nothing matches."""
    names = arguments[0].upper().split(",")
    if not set(names) <= {"NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}:
        raise ValueError(f"not a connection status: {arguments[0]!r}")
    if names == ["NONE"]:
        return FALSE
    return all_of([_OLD, Unknown(f"--ctstatus {arguments[0]}", "how far the connection has come")])


def _direction(arguments: tuple[str, ...], family: int) -> Condition:
    values = {"ORIGINAL": 0, "REPLY": 1}
    if arguments[0].upper() not in values:
        raise ValueError(f"not a direction: {arguments[0]!r}")
    return In("ct_direction", IntervalSet.of(values[arguments[0].upper()]))


def _protocol(arguments: tuple[str, ...], family: int) -> Condition:
    """NAT leaves the protocol alone, so the connection's is the packet's (but for RELATED ICMP errors)."""
    value = protocol_number(arguments[0])
    if value is None:
        raise ValueError("a protocol by a name that is not known here")
    return In("proto", IntervalSet.of(value))


def _expires(arguments: tuple[str, ...], family: int) -> Condition:
    return Unknown(f"--ctexpire {arguments[0]}", "how long the connection has left")


def _fields(read: Callable[[Field], Callable[[tuple[str, ...], int], Condition]],
            names: dict[str, Field]) -> dict[str, Reader]:
    return {name: Reader(1, read(field)) for name, field in names.items()}


_STATE_READERS = {"--ctstate": Reader(1, _state), "--state": Reader(1, _state)}
_OTHER_READERS = {
    "--ctstatus": Reader(1, _status), "--ctdir": Reader(1, _direction), "--ctproto": Reader(1, _protocol),
    "--ctexpire": Reader(1, _expires),
    **_fields(addresses, {"--ctorigsrc": "orig_src", "--ctorigdst": "orig_dst", "--ctreplsrc": "reply_src",
                          "--ctrepldst": "reply_dst"}),
    **_fields(ports_in, {"--ctorigsrcport": "orig_sport", "--ctorigdstport": "orig_dport",
                         "--ctreplsrcport": "reply_sport", "--ctrepldstport": "reply_dport"}),
}
_READERS = {**_STATE_READERS, **_OTHER_READERS}


def _parse(options: Sequence[Option], family: int) -> Condition:
    state = [read_option(option, _READERS, family) for option in options if option.name in _STATE_READERS]
    others = [read_option(option, _READERS, family) for option in options if option.name not in _STATE_READERS]
    if not others:
        return all_of(state)
    if not state:
        return all_of([TRACKED, *others])
    if all(_needs_tracking(part) for part in state):
        return all_of([*state, *others])
    return all_of([*state, AnyOf((_NOT_TRACKED, all_of(others)))])


def _needs_tracking(condition: Condition) -> bool:
    """Whether a condition on the state fails for every packet that is not tracked."""
    if isinstance(condition, AnyOf):
        return all(_needs_tracking(part) for part in condition.parts)
    if isinstance(condition, In):
        return condition.values == _ONE or condition.values <= TRACKED.values
    return False


CONNTRACK: Match = Match({name: reader.arguments for name, reader in _READERS.items()}, _parse)
