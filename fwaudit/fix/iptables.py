"""Lines → the input of iptables-restore. Every token that comes from outside is a number, or has been checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

from fwaudit.errors import FwauditError
from fwaudit.fix.lines import Line
from fwaudit.fix.policy import Name
from fwaudit.packet.address import to_cidrs
from fwaudit.packet.fields import MAX_PORT, PORT_PROTOCOLS, PROTOCOL_NAMES, max_address
from fwaudit.packet.intervals import ALL, IntervalSet

CHAIN = "FWAUDIT"

_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,31}")
_SET = re.compile(r"[A-Za-z0-9_.:@-]{1,31}")
_COMMENT = re.compile(r"[A-Za-z0-9 ,._:/()'=-]{1,200}")
_REJECT_CODES = {
    4: ("net-unreachable", "host-unreachable", "port-unreachable", "proto-unreachable", "net-prohibited",
        "host-prohibited", "admin-prohibited"),
    6: ("no-route", "adm-prohibited", "addr-unreachable", "port-unreachable"),
}
_MAX_RULES = 64


class CannotSay(FwauditError):
    """A line that iptables has no word for. The message names the rule that it stands for."""


def rules(lines: Iterable[Line], family: int, chain: str = CHAIN) -> list[str]:
    """``-A`` lines for iptables-restore. Raises CannotSay."""
    found: list[str] = []
    for number, line in enumerate(lines):
        found += (f"-A {chain} {rule}" for rule in _rules(line, family, number))
    return found


def _rules(line: Line, family: int, number: int) -> Iterator[str]:
    if line.about == "replies":
        yield "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
        return
    if line.about == "icmp":
        yield f"-p {'icmp' if family == 4 else 'ipv6-icmp'} -j RETURN"
        return
    choices = list(product(_addresses(line.clause.src, family), _addresses(line.clause.dst, family),
                           _protocols(line), _ports(line.clause.sport), _ports(line.clause.dport)))
    if len(choices) > _MAX_RULES:
        raise CannotSay(f"{line.comment or 'a rule'} would take {len(choices)} rules")
    for src, dst, proto, sport, dport in choices:
        yield from _rule(line, family, number, src, dst, proto, sport, dport)


def _rule(line: Line, family: int, number: int, src: str, dst: str, proto: str, sport: str,
          dport: str) -> Iterator[str]:
    clause, translated = line.clause, line.about == "translated"
    head = [*_option("-s", src), *(() if translated else _option("-d", dst)),
            *_interface("-i", clause.iifs), *_interface("-o", clause.oifs)]
    if proto:
        head += ["-p", proto]
        ports = [*_option("--sport", sport), *(() if translated else _option("--dport", dport))]
        head += ["-m", proto, *ports] if ports else []
    if translated:
        head += ["-m", "conntrack", "--ctstate", "DNAT", *_option("--ctorigdst", _bare(dst, family)),
                 *_option("--ctorigdstport", dport), "--ctdir", "ORIGINAL"]
    for name, inside in clause.sets:
        if not _SET.fullmatch(name):
            raise CannotSay(f"an ipset name that iptables-restore does not take: {name!r}")
        head += ["-m", "set", *(() if inside else ("!",)), "--match-set", name, "src"]
    tail = _comment(line.comment)
    if clause.rate is not None:
        name = f"fwaudit-v{family}-{number}"  # a list that both families share has the mask of the first
        mask = "255.255.255.255" if family == 4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        last = ["--name", name, "--mask", mask, "--rsource"]
        yield " ".join([*head, "-m", "recent", "--set", *last, *tail])
        seconds, hits = clause.rate
        head += ["-m", "recent", "--update", "--seconds", str(seconds), "--hitcount", str(hits), *last]
    yield " ".join([*head, *tail, "-j", *_target(line, family)])


def _bare(network: str, family: int) -> str:
    """A single address without its prefix length: so the conntrack match is saved."""
    return network.removesuffix("/32" if family == 4 else "/128")


def _option(name: str, value: str) -> list[str]:
    if not value:
        return []
    return ["!", name, value[1:]] if value.startswith("!") else [name, value]


def _interface(option: str, names: tuple[Name, ...]) -> list[str]:
    if not names:
        return []
    positive = [each for each in names if not each.negated] or list(names)
    if len(names) > 1 and not all(other.holds(positive[0].name) for other in names if other is not positive[0]):
        raise CannotSay(f"two interfaces in one rule: {', '.join(each.name for each in names)}")
    if len(names) > 1 and (positive[0].negated or positive[0].prefix):
        raise CannotSay(f"two interfaces in one rule: {', '.join(each.name for each in names)}")
    name = positive[0]
    if not _NAME.fullmatch(name.name):
        raise CannotSay(f"an interface name that iptables-restore does not take: {name.name!r}")
    return [*(("!",) if name.negated else ()), option, name.name + ("+" if name.prefix else "")]


def _addresses(values: IntervalSet | None, family: int) -> list[str]:
    """CIDR networks; ``!network`` where that is shorter; one empty text for any."""
    if values is None:
        return [""]
    limit = _MAX_RULES + 1
    plain = [_masked(each, family) for each in to_cidrs(family, values, limit)]
    if len(plain) > 1:
        outside = to_cidrs(family, ~values & IntervalSet((0, max_address(family) + 1)), 2)
        if len(outside) == 1:
            return ["!" + _masked(outside[0], family)]
    return plain


def _masked(network: str, family: int) -> str:
    """With the prefix length, as iptables-save prints it."""
    return network if "/" in network else f"{network}/{32 if family == 4 else 128}"


def _protocols(line: Line) -> list[str]:
    values = line.clause.proto
    if values is None:
        if line.clause.sport is None and (line.clause.dport is None or line.about == "translated"):
            return [""]
        values = IntervalSet.of(*PORT_PROTOCOLS)
    found = [PROTOCOL_NAMES[number] for number in sorted(PROTOCOL_NAMES) if number in values]
    return [name for name in found if not name.startswith("icmp")]


def _ports(values: IntervalSet | None) -> list[str]:
    if values is None or values == ALL:
        return [""]
    return [str(low) if low == high else f"{low}:{high}" for low, high in values.ranges(MAX_PORT)]


def _comment(text: str) -> list[str]:
    if not text:
        return []
    if not _COMMENT.fullmatch(text):
        raise CannotSay(f"a comment that iptables-restore does not take: {text!r}")
    return ["-m", "comment", "--comment", f'"{text}"' if " " in text or not text.isalnum() else text]


def _target(line: Line, family: int) -> list[str]:
    if line.does != "reject":
        return ["RETURN" if line.does == "return" else "DROP"]
    return ["REJECT", "--reject-with", _reject(line.clause.how, family)]


def _reject(how: str, family: int) -> str:
    """``--reject-with``'s word for how a rule of either tool refuses; the usual one where there is none here."""
    if how in ("tcp-reset", "tcp reset"):
        return "tcp-reset"
    code = how.rpartition(" ")[2].removeprefix("icmp6-").removeprefix("icmp-").removeprefix("icmpx-")
    prefix = "icmp" if family == 4 else "icmp6"
    return f"{prefix}-{code if code in _REJECT_CODES[family] else 'port-unreachable'}"
