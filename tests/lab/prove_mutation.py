"""Mutation of real rulesets: one rule changed, the same packets put to kernel and engine before and after.

A mutant that the kernel notices (some packet arrives elsewhere than before) has to be noticed by the engine in the
same way: where each packet went before, and where it goes now. Anything that it says wrong, before or after, counts.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import captures
import grammar_case
from campaign import Plan, Result
from mutation import Mutant, mutants, rule_places
from oracle_frames import Packet
from oracle_namespace import LoadError
from oracle_predict import Prediction, Predictor
from oracle_world import Case, Link, Verdict, World
from prove_aim import Aim
from prove_oracle import again, arrival, command, fault, the_world, verdict_text, written

MUTANTS = 5
"""Mutants of one ruleset."""
_GENERAL, _FOCUSED = 150, 100
_DRAWN = 15
_NATIVE = frozenset({"filter", "nat", "mangle", "raw", "security"})
_SAVERS = {"nft.v4": "iptables-nft-save", "nft.v6": "ip6tables-nft-save",
           "legacy.v4": "iptables-legacy-save", "legacy.v6": "ip6tables-legacy-save"}
_ORDER = {"table": 0, "chain": 1, "set": 2, "map": 3}


class Source(NamedTuple):
    """A ruleset to change. ``links`` empty: of the machine for random rulesets. ``packets``: that ask about it."""

    name: str
    kind: str
    case: Case
    links: tuple[Link, ...] = ()
    routes: tuple[str, ...] = ()
    packets: tuple[Packet, ...] = ()


class Said(NamedTuple):
    """What the kernel did with a packet, and what the engine says."""

    kernel: Verdict
    traced: Prediction
    reached: Prediction


def mutation_unit(plan: Plan, unit: int) -> Result:
    """One ruleset and its mutants. Rulesets of recorded hosts and random ones, two to one."""
    number = plan.seed + unit
    return again(lambda: _unit(number, plan.size))


def _unit(number: int, size: int) -> Result:
    out = Result()
    for attempt in range(50):
        rng = random.Random(f"mutation {number} {attempt}")
        source = _recorded(rng.choice(captures.names())) if number % 3 else _random(f"{number}.{attempt}")
        world = World(source.links, source.routes) if source.links else the_world()
        try:
            _compare(world, source, size, rng, out)
            for finding in out.findings:
                finding["again"] = f"scripts/prove --mutate {size} --seed {number}"
            return out
        except LoadError:
            out.counts[source.kind, "rulesets refused"] += 1
        finally:
            if source.links:
                world.close()
    raise LoadError(f"no ruleset of unit {number} was taken by the tools")


def _compare(world: World, source: Source, size: int, rng: random.Random, out: Result) -> None:
    links = source.links or None
    general = list(source.packets) or Aim(source.case.rules, links, rng).packets(_GENERAL)
    world.load(source.case)
    predictor = Predictor(world.snapshot(source.case))
    world.ask(general)
    met = Counters(world, source.case.rules)
    drawn = list(islice(mutants(source.case.rules, rng, met.hit), _DRAWN))
    if not drawn:
        raise LoadError("it has no rules")
    focused = [Aim(source.case.rules, links, rng, mutant.focus).packets(_FOCUSED) for mutant in drawn]
    before = _ask(world, predictor, [*general, *(packet for some in focused for packet in some)])
    out.counts[source.kind, "rulesets"] += 1
    left = size
    for number, mutant in enumerate(drawn):
        if not left:
            return
        changed = Case(mutant.rules, source.case.sysctl, source.case.ip, source.case.order)
        try:
            world.load(changed)
            predictor = Predictor(world.snapshot(changed))
        except LoadError:
            out.counts[source.kind, "refused"] += 1
            continue
        left -= 1
        packets = [*general, *focused[number]]
        start = _GENERAL + number * _FOCUSED
        was = [*before[:_GENERAL], *before[start : start + _FOCUSED]]
        _judge(source, mutant, packets, was, _ask(world, predictor, packets), out)
    out.counts[source.kind, "mutants too few"] += left


class Counters:
    """Which rules packets have met, by the kernel's counters."""

    def __init__(self, world: World, rules: dict[str, str]) -> None:
        self._hit: dict[str, set[int]] = {}
        for name, tool in _SAVERS.items():
            if name in rules:
                saved = world.machine.run([tool, "-c"]).decode()
                met = {key for key, line in _numbered(saved) if not line.startswith("[0:")}
                self._hit[name] = {place for place, (key, _) in zip(
                    rule_places(name, rules[name]), _numbered(rules[name]), strict=True) if key in met}
        if "native.json" in rules:
            listed = json.loads(world.machine.run(["nft", "-j", "list", "ruleset"]))["nftables"]
            met = {key for key, rule in _numbered_json(listed) if any(
                isinstance(each, dict) and (each.get("counter") or {}).get("packets") for each in rule["expr"])}
            wanted = json.loads(rules["native.json"])["nftables"]
            places = rule_places("native.json", rules["native.json"])
            self._hit["native.json"] = {
                place for place, (key, _) in zip(places, _numbered_json(wanted), strict=True) if key in met}

    def hit(self, name: str, place: int) -> bool:
        """Whether a packet met the rule."""
        return place in self._hit.get(name, ())


