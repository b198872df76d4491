"""The rules of Docker's nftables backend (29 and later), in the JSON that ``nft -j list ruleset`` prints.

Source: moby, libnetwork/drivers/bridge/internal/nftabler, and what 29 wrote when it was run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fwaudit.model.preview import Box, Bridge, Seat
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.preview.ways import NATIVE, Ways

_FAMILIES = {4: "ip", 6: "ip6"}
_LOOPBACK_LOW, _LOOPBACK_HIGH = 127 << 24, (128 << 24) - 1
_LAST = ("UNPUBLISHED PORT DROP", "UNPROTECTED")
Json = dict[str, Any]


class Tables:
    """Docker's tables in a ruleset's JSON, to be changed in place. ``missing``: rules that were to be taken out and
    were not there."""

    def __init__(self, document: Any, ways: Ways) -> None:
        self.objects: list[Json] = document["nftables"]
        self.ways = ways
        self.missing: list[str] = []

    # ---- a container ------------------------------------------------------------------------------------------------

    def add(self, box: Box) -> None:
        """Write a container's rules."""
        for family, chain, rule in self._rules(box):
            if chain.startswith("filter-forward-in__"):
                self._before_last(family, chain, rule)
            else:
                self._append(family, chain, rule)

    def remove(self, box: Box) -> None:
        """Take out what belongs to a container: whatever rule of Docker's names its address, and what keeps others
        from a port that it publishes on a loopback address."""
        addresses = {(family, format_address(family, address)) for seat in box.seats for family in (4, 6)
                     if (address := seat.address(family)) is not None}
        loopback = {(family, tuple(map(_key, rule["expr"]))) for family, chain, rule in self._rules(box)
                    if chain == "raw-PREROUTING" and rule.get("comment") == "DROP REMOTE LOOPBACK"}

        def belongs(each: Json) -> bool:
            rule = each.get("rule")
            if not isinstance(rule, dict) or rule.get("table") != NATIVE:
                return False
            family = 4 if rule.get("family") == "ip" else 6
            expr = rule.get("expr") or []
            return any((family, text) in addresses for text in _addresses(expr)) or (
                family, tuple(_key(part) for part in expr if "counter" not in part)) in loopback

        kept = [each for each in self.objects if not belongs(each)]
        gone = [each["rule"].get("comment") for each in self.objects if "rule" in each and belongs(each)]
        if gone.count("DROP REMOTE LOOPBACK") < len(loopback):
            self.missing.append(f"DROP REMOTE LOOPBACK of {box.name}")
        self.objects[:] = kept

    def _rules(self, box: Box) -> Iterable[tuple[int, str, Json]]:
        for seat in box.seats:
            if seat.bridge.driver == "bridge" and not seat.bridge.internal:
                yield from self._kept_from_others(seat)
        outlet = box.outlet
        if outlet is None or outlet.bridge.internal:
            return
        name = outlet.bridge.interface
        seen: set[tuple[object, ...]] = set()
        for each in box.bindings:
            family, address = each.to
            if family not in self.ways.families:
                continue
            proto = PROTOCOL_NAMES[each.proto]
            container = format_address(family, address)
            opened = (family, address, each.proto, each.container_port)
            if outlet.bridge.mode(family) != "nat-unprotected" and opened not in seen:
                seen.add(opened)
                yield family, f"filter-forward-in__{name}", {"expr": [
                    _field(family, "daddr", container), _port(proto, each.container_port), {"accept": None}]}
            if not each.host_port or each.family != family:
                continue
            yield family, "nat-prerouting-and-output", {"comment": "DNAT", "expr": [
                *([] if self.ways.hairpin else [_meta("!=", "iifname", name)]),
                *([_field(6, "saddr", _prefix("fe80::", 10), "!=")] if family == 6 else []),
                *([_field(family, "daddr", format_address(family, each.host_address))] if each.host_address else []),
                _port(proto, each.host_port), {"dnat": {"addr": container, "port": each.container_port}}]}
            if self.ways.hairpin:
                yield family, f"nat-postrouting-in__{name}", {"comment": "MASQ TO OWN PORT", "expr": [
                    _field(family, "saddr", container), _field(family, "daddr", container),
                    _port(proto, each.container_port), {"masquerade": None}]}
            if family == 4 and _LOOPBACK_LOW <= each.host_address <= _LOOPBACK_HIGH:
                yield 4, "raw-PREROUTING", {"comment": "DROP REMOTE LOOPBACK", "expr": [
                    _meta("!=", "iifname", "lo"), _field(4, "daddr", format_address(4, each.host_address)),
                    _port(proto, each.host_port), {"drop": None}]}

    def _kept_from_others(self, seat: Seat) -> Iterable[tuple[int, str, Json]]:
        for family in sorted(self.ways.families):
            address = seat.address(family)
            if self.ways.direct == "none" or address is None or seat.bridge.mode(family) != "nat":
                continue
            trusted = seat.bridge.options.get("com.docker.network.bridge.trusted_host_interfaces", "")
            names = [seat.bridge.interface, *(each for each in trusted.split(":") if each)]
            own = _meta("!=", "iifname", names[0] if len(names) == 1 else {"set": names})
            yield family, "raw-PREROUTING", {"comment": "DROP DIRECT ACCESS", "expr": [
                _field(family, "daddr", format_address(family, address)), own, {"drop": None}]}

    # ---- a network --------------------------------------------------------------------------------------------------

    def add_network(self, bridge: Bridge) -> None:
        """Write a new bridge network's chains, and the jumps to them."""
        for family in sorted(self.ways.families):
            pool = bridge.pool(family)
            if pool is None:
                continue
            self._chains(family, bridge.interface)
            own = self._add_to(family)
            name, icc = bridge.interface, {"accept": None} if bridge.flag("enable_icc") else {"drop": None}
            into, out = f"filter-forward-in__{name}", f"filter-forward-out__{name}"
            own(into, _established())
            for rule in self._accepted_marks(family):
                own(into, rule)
            own(out, _established())
            if bridge.internal:
                own(into, {"comment": "INTERNAL NETWORK INGRESS", "expr": [
                    _meta("!=", "iifname", name), {"drop": None}]})
                own(into, {"comment": "ICC", "expr": [icc]})
                own(out, {"comment": "INTERNAL NETWORK EGRESS", "expr": [_meta("!=", "oifname", name), {"drop": None}]})
                continue
            mode = bridge.mode(family)
            if mode == "routed":
                proto, number = ("protocol", "icmp") if family == 4 else ("nexthdr", "ipv6-icmp")
                own(into, {"comment": "ICMP", "expr": [_field(family, proto, number), {"accept": None}]})
            own(into, {"comment": "ICC", "expr": [_meta("==", "iifname", name), icc]})
            own(into, {"comment": _LAST[1], "expr": [{"accept": None}]} if mode == "nat-unprotected"
                else {"comment": _LAST[0], "expr": [{"drop": None}]})
            own(out, {"comment": "OUTGOING", "expr": [{"accept": None}]})
            if mode != "routed" and bridge.flag("enable_ip_masquerade"):
                fixed = bridge.options.get(f"com.docker.network.host_ipv{family}", "")
                source = {"snat": {"addr": fixed}} if fixed else {"masquerade": None}
                own(f"nat-postrouting-out__{name}", {"comment": "MASQUERADE", "expr": [
                    _meta("!=", "oifname", name),
                    _field(family, "saddr", _prefix(format_address(family, pool.low), pool.prefix)), source]})
            if self.ways.hairpin:
                own(f"nat-postrouting-in__{name}", {"comment": "MASQ LOCAL HOST", "expr": [
                    {"match": {"op": "==", "left": {"fib": {"result": "type", "flags": ["saddr"]}}, "right": "local"}},
                    {"masquerade": None}]})

    def _chains(self, family: int, name: str) -> None:
        for kind in ("filter-forward-in", "filter-forward-out", "nat-postrouting-in", "nat-postrouting-out"):
            self.objects.append({"chain": {"family": _FAMILIES[family], "table": NATIVE, "name": f"{kind}__{name}"}})
            for each in self.objects:
                found = each.get("map")
                if isinstance(found, dict) and (found.get("family"), found.get("table"), found.get("name")) == (
                        _FAMILIES[family], NATIVE, f"{kind}-jumps"):
                    found["elem"] = [*(found.get("elem") or []), [name, {"jump": {"target": f"{kind}__{name}"}}]]

    def _accepted_marks(self, family: int) -> list[Json]:
        """``--bridge-accept-fwmark`` stands in every network's chain: as it does in those that are there."""
        found: dict[str, Json] = {}
        for each in self.objects:
            rule = each.get("rule")
            if (isinstance(rule, dict) and rule.get("table") == NATIVE and rule.get("family") == _FAMILIES[family]
                    and str(rule.get("chain")).startswith("filter-forward-in__") and "'mark'" in str(rule.get("expr"))):
                expr = [part for part in rule["expr"] if "counter" not in part]
                found.setdefault(str(expr), {"expr": expr})
        return list(found.values())

    # ---- the document -----------------------------------------------------------------------------------------------

    def _add_to(self, family: int) -> Callable[[str, Json], None]:
        return lambda chain, rule: self._append(family, chain, rule)

    def _append(self, family: int, chain: str, rule: Json) -> None:
        self.objects.append(_rule(family, chain, rule))

    def _before_last(self, family: int, chain: str, rule: Json) -> None:
        """In front of the rule that drops the rest."""
        for place, each in enumerate(self.objects):
            found = each.get("rule")
            if (isinstance(found, dict) and (found.get("family"), found.get("table"), found.get("chain"))
                    == (_FAMILIES[family], NATIVE, chain) and found.get("comment") in _LAST):
                self.objects.insert(place, _rule(family, chain, rule))
                return
        self._append(family, chain, rule)


