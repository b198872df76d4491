"""``nft -j list ruleset`` (libnftables-json(5)) → Tables and NamedSets.

The tables of iptables-nft are left to iptables-save, which shows what nft cannot (``xt`` expressions); the caller names
them. Unknown keys inside a rule become Unknown conditions or Undecidable targets; a document whose structure does not
hold together (a rule without its chain, a jump to nowhere, a loop) raises ParseError: half of it would be a lie.

Two faults of nft 1.0.6 are met here: it prints a table's name in place of its flags, and no device of a netdev chain.
What is lost that way makes the table's base chains undecided by a rule of number 0 in front.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, NoReturn, get_args

from fwaudit.errors import ParseError
from fwaudit.model.condition import Unknown
from fwaudit.model.ruleset import Accept, Chain, Goto, Hook, Inline, Jump, NamedSet, Rule, Table
from fwaudit.netfilter.nft_values import json_text, number
from fwaudit.records import dataclass

if TYPE_CHECKING:
    from fwaudit.netfilter.nft_match import Scope
    from fwaudit.netfilter.nft_sets import RawSet

_FAMILIES: Final = ("ip", "ip6", "inet", "netdev", "bridge", "arp")
_HOOKS: Final[tuple[str, ...]] = get_args(Hook)
_STATELESS: Final = frozenset({"metainfo", "counter", "quota", "limit", "flowtable", "ct helper", "ct timeout",
                               "ct expectation", "secmark", "synproxy", "tunnel"})
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_BRIDGE_PRIORITIES: Final = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
_PRIORITY: Final = re.compile(r"([a-z]+)(?:\s*([+-])\s*(\d{1,9}))?\Z")
_ADDED_TO: Final = re.compile(r"(?:add|update) @([^\s{]+)")

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NftRuleset:
    """The native tables of a host, their sets by (family, table, name), and notes in plain words."""

    tables: tuple[Table, ...] = ()
    sets: Mapping[tuple[str, ...], NamedSet] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _RawTable:
    body: Mapping[str, Any]
    chains: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    sets: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    elements: dict[str, list[Any]] = field(default_factory=dict)
    added_to: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    foreign: bool = False


def parse(document: Any, *, source: str, compat: Collection[tuple[str, str]] = ()) -> NftRuleset:
    """Read a ruleset's JSON. ``compat``: (family, name) of tables that iptables-save has shown, to be left out.

    Raises ParseError, and nothing else.
    """
    try:
        return _Reader(source, frozenset(compat)).read(document)
    except RecursionError:
        raise ParseError(source, 0, "nested too deeply") from None


class _Reader:
    def __init__(self, source: str, compat: frozenset[Key]) -> None:
        self.source = source
        self.compat = compat
        self.tables: dict[Key, _RawTable] = {}
        self.notes: list[str] = []

    def fail(self, message: str) -> NoReturn:
        raise ParseError(self.source, 0, message, "run nft -j list ruleset by hand and look at it")

    # ---- objects ----------------------------------------------------------------------------------------------------

    def read(self, document: Any) -> NftRuleset:
        objects = document.get("nftables") if isinstance(document, dict) else None
        if not isinstance(objects, list):
            self.fail('no "nftables" list')
        split = [self._split(each) for each in objects]
        for kind in ("table", "chain", "set", "map", "element", "rule"):
            for found, body in split:
                if found == kind:
                    self._take(kind, body)
        for kind in sorted({kind for kind, _ in split}):
            if kind not in _STATELESS and kind not in ("table", "chain", "set", "map", "element", "rule", "meter"):
                self.notes.append(f"objects of kind {kind[:80]!r} are not understood")
        tables: list[Table] = []
        sets: dict[tuple[str, ...], NamedSet] = {}
        for key, raw in self.tables.items():
            table, found_sets = self._table(key, raw)
            tables.append(table)
            sets.update(found_sets)
        return NftRuleset(tuple(tables), sets, tuple(self.notes))

    def _split(self, value: Any) -> tuple[str, Mapping[str, Any]]:
        if not isinstance(value, dict) or len(value) != 1:
            self.fail(f"not an object of one key: {json_text(value)}")
        kind, body = next(iter(value.items()))
        if not isinstance(kind, str) or not isinstance(body, dict):
            self.fail(f"not an object: {json_text(value)}")
        return kind, body

    def _take(self, kind: str, body: Mapping[str, Any]) -> None:
        family = self._text(body, "family", kind)
        if family not in _FAMILIES:
            self.fail(f"{kind} of family {family!r}")
        table = self._text(body, "name" if kind == "table" else "table", kind)
        if (family, table) in self.compat:
            return
        if kind == "table":
            if (family, table) in self.tables:
                self.fail(f"table {family} {table} twice")
            self.tables[family, table] = _RawTable(body)
            return
        raw = self.tables.get((family, table))
        if raw is None:
            self.fail(f"a {kind} of table {family} {table}, which is not there")
        if kind == "rule":
            self._take_rule(raw, body)
            return
        name = self._text(body, "name", kind)
        if kind == "element":
            elements = body.get("elem", [])
            raw.elements.setdefault(name, []).extend(elements if isinstance(elements, list) else [elements])
            return
        names: dict[str, Mapping[str, Any]] = raw.chains if kind == "chain" else raw.sets
        if name in names:
            self.fail(f"{kind} {name} twice in table {family} {table}")
        names[name] = body

    def _take_rule(self, raw: _RawTable, body: Mapping[str, Any]) -> None:
        chain = self._text(body, "chain", "rule")
        if chain not in raw.chains:
            self.fail(f"a rule of chain {chain}, which is not there")
        statements = body.get("expr")
        if not isinstance(statements, list):
            self.fail(f"a rule without statements in chain {chain}")
        raw.rules.setdefault(chain, []).append(body)
        for statement in statements:
            _note_statement(statement, raw)

    def _text(self, body: Mapping[str, Any], key: str, kind: str) -> str:
        value = body.get(key)
        if not isinstance(value, str) or not value:
            self.fail(f"a {kind} without {key}: {json_text(body)}")
        return value

    # ---- tables -----------------------------------------------------------------------------------------------------

    def _table(self, key: Key, raw: _RawTable) -> tuple[Table, dict[tuple[str, ...], NamedSet]]:
        from fwaudit.netfilter.nft_match import Scope  # 14 ms with all below it: most hosts have no native table
        from fwaudit.netfilter.nft_sets import named_set, read_raw_set

        family, name = key
        sets: dict[str, RawSet] = {
            each: read_raw_set((family, name, each), body, raw.elements.get(each, []), each in raw.added_to)
            for each, body in raw.sets.items()}
        scope = Scope(family, name, sets, frozenset(raw.written), frozenset(raw.looked_up))
        dormant, doubt = _flags(raw.body)
        if doubt:
            self.notes.append(f"table {family} {name} may be dormant: this version of nft does not print its flags")
        if raw.foreign:
            self.notes.append(f"table {family} {name} has rules of iptables that nft does not show")
        chains = {each: self._chain(each, body, raw.rules.get(each, []), scope, doubt)
                  for each, body in raw.chains.items()}
        self._check_jumps(f"{family} {name}", chains)
        if family == "arp" and not dormant and any(
                chain.hook and (chain.rules or chain.policy == "drop") for chain in chains.values()):
            self.notes.append(f"table arp {name} is not modelled: it may keep neighbours from finding this host")
        named: dict[tuple[str, ...], NamedSet] = {
            each.key: named_set(each) for each in sets.values() if not each.is_map}
        return Table("native", family, name, chains, dormant), named

    def _chain(self, name: str, body: Mapping[str, Any], rules: list[Mapping[str, Any]], scope: Scope,
               doubt: str) -> Chain:
        from fwaudit.netfilter.nft_statement import lower_rule

        read: list[Rule] = []
        for position, rule in enumerate(rules, 1):
            comment = rule.get("comment", "")
            read += lower_rule(rule["expr"], scope, position, comment if isinstance(comment, str) else "")
        if "hook" not in body and "type" not in body:
            return Chain(name, tuple(read))
        hook, kind, policy = body.get("hook"), body.get("type", "filter"), body.get("policy", "accept")
        if hook not in _HOOKS or kind not in ("filter", "nat", "route") or policy not in ("accept", "drop"):
            self.fail(f"base chain {name} of table {scope.table}: {json_text(body)}")
        devices = body.get("dev", ())
        names = (devices,) if isinstance(devices, str) else tuple(devices) if isinstance(devices, list) else ()
        if not all(isinstance(device, str) for device in names):
            self.fail(f"base chain {name} of table {scope.table}: {json_text(body)}")
        if hook in ("ingress", "egress") and not names:
            doubt = doubt or "this version of nft does not print the device of the chain"
        if doubt:
            read.insert(0, Rule((Unknown(f"table {scope.family} {scope.table}", doubt),), Accept(), doubt))
        return Chain(name, tuple(read), hook, self._priority(body, scope.family), kind, policy, names)

    def _priority(self, body: Mapping[str, Any], family: str) -> int:
        value = body.get("prio", 0)
        if isinstance(value, dict) and "base" in value:
            base = self._priority({"prio": value["base"]}, family)
            offset = value.get("offset", 0)
            if isinstance(offset, int):
                return base + offset
        if isinstance(value, int):
            return int(value)
        if isinstance(value, str):
            try:
                return number(value)
            except ValueError:
                pass
            found = _PRIORITY.match(value)
            names = _BRIDGE_PRIORITIES if family == "bridge" else _PRIORITIES
            if found is not None and found[1] in names:
                offset = int(found[3] or 0)
                return names[found[1]] + (-offset if found[2] == "-" else offset)
        return self.fail(f"priority {json_text(value)}")

    # ---- jumps ------------------------------------------------------------------------------------------------------

    def _check_jumps(self, table: str, chains: Mapping[str, Chain]) -> None:
        """Every jump leads to a chain of the table, and none leads back; iterative, since rulesets nest deeply."""
        goes_to = {name: sorted(_targets(chain.rules)) for name, chain in chains.items()}
        for name, targets in goes_to.items():
            for target in targets:
                if target not in chains:
                    self.fail(f"table {table}: chain {name} jumps to {target}, which is not there")
        done: set[str] = set()
        for start in chains:
            path: dict[str, Iterable[str]] = {}
            work = [start]
            while work:
                name = work[-1]
                if name not in path:
                    path[name] = iter(goes_to[name]) if name not in done else iter(())
                following = next(iter(path[name]), None)
                if following is None:
                    done.add(name)
                    path.pop(name)
                    work.pop()
                elif following in path:
                    self.fail(f"table {table}: chain {following} jumps back to itself")
                elif following not in done:
                    work.append(following)


def _targets(rules: Iterable[Rule]) -> set[str]:
    found: set[str] = set()
    work = list(rules)
    while work:
        target = work.pop().target
        if isinstance(target, Jump | Goto):
            found.add(target.chain)
        elif isinstance(target, Inline):
            work += target.rules
    return found


def _flags(body: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the table is dormant, and the doubt about that."""
    flags = body.get("flags", [])
    names = flags if isinstance(flags, list) else [flags]
    if "dormant" in names and body.get("name") != "dormant":
        return True, ""
    if all(name in ("owner", "persist") for name in names) and body.get("name") not in names:
        return False, ""
    return False, "the flags of the table do not read: it may be dormant"


def _note_statement(statement: Any, raw: _RawTable) -> None:
    """What a rule tells about its table: which sets packets add to, which fields are set, whether iptables made it."""
    if isinstance(statement, str):
        raw.added_to.update(_ADDED_TO.findall(statement))
        return
    if not isinstance(statement, dict):
        return
    if "xt" in statement:
        raw.foreign = True
    match = statement.get("match")
    if isinstance(match, dict) and isinstance(match.get("right"), str) and match["right"].startswith("@"):
        raw.looked_up.add(match["right"][1:])
    for kind in ("set", "map"):
        body = statement.get(kind)
        if isinstance(body, dict) and body.get("op") != "delete":
            name = body.get(kind, body.get("set"))
            if isinstance(name, str):
                raw.added_to.add(name.removeprefix("@"))
    body = statement.get("mangle")
    key = body.get("key") if isinstance(body, dict) else None
    if isinstance(key, dict):
        for kind, written in (("meta", "mark"), ("ct", "ct_mark")):
            inner = key.get(kind)
            if isinstance(inner, dict) and inner.get("key") == "mark":
                raw.written.add(written)
