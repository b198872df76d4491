"""ufw-docker's rules leave holes.

What: the block that ``ufw-docker`` writes into ufw's after.rules closes containers to the internet, in IPv4, and not
to others: it lets every source in 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 through, by whatever interface it
comes; its IPv6 block drops only what goes to fd00::/8; and its older texts let UDP from source port 53 through and
drop UDP only up to port 32767.

Why it hurts: a neighbour in the data centre, a VPN client or a machine in the office reaches every published port;
so does the internet, in IPv6 or by UDP where the block is as above.

See it yourself: ``iptables -S DOCKER-USER`` has ``-s 10.0.0.0/8 -j RETURN``, or ``--sport 53``, or ``--dport 0:32767``.

Fix: ``ufw-docker install`` writes the newer text, which mends the UDP holes; for the rest, say which sources and ports
are meant. ``fwaudit fix --dry-run`` says what ufw says.

Before: ``-A DOCKER-USER -s 10.0.0.0/8 -j RETURN``. After: ``-A DOCKER-USER -i wg0 -s 10.9.8.0/24 -j RETURN``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.exposure.outside import PRIVATE
from fwaudit.findings._effect import closed_under, engine_without, first_of, resting, weight
from fwaudit.findings._rules import Placed, asked_tables, filter_tables, listed, restricts, values_of
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.model.ruleset import Jump, Return
from fwaudit.model.verdict import Query
from fwaudit.packet.fields import STATE_INVALID, UDP
from fwaudit.packet.intervals import EMPTY, IntervalSet

KIND = Kind("ufw-docker-block", "ufw-docker's rules leave holes", Severity.HIGH)

_DNS, _HIGH = 53, 32768
_FIX = ("fwaudit fix --dry-run",)
_RENEW = ("ufw-docker install", *_FIX)
Found = tuple[tuple[Exposure, Way], ...]


def find(audited: Audited) -> Iterator[Finding]:
    """One for each hole that something can be reached through; those of the older texts in any case."""
    for family, _, rules in asked_tables(audited.host):
        private = _private(rules, family)
        if not private or not any(isinstance(each.rule.target, Jump) and each.rule.target.chain.endswith(
                "-user-forward") for each in rules):
            continue
        closed = closed_under(audited, engine_without(audited.host, private[0].table, private), family, wrong=True)
        if closed:
            yield _finding(audited, f"private networks (IPv{family})", closed, private[0], _FIX,
                           "ufw-docker's rules let every private source through, by any interface: ")
        yield from _source_port(audited, rules, family)
        yield from _high_ports(audited, rules, family)
    yield from _ipv6(audited)


def _private(rules: tuple[Placed, ...], family: int) -> list[Placed]:
    """The rules that let private sources through, and ask for nothing else."""
    return [placed for placed in rules if isinstance(placed.rule.target, Return) and len(placed.conditions) == 1
            and (values_of(placed, "src") or ~EMPTY) <= PRIVATE[family]]


def _source_port(audited: Audited, rules: tuple[Placed, ...], family: int) -> Iterator[Finding]:
    for placed in rules:
        if isinstance(placed.rule.target, Return) and values_of(placed, "proto") == IntervalSet.of(UDP) and (
                values_of(placed, "sport") == IntervalSet.of(_DNS)) and not _asks_state(placed):
            opened = tuple((exposure, way) for exposure, way in _udp_ways(audited, family)
                           if _from_port(audited, exposure, way, _DNS) - _from_port(audited, exposure, way, 40000))
            yield _finding(audited, f"UDP from port {_DNS} (IPv{family})", opened, placed, _RENEW,
                           f"ufw-docker's rules let UDP through that comes from source port {_DNS}")


def _high_ports(audited: Audited, rules: tuple[Placed, ...], family: int) -> Iterator[Finding]:
    about = [placed for placed in rules if restricts(placed) and UDP in (values_of(placed, "proto") or ~EMPTY)]
    partly = [placed for placed in about if values_of(placed, "dport") == IntervalSet.range(0, _HIGH - 1)]
    if partly and not any(values_of(placed, "dport") is None and not _asks_state(placed, only_invalid=True)
                          for placed in about):
        opened = tuple((exposure, way) for exposure, way in _udp_ways(audited, family)
                       if way.bypass and exposure.service.container_port >= _HIGH)
        yield _finding(audited, f"UDP to ports from {_HIGH} (IPv{family})", opened, partly[0], _RENEW,
                       f"ufw-docker's rules drop UDP up to container port {_HIGH - 1} only")


def _ipv6(audited: Audited) -> Iterator[Finding]:
    """Published ports that strangers reach in IPv6, although the block is there for IPv4."""
    block = [placed for family, _, rules in asked_tables(audited.host) if family == 4 for placed in _private(rules, 4)
             if any(isinstance(each.rule.target, Jump) and each.rule.target.chain.endswith("-user-forward")
                    for each in rules)]
    if not block:
        return
    opened = tuple((exposure, way) for exposure in audited.exposures
                   if exposure.family == 6 and exposure.service.kind in ("published", "container-port")
                   for way in exposure.ways if way.to is not None and way.to.kind == "container" and not way.to.via
                   and way.bypass - PRIVATE[6])
    tables = [table for family, table in filter_tables(audited.host) if family == 6]
    if opened and tables:
        yield _finding(audited, "IPv6", opened, None, _FIX, "ufw-docker's rules for IPv6 cover fd00::/8 alone")


def _udp_ways(audited: Audited, family: int) -> Iterator[tuple[Exposure, Way]]:
    for exposure in audited.exposures:
        if exposure.family == family and exposure.service.kind == "published" and exposure.service.proto == UDP:
            for way in exposure.ways:
                yield exposure, way


def _from_port(audited: Audited, exposure: Exposure, way: Way, port: int) -> IntervalSet:
    """Sources that certainly get in from one source port."""
    found = EMPTY
    query = Query(exposure.family, way.iif, way.dst, UDP, exposure.service.port, sport=port)
    for outcome in audited.engine.reach(query).outcomes:
        if outcome.disposition == "delivered":
            found = found | outcome.certainly
    return found


def _asks_state(placed: Placed, *, only_invalid: bool = False) -> bool:
    states = values_of(placed, "ct_state")
    return states is not None and (not only_invalid or states == IntervalSet.of(STATE_INVALID))


def _finding(audited: Audited, about: str, opened: Found, placed: Placed | None, then: tuple[str, ...],
             what: str) -> Finding:
    what = what.rstrip(": ")
    if opened:
        what += f"; {listed(subject(exposure) for exposure, _ in opened)} can be reached so"
    return resting(KIND, audited, first_of(opened), about, weight(opened), f"{what}.",
                   why=(placed.name,) if placed is not None else (), next=then)