def _rule(family: int, chain: str, rule: Json) -> Json:
    *matches, verdict = rule["expr"]
    expr = [*matches, {"counter": {"packets": 0, "bytes": 0}}, verdict]
    return {"rule": {"family": _FAMILIES[family], "table": NATIVE, "chain": chain, **rule, "expr": expr}}


def _meta(op: str, key: str, right: Any) -> Json:
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": right}}


def _field(family: int, field: str, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": {"payload": {"protocol": _FAMILIES[family], "field": field}}, "right": right}}


def _port(proto: str, port: int) -> Json:
    return {"match": {"op": "==", "left": {"payload": {"protocol": proto, "field": "dport"}}, "right": port}}


def _prefix(address: str, length: int) -> Json:
    return {"prefix": {"addr": address, "len": length}}


def _established() -> Json:
    return {"expr": [{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}},
                     {"accept": None}]}


def _addresses(expr: Iterable[Any]) -> Iterable[str]:
    """The single addresses that a rule matches or sends to."""
    for part in expr:
        match, dnat = part.get("match"), part.get("dnat")
        if isinstance(match, dict) and isinstance(match.get("right"), str):
            yield match["right"]
        if isinstance(dnat, dict) and isinstance(dnat.get("addr"), str):
            yield dnat["addr"]


def _key(part: Any) -> str:
    return repr(part)
