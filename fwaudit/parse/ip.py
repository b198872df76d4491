"""Interfaces, addresses, routes and policy rules: the JSON of iproute2's ``ip`` → the model.

Read off iproute2 5.9 to 6.18 output and its sources (ipaddress.c, iproute.c, iprule.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from fwaudit.errors import ParseError
from fwaudit.model.host import Address, Interface, PolicyRule, Route
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS
from fwaudit.parse.values import NAME_LIMIT, Record, read_once
from fwaudit.records import replace

UNKNOWN_GROUP = -1
"""The group of an interface whose group name is defined on that host only (/etc/iproute2/group)."""

_TABLES = {"255": "local", "254": "main", "253": "default", "": "main"}
_NOWHERE = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
# Keys of `ip -j rule` that are modelled or have no say in whether the rule applies.
_RULE_KEYS = frozenset({
    "priority", "not", "src", "srclen", "dst", "dstlen", "iif", "iif_detached", "oif", "oif_detached", "fwmark",
    "fwmask", "table", "suppress_prefixlen", "goto", "unresolved", "nop", "l3mdev", "action", "ipproto", "sport",
    "sport_start", "sport_end", "dport", "dport_start", "dport_end", "protocol", "proto", "flow_from", "flow_to",
})
# Queueing disciplines that only order and delay; anything else that is attached may change or drop packets.
_QUEUES = frozenset({"noqueue", "fq_codel", "fq", "pfifo_fast", "pfifo", "bfifo", "mq", "codel", "sfq", "cake", "htb",
                     "tbf", "prio", "red", "hfsc", "multiq", "mqprio", "etf", "taprio", "fq_pie", "pie"})


def parse_interfaces(links: Sequence[Record], addresses: Sequence[Record],
                     programs: Sequence[Record] = ()) -> dict[str, Interface]:
    """Name → Interface, from ``ip -j -d link``, ``ip -j addr`` and tc's list of what is attached.

    ``ip -j addr`` alone gives interfaces too, without kind and bridge flags. Raises ParseError.
    """
    out = {}
    for record in (*addresses, *links):  # links last: they tell more
        if record.text("ifname", NAME_LIMIT):
            interface = _interface(record)
            out[interface.name] = interface
    for record in addresses:
        name = record.text("ifname", NAME_LIMIT)
        if name in out:
            found = (_address(each) for each in record.records("addr_info"))
            out[name] = replace(out[name], addresses=tuple(each for each in found if each is not None))
    for record in programs:
        name = record.text("dev") or record.text("devname") or record.text("ifname")
        kind = record.text("kind")
        if name in out and kind not in _QUEUES:
            label = " ".join(part for part in ("tc", kind, record.text("name", NAME_LIMIT)) if part)
            out[name] = replace(out[name], programs=(*out[name].programs, label))
    return out


def parse_routes(records: Sequence[Record], family: int) -> tuple[Route, ...]:
    """The routes of one family in all tables, in the order printed. Raises ParseError.

    ``ip -4 route show table all`` prints the IPv6 routes as well; those are left out. Cached routes (exceptions) and
    routes for one TOS are no routes of an ordinary first packet and are left out too. ``down`` is a dead next hop;
    ``linkdown`` alone is none, since the kernel uses such routes unless ``ignore_routes_with_linkdown`` is set.
    """
    found = (_route(record, family) for record in records)
    return tuple(route for route in found if route is not None)


def parse_rules(records: Sequence[Record], family: int) -> tuple[PolicyRule, ...]:
    """The policy rules of one family, in the order they are asked. Raises ParseError."""
    return tuple(_rule(record, family) for record in records)


def _interface(record: Record) -> Interface:
    info = record.record("linkinfo")
    slave = info.record("info_slave_data") if info.text("info_slave_kind") == "bridge" else Record(record.source, {})
    group = record.text("group")
    return Interface(
        name=record.text("ifname", NAME_LIMIT),
        index=record.number("ifindex"),
        kind=info.text("info_kind"),
        master=record.text("master", NAME_LIMIT),
        up="UP" in record.values("flags"),
        group=0 if group in ("", "default") else int(group) if group.isdecimal() and len(group) < 11 else UNKNOWN_GROUP,
        mac=record.text("address") if record.text("link_type") == "ether" else "",
        hairpin=slave.flag("hairpin"),
        isolated=slave.flag("isolated"),
        programs=_xdp(record),
    )


def _xdp(record: Record) -> tuple[str, ...]:
    """``"xdp": {"mode": 1, "prog": {"id": 5, "name": …}}``, or ``"attached": [{…}, …]`` for several."""
    if not record.fields.get("xdp"):
        return ()
    xdp = record.record("xdp")
    labels = []
    for each in xdp.records("attached") or [xdp]:
        program = each.record("prog")
        labels.append(f"xdp {program.text('name', NAME_LIMIT) or program.text('id')}".strip())
    return tuple(labels)


def _address(record: Record) -> Address | None:
    """One ``addr_info``; None for an address that failed duplicate detection: the kernel does not use it."""
    local = record.address("local")
    if local is None or record.flag("dadfailed"):
        return None
    family, value = local
    peer, broadcast = record.address("address"), record.address("broadcast")
    return Address(
        family, value, record.number("prefixlen", 32 if family == 4 else 128, 32 if family == 4 else 128),
        record.text("scope") or "global", peer[1] if peer else None, broadcast[1] if broadcast else None,
    )


def _route_family(record: Record) -> int:
    dst = record.text("dst")
    if ":" in dst or "pref" in record or ":" in record.text("gateway") or ":" in record.text("prefsrc"):
        return 6
    return 4 if "." in dst + record.text("gateway") + record.text("prefsrc") or record.source.endswith("v4.json") else 6


def _special(record: Record) -> bool:
    """A cached route, or one for a TOS (an ``encap`` route prints the TOS of its tunnel under the same key)."""
    tos = record.text("tos") not in ("", "0", "0x0", "default") and "encap" not in record
    return tos or "cloned" in record.values("flags") or "cache" in record


@read_once
def _route(record: Record, family: int) -> Route | None:
    """None for one that is of the other family, or no route of an ordinary packet."""
    if _route_family(record) != family or _special(record):
        return None
    kind = record.text("type") or "unicast"
    hops = record.records("nexthops") or [record]
    alive = [hop for hop in hops if "dead" not in hop.values("flags")]
    devices = () if kind in _NOWHERE else tuple(dict.fromkeys(
        name for hop in alive or hops if (name := hop.text("dev", NAME_LIMIT))))
    gateway = hops[0].address("gateway") if len(hops) == 1 else None
    source = record.address("prefsrc")
    low, prefix = _network(record, "dst", family)
    from_low, from_prefix = _network(record, "from", family)
    table = record.text("table")
    return Route(
        family, _TABLES.get(table, table), low, prefix, kind, devices,
        gateway=gateway[1] if gateway and gateway[0] == family else None,
        source=source[1] if source else None, metric=record.number("metric"), down=not alive,
        from_low=from_low, from_prefix=from_prefix,
    )


def _network(record: Record, key: str, family: int) -> tuple[int, int]:
    """(low, prefix length) of ``default``, ``10.0.0.1`` or ``10.0.0.0/8``."""
    text = record.text(key)
    if text in ("", "default", "all", "any"):
        if key == "dst" and not text:
            raise record.wrong(key, "a destination")
        return 0, 0
    address, _, length = text.partition("/")
    width = 32 if family == 4 else 128
    try:
        found, value = parse_address(address)
        prefix = int(length) if length else width
    except ValueError:
        raise record.wrong(key, "a network") from None
    if found != family or not 0 <= prefix <= width:
        raise record.wrong(key, "a network of this family")
    return value >> (width - prefix) << (width - prefix), prefix


@read_once
def _rule(record: Record, family: int) -> PolicyRule:
    table = record.text("table")
    mark = record.maybe_number("fwmark")
    return PolicyRule(
        family, record.number("priority"), _action(record), _TABLES.get(table, table) if table else "",
        src=_selector(record, "src", family), dst=_selector(record, "dst", family),
        iif=record.text("iif", NAME_LIMIT), oif=record.text("oif", NAME_LIMIT),
        mark=mark, mark_mask=record.number("fwmask", 0xFFFFFFFF), inverted="not" in record,
        suppress_prefix=record.maybe_number("suppress_prefixlen"), goto=record.maybe_number("goto"),
        proto=_ip_protocol(record), sport=_ports(record, "sport"), dport=_ports(record, "dport"),
        unknown=tuple(f"{key} {record.fields[key]}"[:NAME_LIMIT] for key in record.fields if key not in _RULE_KEYS),
    )


def _action(record: Record) -> str:
    """A goto whose target does not exist is passed over by the kernel, like nop."""
    if "goto" in record:
        return "nop" if "unresolved" in record else "goto"
    for word in ("nop", "l3mdev"):
        if word in record:
            return word
    return record.text("action") or "lookup"


def _selector(record: Record, key: str, family: int) -> tuple[int, int] | None:
    """``"src": "10.0.0.0", "srclen": 8``; without a length, one address; ``all``: None."""
    text = record.text(key)
    if text in ("", "all", "any", "default"):
        return None
    width = 32 if family == 4 else 128
    length = record.number(f"{key}len", width, width)
    fields = {key: text if "/" in text else f"{text}/{length}"}
    return _network(Record(record.source, fields), key, family)


def _ip_protocol(record: Record) -> int | None:
    name = record.text("ipproto").lower()
    if not name:
        return None
    if name.isascii() and name.isdigit() and len(name) < 4:
        return int(name)
    name = name.removeprefix("ipproto-")  # so does iproute2 print a number without a name
    number = PROTOCOLS.get(name, int(name) if name.isascii() and name.isdigit() and len(name) < 4 else None)
    if number is None:
        raise ParseError(record.source, 0, f"unknown protocol in a policy rule: {name[:40]!r}")
    return number


def _ports(record: Record, key: str) -> tuple[int, int] | None:
    one = record.maybe_number(key, MAX_PORT)
    if one is not None:
        return one, one
    low, high = record.maybe_number(f"{key}_start", MAX_PORT), record.maybe_number(f"{key}_end", MAX_PORT)
    return None if low is None or high is None else (low, high)
