"""Lines → a table of our own for nft, for engines that write native nftables rules: there is no DOCKER-USER there.

The same rules are made twice: as the script that is loaded and read by people, and as nft's JSON for the proof. A test
loads the script into a kernel and holds what nft then lists against the JSON.

*accept* ends our own base chain only; it opens nothing that another table closes. So a RETURN is an accept here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fwaudit.fix.iptables import CannotSay
from fwaudit.fix.lines import Line
from fwaudit.fix.policy import Name
from fwaudit.packet.address import to_cidrs
from fwaudit.packet.fields import MAX_PORT, PORT_PROTOCOLS, PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet

TABLE = "fwaudit"
FORWARD, RAW = "forward", "prerouting"
PRIORITY = -10
"""Before Docker's and iptables' own chains on forward (filter, 0), so that a rejected client is told."""

_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_MAX_VALUES = 256

Statement = tuple[str, Any]
"""What a part of a rule says: as text, and as JSON."""


def script(lines: dict[int, list[Line]], loopback: bool) -> str:
    """The script: takes the old table away and makes the new one in one transaction. Raises CannotSay."""
    chains = [_chain_text(FORWARD, f"type filter hook forward priority filter - {-PRIORITY}; policy accept;",
                          [[text for text, _ in rule] for rule in _rules(lines)])]
    if loopback:
        chains.insert(0, _chain_text(RAW, "type filter hook prerouting priority raw; policy accept;",
                                     [[text for text, _ in _LOOPBACK]]))
    return f"{undo()}table inet {TABLE} {{\n" + "\n".join(chains) + "}\n"


def undo() -> str:
    """The script that takes the table away, whether it is there or not."""
    return f"table inet {TABLE} {{\n}}\ndelete table inet {TABLE}\n"


def document(lines: dict[int, list[Line]], loopback: bool) -> dict[str, Any]:
    """What ``nft -j list table inet fwaudit`` says once the script is loaded, handles left out."""
    rules = [(FORWARD, rule) for rule in _rules(lines)]
    chains = [(FORWARD, "forward", PRIORITY)]
    if loopback:
        rules.insert(0, (RAW, _LOOPBACK))
        chains.insert(0, (RAW, "prerouting", -300))
    return {"nftables": [
        {"table": {"family": "inet", "name": TABLE}},
        *({"chain": {"family": "inet", "table": TABLE, "name": name, "type": "filter", "hook": hook, "prio": priority,
                     "policy": "accept"}} for name, hook, priority in chains),
        *({"rule": {"family": "inet", "table": TABLE, "chain": chain, "expr": [part for _, part in rule]}}
          for chain, rule in rules),
    ]}


def _chain_text(name: str, head: str, rules: Iterable[list[str]]) -> str:
    body = "".join(f"        {' '.join(rule)}\n" for rule in rules)
    return f"    chain {name} {{\n        {head}\n{body}    }}\n"


def _rules(lines: dict[int, list[Line]]) -> Iterator[list[Statement]]:
    """Lines that both families share (they come first, and name no address) once; the others for their family."""
    families = sorted(lines)
    common: list[Line] = []
    if len(families) == 2:
        for one, two in zip(lines[families[0]], lines[families[1]], strict=False):
            if one != two or one.about in ("icmp", "translated") or one.clause.src or one.clause.dst:
                break
            common.append(one)
    for line in common:
        yield from _rule(line, 0)
    for family in families:
        for line in lines[family][len(common):]:
            yield from _rule(line, family)


def _rule(line: Line, family: int) -> Iterator[list[Statement]]:
    clause, parts = line.clause, []
    # an address or ICMP's number says the family already, and nft does not list it twice
    if family and line.about != "icmp" and clause.src is None and clause.dst is None:
        parts.append(_match("meta nfproto", {"meta": {"key": "nfproto"}}, "==", f"ipv{family}", f"ipv{family}"))
    if line.about == "replies":
        parts.append(("ct state established,related", {"match": {
            "op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}))
    if line.about == "icmp":
        name = "icmp" if family == 4 else "ipv6-icmp"
        parts.append(_match("meta l4proto", {"meta": {"key": "l4proto"}}, "==", name, name))
    for option, names in (("iifname", clause.iifs), ("oifname", clause.oifs)):
        parts += [_interface(option, name) for name in names]
    if clause.sets:
        raise CannotSay(f"{line.comment or 'a rule'} asks an ipset, which nft cannot read")
    values = clause.proto
    if values is None and (clause.sport is not None or clause.dport is not None):
        values = IntervalSet.of(*PORT_PROTOCOLS)
    if values is not None:
        protocols = [name for number, name in sorted(PROTOCOL_NAMES.items())
                     if number in values and "icmp" not in name]
        parts.append(_match("meta l4proto", {"meta": {"key": "l4proto"}}, "==", *_listed(protocols, protocols)))
    ip = "ip" if family == 4 else "ip6"
    if line.about == "translated":
        parts.append(("ct status dnat", {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}))
        parts.append(("ct direction original", {"match": {
            "op": "==", "left": {"ct": {"key": "direction"}}, "right": "original"}}))
        places = (("ct original " + ip + " daddr", {"ct": {"key": f"{ip} daddr", "dir": "original"}}),
                  ("ct original proto-dst", {"ct": {"key": "proto-dst", "dir": "original"}}))
    else:
        places = ((f"{ip} daddr", _payload(ip, "daddr")), ("th dport", _payload("th", "dport")))
    parts += _addresses(f"{ip} saddr", _payload(ip, "saddr"), clause.src, family)
    parts += _addresses(*places[0], clause.dst, family)
    parts += _ports("th sport", _payload("th", "sport"), clause.sport)
    parts += _ports(*places[1], clause.dport)
    if clause.rate is not None:
        raise CannotSay(f"{line.comment or 'a rule'} counts the connections of each source")
    yield [*parts, *_verdict(line, family)]


def _interface(option: str, name: Name) -> Statement:
    if not _NAME.fullmatch(name.name):
        raise CannotSay(f"an interface name that nft does not take: {name.name!r}")
    value = name.name + ("*" if name.prefix else "")
    return _match(option, {"meta": {"key": option}}, "!=" if name.negated else "==", f'"{value}"', value)


def _addresses(text: str, left: Any, values: IntervalSet | None, family: int) -> list[Statement]:
    if values is None:
        return []
    cidrs = to_cidrs(family, values, _MAX_VALUES + 1)
    if len(cidrs) > _MAX_VALUES:
        raise CannotSay(f"a rule that names more than {_MAX_VALUES} networks")
    return [_match(text, left, "==", *_listed(cidrs, [_prefix(each) for each in cidrs]))]


def _prefix(cidr: str) -> Any:
    address, slash, length = cidr.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}} if slash else address


def _ports(text: str, left: Any, values: IntervalSet | None) -> list[Statement]:
    if values is None:
        return []
    ranges = list(values.ranges(MAX_PORT))
    if len(ranges) > _MAX_VALUES:
        raise CannotSay(f"a rule that names more than {_MAX_VALUES} ranges of ports")
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ranges]
    return [_match(text, left, "==", *_listed(texts, [low if low == high else {"range": [low, high]}
                                                      for low, high in ranges]))]


def _listed(texts: list[str], values: list[Any]) -> tuple[str, Any]:
    """One value, or an unnamed set of several."""
    if len(texts) == 1:
        return texts[0], values[0]
    return "{ " + ", ".join(texts) + " }", {"set": values}


def _match(text: str, left: Any, operator: str, shown: str, right: Any) -> Statement:
    return (f"{text} {'!= ' if operator == '!=' else ''}{shown}",
            {"match": {"op": operator, "left": left, "right": right}})


def _payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _verdict(line: Line, family: int) -> list[Statement]:
    if line.does == "return":
        return [("accept", {"accept": None})]
    if line.does == "drop":
        return [("drop", {"drop": None})]
    named = line.clause.src is not None or line.clause.dst is not None
    if line.clause.how in ("tcp-reset", "tcp reset") and named:  # else nft would not list the family in front of it
        return [("reject with tcp reset", {"reject": {"type": "tcp reset"}})]
    kind = "icmp" if family == 4 else "icmpv6"
    return [(f"reject with {kind} type port-unreachable", {"reject": {"type": kind, "expr": "port-unreachable"}})]


_LOOPBACK: list[Statement] = [
    _match("ip daddr", _payload("ip", "daddr"), "==", "127.0.0.0/8", _prefix("127.0.0.0/8")),
    _match("iifname", {"meta": {"key": "iifname"}}, "!=", '"lo"', "lo"),
    ("drop", {"drop": None}),
]