def _numbered(text: str) -> Iterator[tuple[tuple[str, str, int], str]]:
    """The rules of an iptables-save text, by table, chain and number."""
    table, counted = "", Counter[str]()
    for line in text.splitlines():
        bare = re.sub(r"^\[\d+:\d+\] ", "", line)
        if line.startswith("*"):
            table, counted = line, Counter()
        elif bare.startswith("-A "):
            chain = bare.split()[1]
            counted[chain] += 1
            yield (table, chain, counted[chain]), line


def _numbered_json(entries: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str, str, int], dict[str, Any]]]:
    counted = Counter[tuple[str, str, str]]()
    for entry in entries:
        rule = entry.get("rule")
        if rule is not None:
            chain = rule["family"], rule["table"], rule["chain"]
            counted[chain] += 1
            yield (*chain, counted[chain]), rule


def _ask(world: World, predictor: Predictor, packets: Sequence[Packet]) -> list[Said]:
    return [Said(kernel, predictor.trace(packet), predictor.reach(packet))
            for packet, kernel in zip(packets, world.ask(packets), strict=True)]


def _judge(source: Source, mutant: Mutant, packets: Sequence[Packet], was: Sequence[Said], now: Sequence[Said],
           out: Result) -> None:
    """Count one mutant."""
    changed = [(old, new) for old, new in zip(was, now, strict=True) if arrival(old.kernel) != arrival(new.kernel)]
    faults = [(packet, when, said, fault(said.kernel, prediction))
              for packet, old, new in zip(packets, was, now, strict=True)
              for when, said in (("before", old), ("after", new))
              for prediction in (said.traced, said.reached) if fault(said.kernel, prediction)]
    kind = source.kind
    out.counts[kind, "mutants"] += 1
    out.counts[kind, "packets"] += len(packets)
    out.counts[kind, "how", mutant.how] += 1
    if changed:
        out.counts[kind, "noticed"] += 1
        out.counts[kind, "how noticed", mutant.how] += 1
    if faults:
        packet, when, said, what = faults[0]
        out.counts[kind, "wrong", "noticed" if changed else "not noticed"] += 1
        out.findings.append({
            "source": source.name, "mutant": mutant.where, "when": when, "fault": what, "asked": written(packet),
            "kernel": verdict_text(said.kernel, packet.family),
            "engine": sorted(verdict_text(way, packet.family) for way in said.traced.ways | said.reached.ways),
            "packets": len({packet for packet, *_ in faults}), "rules": mutant.rules,
            "sysctl": source.case.sysctl})
    elif changed and all(_decided(said) for pair in changed for said in pair):
        out.counts[kind, "same"] += 1
    elif changed:
        out.counts[kind, "undecided"] += 1


