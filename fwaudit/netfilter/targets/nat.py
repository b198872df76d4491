"""DNAT, REDIRECT, NETMAP, SNAT and MASQUERADE: rewrites (iptables-extensions(8); libxt_NAT.c prints them)."""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.model.ruleset import Dnat, NetmapDnat, Redirect, Snat, Target
from fwaudit.netfilter.matches._option import Option, port, port_range
from fwaudit.netfilter.matches.iprange import address_range
from fwaudit.netfilter.targets._target import TargetKind, only
from fwaudit.packet.address import parse_network

_FLAGS = {"--random": 0, "--random-fully": 0, "--persistent": 0}
_TO_DESTINATION = {"--to-destination": 1, **_FLAGS}
_TO_SOURCE = {"--to-source": 1, **_FLAGS}
_TO_PORTS = {"--to-ports": 1, **_FLAGS}
_TO = {"--to": 1}


def _place(text: str, family: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None, int | None]:
    """(addresses, ports, port base) of ``[address[-address]][:port[-port[/base]]]``; IPv6 with ports has brackets."""
    if family == 6:
        inside, bracket, ports = text.removeprefix("[").rpartition("]")
        if not bracket:
            inside, ports = ("", text) if _only_ports(text) else (text, "")
        inside = inside.replace("]-[", "-")
    else:
        inside, colon, ports = text.partition(":")
        if inside and ports.isdigit():  # as usual
            return address_range(inside, family), port_range(ports), None
        ports = colon + ports
    if ports and (not ports.startswith(":") or ports == ":"):
        raise ValueError(f"not an address and ports: {text!r}")
    addresses = address_range(inside, family) if inside else None
    if not ports:
        return addresses, None, None
    span, slash, base = ports[1:].partition("/")
    return addresses, port_range(span, "-"), port(base) if slash else None


def _only_ports(text: str) -> bool:
    """``:80`` and ``:80-90/8080``, which are no IPv6 addresses."""
    return text.startswith(":") and not text.startswith("::")


def _dnat(options: Sequence[Option], family: int) -> Target:
    found = only(options, _TO_DESTINATION)
    if "--to-destination" not in found:
        raise ValueError("no destination")
    addresses, ports, base = _place(found["--to-destination"][0], family)
    if addresses is None and ports is None:
        raise ValueError("no destination")
    return Dnat(addresses, ports, family if addresses else 0, "--random" in found, base)


def _redirect(options: Sequence[Option], family: int) -> Target:
    found = only(options, _TO_PORTS)
    return Redirect(port_range(found["--to-ports"][0], "-") if "--to-ports" in found else None)


def _netmap(options: Sequence[Option], family: int) -> Target:
    """A rewrite of the destination; the reader of the table makes it one of the source where the chain is called from
    postrouting or input (xt_NETMAP.c looks at the hook)."""
    found = only(options, _TO)
    if "--to" not in found:
        raise ValueError("no network")
    its_family, values = parse_network(found["--to"][0])
    low, high = values.bounds if len(values.bounds) == 2 else (0, 0)
    size = high - low
    if its_family != family or size == 0 or size & (size - 1):
        raise ValueError("not a network")
    return NetmapDnat(family, low, (32 if family == 4 else 128) - size.bit_length() + 1)


def netmap_of_source(target: NetmapDnat) -> Snat:
    """NETMAP where it rewrites the source."""
    size = 1 << ((32 if target.family == 4 else 128) - target.prefix)
    return Snat((target.low, target.low + size - 1), None, target.family)


def _snat(options: Sequence[Option], family: int) -> Target:
    found = only(options, _TO_SOURCE)
    if "--to-source" not in found:
        raise ValueError("no source")
    addresses, ports, base = _place(found["--to-source"][0], family)
    if addresses is None or base is not None:
        raise ValueError("the port alone is rewritten")
    return Snat(addresses, ports, family)


def _masquerade(options: Sequence[Option], family: int) -> Target:
    found = only(options, _TO_PORTS)
    return Snat(None, port_range(found["--to-ports"][0], "-") if "--to-ports" in found else None)


DNAT = TargetKind(_TO_DESTINATION, _dnat)
REDIRECT = TargetKind(_TO_PORTS, _redirect)
NETMAP = TargetKind(_TO, _netmap)
SNAT = TargetKind(_TO_SOURCE, _snat)
MASQUERADE = TargetKind(_TO_PORTS, _masquerade)
