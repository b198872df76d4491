"""set: membership in an ipset (xt_set.c).

``InSet.fields`` holds ``src`` or ``dst`` for each flag. What a flag asks of the packet depends on the kind of the set:
addr takes the address, port the port, iface the interface (src in, dst out), mark the packet's mark; a protocol takes
no flag of its own (ipset(8), "iptables SET"). `fwaudit.netfilter.denote` knows the set and maps them.
"""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.condition import Condition, InSet, Unknown
from fwaudit.netfilter.matches._option import Match, Option, Reader, all_of, read_option
from fwaudit.packet.fields import Field


def _match_set(arguments: tuple[str, ...], family: int) -> Condition:
    names: dict[str, Field] = {"src": "src", "dst": "dst"}
    flags = arguments[1].split(",")
    if not set(flags) <= set(names):
        raise ValueError(f"not src or dst: {arguments[1]!r}")
    return InSet(("ipset", arguments[0]), tuple(names[flag] for flag in flags))


_READERS = {"--match-set": Reader(2, _match_set), "--set": Reader(2, _match_set)}
_COUNTERS = {"--packets-eq": 1, "--packets-lt": 1, "--packets-gt": 1, "--bytes-eq": 1, "--bytes-lt": 1,
             "--bytes-gt": 1}
_SIDE_EFFECTS = {"--update-counters": 0, "--update-subcounters": 0}


def _parse(options: Sequence[Option], family: int) -> Condition:
    parts: list[Condition] = []
    for option in options:
        if option.name in _SIDE_EFFECTS:
            continue
        if option.name in _COUNTERS:
            parts.append(Unknown(option.text, "counters of the set's element"))
        elif option.name == "--return-nomatch":
            parts.append(Unknown(option.text, "elements of the set that are marked nomatch"))
        else:
            parts.append(read_option(option, _READERS, family))
    if any(option.name == "--return-nomatch" for option in options):
        text = " ".join(option.text for option in options)
        return Unknown(f"-m set {text}", "elements of the set that are marked nomatch")
    return all_of(parts)


SET: Match = Match({"--match-set": 2, "--set": 2, "--return-nomatch": 0, **_COUNTERS, **_SIDE_EFFECTS}, _parse)
