"""Where a guess would decide: addresses and ports that are drawn when a container starts, and rules of others that tell
one of them from another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fwaudit.model.compose import Doubt
from fwaudit.model.condition import All, AnyOf, Condition, In, InSet, Masked, Not
from fwaudit.model.host import Host
from fwaudit.model.preview import Box
from fwaudit.model.ruleset import Inline, Rule
from fwaudit.packet.intervals import IntervalSet

if TYPE_CHECKING:
    from fwaudit.preview.boxes import Boxes

_ADDRESSES = ("src", "dst", "orig_src", "orig_dst", "reply_src", "reply_dst")
_PORTS = ("dport", "orig_dport", "reply_sport")
_NEVER = re.compile(r"(?!)")
_ENGINES = {
    ("raw", "PREROUTING"): re.compile(r"! -i (?P<bridge>\S+) (?:.* )?-j DROP$"),
    ("nat", "POSTROUTING"): re.compile(r"-s (\S+) -d \1 .*-j MASQUERADE$"),
}
"""The engine's own rules in chains of the kernel's that name a container's address."""
_ENGINE = ("DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-INTERNAL", "DOCKER-FORWARD")


def doubts_of_rules(host: Host, boxes: Sequence[Box], placed: Boxes) -> Iterator[Doubt]:
    """Every container whose address, and every port whose number, a rule of somebody else's asks about, although the
    engine draws it."""
    rules = list(_rules(host))
    for box in boxes:
        for seat in box.seats:
            for pool in seat.bridge.pools:
                address = seat.address(pool.family)
                if address is None or (pool.family, address) in placed.fixed:
                    continue
                size = 1 << ((32 if pool.family == 4 else 128) - pool.prefix)
                rule = _splits(rules, host, pool.family, _ADDRESSES, pool.low, pool.low + size)
                if rule is not None:
                    yield Doubt(box.mark, f"{box.name}: its address is drawn from {seat.bridge.name[:60]} when it "
                                          f"starts, and a rule tells them apart: {rule.text[:120]}")
    drawn = placed.networks.drawn
    if len(drawn) > 1 and boxes:  # which of the new networks gets which subnet is a matter of their order
        low, high = min(pool.low for pool in drawn), max(pool.low + (1 << (32 - pool.prefix)) for pool in drawn)
        rule = _splits(rules, host, 4, _ADDRESSES, low, high)
        if rule is not None:
            yield Doubt(boxes[0].mark, "the subnets of the new networks are drawn in an order that is not "
                                                f"known, and a rule tells them apart: {rule.text[:120]}")
    for _, port, low, high in placed.ports.drawn:
        for family in (4, 6):
            rule = _splits(rules, host, family, _PORTS, low, high + 1)
            if rule is not None:
                mark = next(each.mark for box in boxes for each in box.bindings if each.host_port == port)
                yield Doubt(mark, f"its port is drawn from {low}-{high} at the start, and a rule tells them apart: "
                                  f"{rule.text[:120]}")
                break


def _rules(host: Host) -> Iterator[tuple[int, Rule]]:
    """Every rule that is not the engine's own, with its family; 0: both."""
    bridges = {"lo", *(network.interface for network in host.engine.networks)}
    for table in host.ruleset.tables:
        if table.dormant or table.name == "docker-bridges":
            continue
        family = {"ip": 4, "ip6": 6}.get(table.family, 0)
        for chain in table.chains.values():
            if table.name in ("nat", "filter") and chain.name in _ENGINE:
                continue
            todo = list(chain.rules)
            while todo:
                rule = todo.pop()
                if isinstance(rule.target, Inline):
                    todo += rule.target.rules
                found = _ENGINES.get((table.name, chain.name), _NEVER).search(rule.text)
                if found is None or found.groupdict().get("bridge", "lo") not in bridges:
                    yield family, rule


def _splits(rules: Iterable[tuple[int, Rule]], host: Host, family: int, fields: tuple[str, ...], low: int,
            high: int) -> Rule | None:
    """A rule that holds for some values from ``low`` up to below ``high``, and not for others."""
    whole = IntervalSet((low, high))

    def parts(values: IntervalSet) -> bool:
        return bool(values & whole) and (values & whole) != whole

    def asks(condition: Condition) -> bool:
        if isinstance(condition, In):
            return condition.field in fields and parts(condition.values)
        if isinstance(condition, Masked):
            return condition.field in fields
        if isinstance(condition, InSet):
            named = host.ruleset.sets.get(condition.set_key)
            return any(field in fields for field in condition.fields) and (
                named is None or not named.values or any(map(parts, named.values.values())))
        if isinstance(condition, (All, AnyOf)):
            return any(map(asks, condition.parts))
        return isinstance(condition, Not) and asks(condition.part)

    return next((rule for of, rule in rules if of in (0, family) and any(map(asks, rule.conditions))), None)
