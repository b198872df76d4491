"""DOCKER-USER closes a port in one address family only.

What: rules in DOCKER-USER close a published port in IPv4, say, and in IPv6 the same port is reached although policy
denies it. ``iptables`` and ``ip6tables`` are two sets of rules; Docker publishes in IPv6 as well where a network has
it, by default since Docker Engine 27.

Why it hurts: whoever has an IPv6 address walks around the rules. Scanners do.

See it yourself: ``ip6tables -S DOCKER-USER`` beside ``iptables -S DOCKER-USER``.

Fix: say each rule in both. ``fwaudit fix --dry-run`` does.

Before: ``iptables -I DOCKER-USER … -j DROP``. After: the same with ``ip6tables`` as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.findings._effect import engine_without, reaching, resting, weight
from fwaudit.findings._rules import (
    ANSWERS,
    CHAIN,
    Placed,
    asked_tables,
    filter_tables,
    is_asked,
    restricts,
    tool,
    typed,
    values_of,
)
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import port_name
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.packet.intervals import ALL
from fwaudit.path.engine import Engine

KIND = Kind("docker-user-one-family", "DOCKER-USER closes a port in one address family only", Severity.HIGH)

_ADDRESS = re.compile(r" (?:! )?(?:-s|-d|--ctorigdst|--ctorigsrc|--match-set) ")


def find(audited: Audited) -> Iterator[Finding]:
    """One for each published port that is closed by DOCKER-USER in one family and open in the other."""
    for family, table, rules in asked_tables(audited.host):
        dropping = [placed for placed in rules if restricts(placed)]
        other = 10 - family
        opened = [each for each in audited.exposures if each.family == other and each.service.kind == "published"
                  and each.verdict == "bypass" and _by_forwarding(each)]
        if not dropping or not opened:
            continue
        without = engine_without(audited.host, table, dropping)
        for exposure in opened:
            closed = {name for twin in _twins(audited, exposure, family) for name in _closed_by_rules(without, twin)}
            if closed & {way.iif for way in exposure.ways if way.bypass}:
                yield _finding(audited, exposure, family, dropping)


def _by_forwarding(exposure: Exposure) -> bool:
    """Whether some of it comes to the container by the way that DOCKER-USER stands on."""
    return any(way.bypass and way.to is not None and way.to.kind == "container" and not way.to.via
               for way in exposure.ways)


def _twins(audited: Audited, exposure: Exposure, family: int) -> Iterator[Exposure]:
    mine = exposure.service
    for each in audited.exposures:
        if each.family == family and each.service.kind == "published" and (
                each.service.container, each.service.proto, each.service.port) == (
                mine.container, mine.proto, mine.port):
            yield each


def _closed_by_rules(without: Engine, exposure: Exposure) -> set[str]:
    """The interfaces by which more would get in without the rules."""
    return {way.iif for way in exposure.ways if reaching(without, exposure, way, ALL) - way.possibly}


def _finding(audited: Audited, exposure: Exposure, family: int, dropping: list[Placed]) -> Finding:
    about = [placed for placed in dropping if _names(placed, exposure)] or dropping
    name = f"{port_name(exposure)} of {exposure.service.container}"
    way = next(way for way in exposure.ways if way.bypass)
    return resting(
        KIND, audited, exposure, name, weight([(exposure, way)]),
        f"DOCKER-USER closes {exposure.service.port} of {exposure.service.container} in IPv{family}; in "
        f"IPv{exposure.family} it is open.",
        why=(f"IPv{family}: {about[0].name}", f"IPv{exposure.family}: no rule there does the same."),
        next=tuple(_next(audited.host, about, exposure.family)))


def _names(placed: Placed, exposure: Exposure) -> bool:
    ports = values_of(placed, "orig_dport")
    inner = values_of(placed, "dport")
    return (ports is not None and exposure.service.port in ports) or (
        inner is not None and exposure.service.container_port in inner)


def _next(host: Host, about: list[Placed], family: int) -> Iterator[str]:
    text = typed(about[0].rule.text)
    table = next((table for of, table in filter_tables(host) if of == family and is_asked(table)), None)
    command = tool(table) if table is not None else ("iptables" if family == 4 else "ip6tables")
    if not _ADDRESS.search(f" {text}"):
        chain = CHAIN if table is not None else "FORWARD"
        if values_of(about[0], "ct_direction") is None:
            yield f"{command} -I {chain} 1 {ANSWERS} && {command} -I {chain} 2 {text}"
        else:
            yield f"{command} -I {chain} 1 {text}"
    yield "fwaudit fix --dry-run"
