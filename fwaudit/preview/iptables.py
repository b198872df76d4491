"""The rules of Docker's iptables backend, up to 27, 28 and from 29 on, in the words and the order of iptables-save.

Source: moby, libnetwork/drivers/bridge/setup_ip_tables_linux.go (up to 27) and internal/iptabler (from 28 on), and what
each wrote when it was run.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.preview import Binding, Box, Bridge, Seat
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.preview.dump import Dump
from fwaudit.preview.ways import Ways
from fwaudit.records import NamedTuple

_CLASSIC_HEAD = ("-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1")
_LOOPBACK_LOW, _LOOPBACK_HIGH = 127 << 24, (128 << 24) - 1


class Written(NamedTuple):
    """One rule that belongs to a container. ``first``: inserted, else appended."""

    family: int
    table: str
    chain: str
    rule: str
    first: bool = False


# ---- a container ----------------------------------------------------------------------------------------------------


def rules_of(box: Box, ways: Ways) -> Iterator[Written]:
    """Everything that the engine writes for a container, in order; each rule once."""
    for seat in box.seats:
        if seat.bridge.driver == "bridge" and not seat.bridge.internal:
            yield from _kept_from_others(seat, ways)
    if box.outlet is not None and not box.outlet.bridge.internal:
        for binding in box.bindings:
            yield from dict.fromkeys(_of_binding(binding, box.outlet.bridge, ways))


def _kept_from_others(seat: Seat, ways: Ways) -> Iterator[Written]:
    """Raw rules that drop what others send to the container's own address (28.2 and later)."""
    name = seat.bridge.interface
    for family in sorted(ways.families):
        address = seat.address(family)
        if ways.direct == "address" and address is not None and seat.bridge.mode(family) == "nat":
            for trusted in _trusted(seat.bridge):
                yield Written(family, "raw", "PREROUTING", f"-A PREROUTING -d {_cidr(family, address)} -i {trusted} -j "
                                                           "ACCEPT")
            yield Written(family, "raw", "PREROUTING", f"-A PREROUTING -d {_cidr(family, address)} ! -i {name} -j DROP")


def _trusted(bridge: Bridge) -> list[str]:
    names = bridge.options.get("com.docker.network.bridge.trusted_host_interfaces", "")
    return [each for each in names.split(":") if each]


def _of_binding(each: Binding, bridge: Bridge, ways: Ways) -> Iterator[Written]:
    family, address = each.to
    if family not in ways.families:
        return
    classic, name = ways.generation == "classic", bridge.interface
    proto = PROTOCOL_NAMES[each.proto]
    words, inner, container = f"-p {proto} -m {proto} --dport", each.container_port, _cidr(family, address)
    if not classic and each.host_port and each.family == 4 and _LOOPBACK_LOW <= each.host_address <= _LOOPBACK_HIGH:
        yield Written(4, "raw", "PREROUTING", f"-A PREROUTING -d {_cidr(4, each.host_address)} ! -i lo {words} "
                                              f"{each.host_port} -j DROP")
    if ways.direct == "port" and bridge.mode(family) == "nat":
        yield Written(family, "raw", "PREROUTING", f"-A PREROUTING -d {container} ! -i {name} {words} {inner} -j DROP")
    if each.family != family:
        return  # docker-proxy carries it
    if each.host_port:
        yield Written(family, "nat", "DOCKER", _dnat(each, name, words, ways))
        if classic or ways.hairpin:
            yield Written(family, "nat", "POSTROUTING",
                          f"-A POSTROUTING -s {container} -d {container} {words} {inner} -j MASQUERADE")
    if bridge.mode(family) != "nat-unprotected":
        yield Written(family, "filter", "DOCKER",
                      f"-A DOCKER -d {container} ! -i {name} -o {name} {words} {inner} -j ACCEPT", first=not classic)


def _dnat(each: Binding, name: str, words: str, ways: Ways) -> str:
    family, address = each.to
    parts = ["-A DOCKER"]
    if family == 6 and ways.generation != "classic":
        parts.append("! -s fe80::/10")
    if each.host_address:
        parts.append(f"-d {_cidr(family, each.host_address)}")
    if not ways.hairpin:
        parts.append(f"! -i {name}")
    text = format_address(family, address)
    to = f"{text}:{each.container_port}" if family == 4 else f"[{text}]:{each.container_port}"
    return " ".join([*parts, f"{words} {each.host_port} -j DNAT --to-destination {to}"])


def add(box: Box, ways: Ways, dumps: dict[int, Dump]) -> None:
    """Write a container's rules."""
    for each in rules_of(box, ways):
        dump = dumps[each.family]
        (dump.insert if each.first else dump.append)(each.table, each.chain, each.rule)


def remove(box: Box, ways: Ways, dumps: dict[int, Dump]) -> None:
    """Take a container's rules out."""
    for each in dict.fromkeys(rules_of(box, ways)):
        dumps[each.family].take(each.table, each.chain, each.rule)


# ---- a network ------------------------------------------------------------------------------------------------------


