"""The output of ``ipset save`` → named sets.

A set of plain addresses becomes ``values`` alone. One with several fields becomes elements, those that differ in their
first address only joined into one. Its ``kinds`` have a ``proto`` in front of every ``port``, and that takes no flag of
the ``set`` match of its own (ipset(8): ``hash:ip,port`` is matched with two flags). ``nomatch`` elements are worked
in: of the networks that hold an address the longest prefix decides (ip_set_hash_gen.h mtype_test_cidrs), so no element
of the result is ``excluded``. An ICMP message has its type and code in the port's place, type × 256 + code
(ip_set_getport.c get_port); of a hardware address nothing is kept, since a snapshot tells none of a packet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fwaudit.errors import ParseError
from fwaudit.model.ruleset import Element, NamedSet
from fwaudit.netfilter.ipset_regions import Region, Unread, Value, innermost, joined, nested, without
from fwaudit.netfilter.matches._option import number, port_range
from fwaudit.netfilter.matches.basic import protocol_number
from fwaudit.netfilter.matches.icmp import TYPES4, TYPES6, type_and_code
from fwaudit.packet.address import OCTETS, masked, parse_address
from fwaudit.packet.fields import ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE
from fwaudit.packet.intervals import ALL, IntervalSet

_WORD = re.compile(r'"[^"]*"|\S+')
_V4 = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?:/([0-9]{1,2}))?$")
_CREATE_FLAGS = frozenset({"counters", "comment", "skbinfo", "forceadd"})
_ADD_FLAGS = frozenset({"nomatch", "wildcard"})
_WITHOUT_EFFECT = frozenset({"timeout", "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue"})
_KINDS = {"ip": "addr", "net": "addr", "port": "port", "iface": "iface", "mark": "mark", "mac": "mac", "set": "set"}
TYPES = frozenset({
    "bitmap:ip", "bitmap:port", "bitmap:ip,mac", "hash:ip", "hash:mac", "hash:ip,mac", "hash:net", "hash:net,net",
    "hash:ip,port", "hash:net,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:ip,mark", "hash:net,port,net",
    "hash:net,iface", "list:set",
})
_ANY_FAMILY = frozenset({"bitmap:port", "hash:mac", "list:set"})
_WITH_PORTS = frozenset({TCP, UDP, SCTP, UDPLITE})
_MAX_SUBTRACTIONS = 1_000_000

@dataclass(slots=True)
class _Open:
    """A set as it is being read; ``fields`` are those of its type, ``ip``, ``port`` and so on."""

    name: str
    kind: str
    fields: tuple[str, ...]
    options: dict[str, str]
    line: int
    added: list[tuple[str, str, str]] = field(default_factory=list)  # element, space, options behind it
    lines: list[int] = field(default_factory=list)  # the number of each element's line

    @property
    def family(self) -> int:
        return 6 if self.options.get("family") == "inet6" else 4

    @property
    def netmask(self) -> int:
        """How many bits of each address count. Raises ValueError where the option does not read."""
        width = 32 if self.family == 4 else 128
        return number(self.options.get("netmask", str(width)), width)

    @property
    def kinds(self) -> tuple[str, ...]:
        kinds: list[str] = []
        for name in self.fields:
            if name == "port":
                kinds.append("proto")
            kinds.append(_KINDS.get(name, name))
        return tuple(kinds)


def parse(text: str, source: str = "ipset/save") -> dict[tuple[str, ...], NamedSet]:
    """The sets by ``("ipset", name)``. One of a type that is not known is ``unread``, with the reason.

    Raises ParseError for a line that does not read and for an element of a set that was not created.
    """
    sets: dict[str, _Open] = {}
    found: _Open | None = None
    before = "\n"  # what elements of that set begin with: most lines are like the one in front of them
    for at, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if found is not None and line.startswith(before):
            found.added.append(line[len(before):].partition(" "))
            found.lines.append(at)
            continue
        words = line.split(" ", 3)
        if len(words) >= 3 and words[0] == "add":
            found = sets.get(words[1])
            if found is None:
                raise ParseError(source, at, f"an element of set {words[1]!r}, which is not created",
                                 "Give the whole output of ipset save.")
            before = f"add {words[1]} "
            found.added.append(line[len(before):].partition(" "))
            found.lines.append(at)
        elif len(words) >= 3 and words[0] == "create":
            if words[1] in sets:
                raise ParseError(source, at, f"set {words[1]!r} for the second time")
            sets[words[1]] = _Open(words[1], words[2], tuple(words[2].partition(":")[2].split(",")),
                                   _options(words[3] if len(words) > 3 else "", _CREATE_FLAGS), at)
        elif line.strip(" \t\r") and line[:1] != "#":
            raise ParseError(source, at, f"not a line of ipset save: {line[:80]!r}",
                             "Give the whole output of ipset save.")
    return {("ipset", found.name): _finish(found, source) for found in sets.values()}


def _options(text: str, flags: frozenset[str]) -> dict[str, str]:
    """Options behind an element or a type: name → value, empty for a flag."""
    words = _WORD.findall(text)
    out: dict[str, str] = {}
    while words:
        name = words.pop(0)
        out[name] = words.pop(0) if name not in flags and words and name != "-exist" else ""
    return out


def _finish(found: _Open, source: str) -> NamedSet:
    key = ("ipset", found.name)
    dynamic = "timeout" in found.options
    family = 0 if found.kind in _ANY_FAMILY else found.family
    try:
        if found.kind not in TYPES:
            raise Unread(f"sets of type {found.kind} are not known here")
        if found.kind == "list:set":
            return NamedSet(key, ("set",), members=tuple([element for element, _, _ in found.added]), dynamic=dynamic)
        if found.kinds == ("addr",):
            return NamedSet(key, ("addr",), {found.family: _addresses(found, source)}, dynamic=dynamic,
                            family=family)
        return NamedSet(key, found.kinds, elements=_elements(found, source), dynamic=dynamic, family=family)
    except Unread as why:
        return NamedSet(key, found.kinds, dynamic=dynamic, unread=str(why))
    except ValueError as error:
        raise ParseError(source, found.line, f"set {found.name}: {error}",
                         "Give the whole output of ipset save.") from None


def _each(found: _Open, source: str, read: Callable[[str, str], None]) -> None:
    """Call ``read(element, options)`` for every element; one that does not read is a ParseError with its line."""
    for (element, _, options), line in zip(found.added, found.lines, strict=True):
        try:
            read(element, options)
        except ValueError as error:
            raise ParseError(source, line, f"set {found.name}: element {element[:80]!r}: {error}",
                             "Give the whole output of ipset save.") from None


def _marks(text: str) -> tuple[bool, bool]:
    """(nomatch, wildcard) of an element by its options. Raises Unread for one whose effect is not known."""
    options = _options(text, _ADD_FLAGS)
    unknown = options.keys() - _WITHOUT_EFFECT - _ADD_FLAGS - {"-exist"}
    if unknown:
        raise Unread(f"an element has the option {sorted(unknown)[0]}, which is not known here")
    return "nomatch" in options, "wildcard" in options


# ---- sets of addresses ----------------------------------------------------------------------------------------------


def _addresses(found: _Open, source: str) -> IntervalSet:
    """All addresses of a set of one address each."""
    if "bitmask" in found.options:
        return _with_bitmask(found, source)
    prefix = found.netmask
    family = found.family
    if family == 4 and prefix == 32:
        singles = _single_addresses(found)
        if singles is not None:
            return IntervalSet.of(*singles)
    matching: list[tuple[int, int]] = []
    excluded: list[tuple[int, int]] = []

    def read(element: str, options: str) -> None:
        span = _span(element, family, prefix)
        (excluded if options and _marks(options)[0] else matching).append(span[:2])

    _each(found, source, read)
    if excluded:
        return IntervalSet.from_ranges(nested(matching, excluded))
    return IntervalSet.from_ranges(matching)


def _single_addresses(found: _Open) -> list[int] | None:
    """The addresses of a set of nothing but IPv4 addresses, as most are; None where it holds anything else."""
    out: list[int] = []
    try:
        for element, _, options in found.added:
            a, b, c, d = element.split(".")
            if options and _marks(options)[0]:
                return None
            out.append(OCTETS[a] << 24 | OCTETS[b] << 16 | OCTETS[c] << 8 | OCTETS[d])
    except (KeyError, ValueError):
        return None
    return out


def _with_bitmask(found: _Open, source: str) -> IntervalSet:
    out: list[tuple[int, int]] = []
    width = 32 if found.family == 4 else 128
    mask = parse_address(found.options["bitmask"])[1]

    def read(element: str, options: str) -> None:
        value = parse_address(element)[1]
        try:
            out.extend(masked(value, mask, width).ranges((1 << width) - 1))
        except ValueError:
            raise Unread("its bitmask has too many holes") from None

    _each(found, source, read)
    return IntervalSet.from_ranges(out)


def _span(text: str, family: int, prefix: int) -> tuple[int, int, int]:
    """(lowest, highest, prefix length) of an address, a network or a range ``a-b``. ``prefix``: the set's netmask.

    The length of a range that is no network is -1. Raises ValueError.
    """
    usual = _V4.match(text) if family == 4 else None
    if usual is not None:
        a, b, c, d, bits = usual.groups()
        first, second, third, fourth = int(a), int(b), int(c), int(d)
        if first < 256 and second < 256 and third < 256 and fourth < 256:
            low = first << 24 | second << 16 | third << 8 | fourth
            length = prefix if bits is None else int(bits)
            if length == 32:
                return low, low, 32
            if length < 32:
                free = 32 - (length if length < prefix else prefix)
                low = low >> free << free
                return low, low + (1 << free) - 1, 32 - free
    width = 32 if family == 4 else 128
    head, dash, last = text.partition("-")
    address, slash, bits = head.partition("/")
    its_family, low = parse_address(address)
    if its_family != family or (slash and number(bits) > width):
        raise ValueError("not an address of the set's family")
    if dash:
        other_family, high = parse_address(last)
        if other_family != family or slash or high < low:
            raise ValueError("not a range of addresses")
        return low, high, -1
    free = width - min(number(bits) if slash else width, prefix)
    low = low >> free << free
    return low, low + (1 << free) - 1, width - free


# ---- sets of several fields -----------------------------------------------------------------------------------------


def _elements(found: _Open, source: str) -> tuple[Element, ...]:
    matching: list[Region] = []
    excluded: list[Region] = []

    def read(element: str, options: str) -> None:
        nomatch, wildcard = _marks(options) if options else (False, False)
        (excluded if nomatch else matching).append(_region(found, element, wildcard))

    _each(found, source, read)
    if found.fields == ("net", "iface"):
        return tuple(Element(values) for values in joined(innermost(matching, excluded), 0))
    if len(matching) * len(excluded) > _MAX_SUBTRACTIONS:
        raise Unread("too many nomatch elements")
    regions = [region.values for region in matching]
    if excluded:
        regions = [piece for region in matching for piece in without(region, excluded)]
    return tuple(Element(values) for values in joined(joined(regions, 0), -1))


def _region(found: _Open, text: str, wildcard: bool) -> Region:
    """What an element says. Raises ValueError where it does not read, Unread where the model has no word for it."""
    parts = text.split(",")
    if found.kind == "bitmap:ip,mac" and len(parts) == 1:
        parts.append("")  # the first packet of that address gives it its hardware address
    if len(parts) != len(found.fields):
        raise ValueError(f"not {len(found.fields)} fields")
    values: list[Value] = []
    lengths: list[int] = []
    for name, part in zip(found.fields, parts, strict=True):
        if name == "port":
            values += _ports(part, found.kind == "bitmap:port")
        elif name == "iface":
            values.append(_interface(part, wildcard))
        elif name == "mark":
            values.append(_mark(part, found.options.get("markmask", "0xffffffff")))
        elif name == "mac":
            values.append(ALL)
        else:
            low, high, length = _span(part, found.family, found.netmask)
            values.append(IntervalSet((low, high + 1)))
            if name == "net":
                lengths.append(length)
    return Region(tuple(values), tuple(lengths))


def _ports(text: str, is_bitmap: bool) -> tuple[IntervalSet, IntervalSet]:
    """(protocols, ports) of ``[protocol:]port[-port]``; no protocol: TCP. bitmap:port looks at TCP and UDP alike
    (ip_set_getport.c ip_set_get_ip_port). A protocol without ports matches by itself, and its port is printed as 0."""
    name, colon, span = text.rpartition(":")
    if not colon:
        protocols = IntervalSet.of(TCP, UDP) if is_bitmap else IntervalSet.of(TCP)
        return protocols, IntervalSet.range(*port_range(span, "-"))
    proto = protocol_number(name)
    if proto is None:
        raise Unread(f"protocol {name} is not known here")
    if proto in (ICMP, ICMPV6):
        kind, code = type_and_code(span, TYPES4 if proto == ICMP else TYPES6)
        return IntervalSet.of(proto), IntervalSet.of(kind << 8 | (code or 0))
    if proto not in _WITH_PORTS:
        return IntervalSet.of(proto), ALL
    return IntervalSet.of(proto), IntervalSet.range(*port_range(span, "-"))


def _interface(text: str, wildcard: bool) -> str:
    """An interface by name, or by its beginning: then with ``*`` at the end."""
    if text.startswith("physdev:"):
        raise Unread("an element is a bridge port (physdev)")
    if text.endswith("*"):
        raise Unread("an interface with * in its name")
    return text + "*" if wildcard else text


def _mark(text: str, mask: str) -> IntervalSet:
    try:
        return masked(number(text), number(mask), 32)
    except ValueError as error:
        raise Unread(f"its mask of marks: {error}") from None