def _decided(said: Said) -> bool:
    return all({arrival(way) for way in each.ways} == {arrival(said.kernel)}
               and not any(way.kind == "undecided" for way in each.ways) for each in (said.traced, said.reached))


# ---- where rulesets come from ---------------------------------------------------------------------------------------


def _random(seed: str) -> Source:
    profile = grammar_case.RULESETS[int(seed.split(".")[0]) // 3 % len(grammar_case.RULESETS)]
    case, pool = grammar_case.make_case(seed, profile)
    packets = tuple(grammar_case.make_packets(seed, pool, case, _GENERAL))
    return Source(command(seed, profile), "random rulesets", case, packets=packets)


def _recorded(name: str) -> Source:
    """A recorded host: its interfaces, addresses, routes and settings, and every rule."""
    recorded = captures.case(name)
    rules = {}
    for backend in ("nft", "legacy"):
        for version in (4, 6):
            text = recorded.text(f"iptables/{backend}.v{version}")
            if "*" in text:
                rules[f"{backend}.v{version}"] = text
    native = [entry for entry in (recorded.json("nft/ruleset.json") or {"nftables": []})["nftables"]
              if _is_native(entry)]
    if native:
        native.sort(key=lambda entry: _ORDER.get(next(iter(entry)), len(_ORDER)))
        rules["native.json"] = json.dumps({"nftables": native})
    if recorded.text("ipset/save").strip():
        rules["ipset"] = recorded.text("ipset/save")
    links = _links(recorded)
    names = {link.name for link in links}
    routes = tuple(dict.fromkeys(  # either list may have the routes of both families
        text for family in (4, 6) for text in _routes(recorded.json(f"net/route.v{family}.json"), names)))
    return Source(name, recorded.engine, Case(rules, _settings(recorded.text("sysctl"), names)), links, routes)


def _is_native(entry: dict[str, Any]) -> bool:
    (kind, value), = entry.items()
    table = value.get("name") if kind == "table" else value.get("table")
    return kind != "metainfo" and not (value.get("family") in ("ip", "ip6") and table in _NATIVE)


def _links(recorded: captures.Case) -> tuple[Link, ...]:
    kinds = {link["ifname"]: link.get("linkinfo", {}).get("info_kind", "") for link in recorded.json("net/link.json")
             if not link.get("master") and link["ifname"] != "lo"}
    out = []
    for entry in recorded.json("net/addr.json"):
        if entry["ifname"] in kinds:
            addresses = tuple(f"{each['local']}/{each['prefixlen']}" for each in entry["addr_info"]
                              if each["scope"] == "global")
            out.append(Link(entry["ifname"], "bridge" if kinds[entry["ifname"]] == "bridge" else "", addresses))
    return tuple(out)


def _routes(entries: list[dict[str, Any]], names: set[str]) -> list[str]:
    """The routes that somebody made; the kernel makes the others."""
    out = []
    for entry in entries:
        if entry.get("gateway") and entry.get("dev") in names and entry.get("table", "main") == "main":
            there = entry["dst"] if entry["dst"] != "default" or ":" not in entry["gateway"] else "::/0"
            out.append(f"{there} via {entry['gateway']} dev {entry['dev']}")
    return out


def _settings(text: str, names: set[str]) -> dict[str, str]:
    """What the oracle's machine may have set as the host had it."""
    out = {}
    for line in text.splitlines():
        key, _, value = line.partition(" = ")
        parts = key.replace(".", "\0").split("\0")
        if key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            out[key.replace(".", "/")] = value
        elif (parts[:3] == ["net", "ipv4", "conf"] and len(parts) == 5 and parts[3] in {*names, "all", "default"}
              and parts[4] in ("rp_filter", "route_localnet")):
            out["/".join(parts)] = value
    return out


