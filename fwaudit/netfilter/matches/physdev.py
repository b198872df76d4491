"""physdev: the bridge ports that a packet came in and will leave by (xt_physdev.c physdev_mt).

A packet that came in by no bridge port fails every option and matches every negated one. For a packet that did,
``--physdev-out`` fails, negated or not, as long as it leaves by no bridge port.
"""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import AnyOf, Condition, Exists, In, Named, Not
from fwaudit.netfilter.matches._option import Match, Option, Reader, all_of, read_option
from fwaudit.packet.fields import Field
from fwaudit.packet.intervals import IntervalSet


def _named(field: Field, name: str) -> Condition:
    if name == "+":
        return Exists(field)
    return Named(field, name[:-1], prefix=True) if name.endswith("+") else Named(field, name)


_READERS = {
    "--physdev-in": Reader(1, lambda arguments, family: _named("physin", arguments[0])),
    "--physdev-out": Reader(1, lambda arguments, family: _named("physout", arguments[0])),
    "--physdev-is-in": Reader(0, lambda arguments, family: Exists("physin")),
    "--physdev-is-out": Reader(0, lambda arguments, family: Exists("physout")),
    "--physdev-is-bridged": Reader(0, lambda arguments, family: In("bridged", IntervalSet.of(1))),
}


def _parse(options: Sequence[Option], family: int) -> Condition:
    parts: list[Condition] = []
    for option in options:
        parts.append(read_option(option, _READERS, family))
        if option.name == "--physdev-out" and option.negated:
            parts.append(AnyOf((Exists("physout"), Not(Exists("physin")))))
    return all_of(parts)


PHYSDEV: Match = Match({name: reader.arguments for name, reader in _READERS.items()}, _parse)