def add_network(bridge: Bridge, ways: Ways, dumps: dict[int, Dump]) -> None:
    """Write a new bridge network's rules."""
    for family in sorted(ways.families):
        pool = bridge.pool(family)
        if pool is None:
            continue
        subnet = f"{format_address(family, pool.low)}/{pool.prefix}"
        if not bridge.internal:
            _nat(bridge, family, subnet, ways, dumps[family])
        if ways.generation == "classic":
            _classic(bridge, family, subnet, dumps[family], with_user=ways.version >= (23, 0, 0) or family == 4)
        else:
            _modern(bridge, family, subnet, ways, dumps[family])


def _nat(bridge: Bridge, family: int, subnet: str, ways: Ways, dump: Dump) -> None:
    name = bridge.interface
    fixed = bridge.options.get(f"com.docker.network.host_ipv{family}", "")
    source = f"-j SNAT --to-source {fixed}" if fixed else "-j MASQUERADE"
    masquerade = bridge.flag("enable_ip_masquerade")
    if masquerade and bridge.mode(family) != "routed":
        dump.insert("nat", "POSTROUTING", f"-A POSTROUTING -s {subnet} ! -o {name} {source}")
    if ways.hairpin:
        dump.insert("nat", "POSTROUTING", f"-A POSTROUTING -o {name} -m addrtype --src-type LOCAL {source}")
    elif masquerade and ways.generation != "29":
        dump.insert("nat", "DOCKER", f"-A DOCKER -i {name} -j RETURN")


def _classic(bridge: Bridge, family: int, subnet: str, dump: Dump, *, with_user: bool) -> None:
    """Up to 27: at the top of FORWARD, below the two jumps that are put back to the very top."""
    name = bridge.interface
    head = _CLASSIC_HEAD if with_user else _CLASSIC_HEAD[1:]
    for jump in head:
        dump.take("filter", "FORWARD", jump, needed=False)
    inner = [f"-A FORWARD -i {name} -o {name} -j ACCEPT"] if bridge.flag("enable_icc") else []
    if bridge.internal:
        own = inner
    else:
        own = [f"-A FORWARD -o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
               f"-A FORWARD -o {name} -j DOCKER", f"-A FORWARD -i {name} ! -o {name} -j ACCEPT", *inner]
    for rule in reversed([*head, *own]):
        dump.insert("filter", "FORWARD", rule)
    if not inner:
        dump.append("filter", "FORWARD", f"-A FORWARD -i {name} -o {name} -j DROP")
    _isolation(bridge, family, subnet, dump)


def _isolation(bridge: Bridge, family: int, subnet: str, dump: Dump) -> None:
    name, first, second = bridge.interface, "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"
    if bridge.internal:
        _internal(first, name, family, subnet, dump)
        return
    before = f"-A {first} -i {name} ! -o {name} -j {second}"
    if dump.rules("filter", first)[-1:] == [f"-A {first} -j RETURN"]:
        dump.insert("filter", first, before)
    else:
        dump.append("filter", first, before)
    dump.insert("filter", second, f"-A {second} -o {name} -j DROP")


def _internal(chain: str, name: str, family: int, subnet: str, dump: Dump) -> None:
    out, into = ("", "") if family == 4 else (f"! -i {name} ", f" ! -o {name}")
    dump.insert("filter", chain, f"-A {chain} ! -d {subnet} -i {name}{into} -j DROP")
    dump.insert("filter", chain, f"-A {chain} ! -s {subnet} {out}-o {name} -j DROP")


def _modern(bridge: Bridge, family: int, subnet: str, ways: Ways, dump: Dump) -> None:
    """From 28.0.1 on: at the end of Docker's own chains."""
    name, icc = bridge.interface, bridge.flag("enable_icc")
    if bridge.internal:
        verdict = "ACCEPT" if icc else "DROP"
        dump.append("filter", "DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {name} -o {name} -j {verdict}")
        if ways.generation == "29":
            _internal("DOCKER-INTERNAL", name, family, subnet, dump)
        else:
            _isolation(bridge, family, subnet, dump)
        return
    mode = bridge.mode(family)
    if icc:
        dump.append("filter", "DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {name} -j ACCEPT")
    else:
        dump.append("filter", "DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {name} -o {name} -j DROP")
        dump.append("filter", "DOCKER-FORWARD", f"-A DOCKER-FORWARD -i {name} ! -o {name} -j ACCEPT")
    if mode == "routed":
        proto = "icmp" if family == 4 else "ipv6-icmp"
        dump.append("filter", "DOCKER", f"-A DOCKER -o {name} -p {proto} -j ACCEPT")
    verdict = "ACCEPT" if mode == "nat-unprotected" else "DROP"
    dump.append("filter", "DOCKER", f"-A DOCKER ! -i {name} -o {name} -j {verdict}")
    dump.append("filter", "DOCKER-CT", f"-A DOCKER-CT -o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    dump.append("filter", "DOCKER-BRIDGE", f"-A DOCKER-BRIDGE -o {name} -j DOCKER")
    if ways.generation == "28":
        if mode == "routed":
            first = "DOCKER-ISOLATION-STAGE-1"
            dump.insert("filter", first, f"-A {first} -o {name} -j RETURN")
            dump.insert("filter", first, f"-A {first} -i {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
        _isolation(bridge, family, subnet, dump)


def _cidr(family: int, address: int) -> str:
    return f"{format_address(family, address)}/{32 if family == 4 else 128}"
