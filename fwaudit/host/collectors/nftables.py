"""nf_tables: which tables there are, who wrote them, and the listing of those that are not iptables' own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from fwaudit.host.netlink import Nftables, NftChain, NftTable, RuleCount
from fwaudit.host.run import Answer, Collected, Machine, missing
from fwaudit.model.snapshot import Source
from fwaudit.records import dataclass

FILE = "nft/ruleset.json"
TABLES_FILE = "nft/tables.json"

Writer = Literal["iptables", "nft", "mixed"]

# The base chains that iptables-nft makes: type, hook and priority by table and chain (xtables_ipv4 in
# iptables/nft.c). A base chain of such a table that is none of these is somebody else's.
BUILT_IN: Mapping[str, Mapping[str, tuple[str, str, int]]] = {
    "filter": {name: ("filter", name.lower(), 0) for name in ("INPUT", "FORWARD", "OUTPUT")},
    "security": {name: ("filter", name.lower(), 50) for name in ("INPUT", "FORWARD", "OUTPUT")},
    "raw": {name: ("filter", name.lower(), -300) for name in ("PREROUTING", "OUTPUT")},
    "mangle": {name: ("route" if name == "OUTPUT" else "filter", name.lower(), -150)
               for name in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")},
    "nat": {"PREROUTING": ("nat", "prerouting", -100), "INPUT": ("nat", "input", 100),
            "OUTPUT": ("nat", "output", -100), "POSTROUTING": ("nat", "postrouting", 100)},
}
# What nft's scanner takes as a name; nft joins its arguments and parses them, so nothing else may reach it.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9/\\_.]*")


@dataclass(frozen=True, slots=True)
class Judged:
    """A table and who wrote it: iptables alone, nft alone, or both in one table."""

    table: NftTable
    writer: Writer
    rules: int | None = None

    def shown(self) -> dict[str, Any]:
        """The table as an entry of ``nft/tables.json``."""
        return {"family": self.table.family, "name": self.table.name, "writer": self.writer, "rules": self.rules,
                "chains": len(self.table.chains), "sets": self.table.sets, "dormant": self.table.dormant}


def judge(nftables: Nftables) -> list[Judged]:
    """Every table with its writer. Only those that could be iptables' have their rules looked at and counted."""
    return [_judge(nftables, table) for table in nftables.tables()]


def _judge(nftables: Nftables, table: NftTable) -> Judged:
    built_in = BUILT_IN.get(table.name)
    if table.family not in ("ip", "ip6") or built_in is None:
        return Judged(table, "nft")
    return Judged(table, *_writer(table, built_in, nftables.count_rules(table)))


def _writer(table: NftTable, built_in: Mapping[str, tuple[str, str, int]], count: RuleCount) -> tuple[Writer, int]:
    """Who wrote a table of an iptables name. iptables makes no sets in it, and every rule of its own has a counter."""
    base = [chain for chain in table.chains if chain.hook]
    strange = [chain for chain in base if not _is_built_in(chain, built_in)]
    if not (strange or table.sets or count.foreign):
        return "iptables", count.rules
    only_strange = bool(base) and len(strange) == len(base)
    if only_strange or (count.rules and count.foreign == count.rules):
        return "nft", count.rules
    return "mixed", count.rules


def _is_built_in(chain: NftChain, built_in: Mapping[str, tuple[str, str, int]]) -> bool:
    return built_in.get(chain.name) == (chain.type, chain.hook, chain.priority)


def collect_native(machine: Machine, tables: Sequence[Judged]) -> Collected:
    """``nft -j list table`` for each of the tables, put into one document as ``nft -j list ruleset`` would print it."""
    document: list[Any] = []
    source = Source()
    for judged in tables:
        answer = _list(machine, judged.table)
        source = answer.source
        try:
            items = json.loads(answer.data or b"")["nftables"] if answer.data is not None else None
        except (ValueError, KeyError, TypeError, RecursionError):
            items = None
            answer = missing("nft prints no JSON; nftables 0.9 or newer, built with it, is needed", source)
        if items is None:
            return _whole(machine, answer)
        document += [item for item in items if not document or "metainfo" not in item]
    if not tables:
        document = [{"metainfo": {"json_schema_version": 1}}]
    raw = json.dumps({"nftables": document}, separators=(",", ":")).encode() + b"\n"
    version = machine.version("nft", "--version") if tables else ""
    return Collected(FILE, raw, replace(source, version=version))


def _list(machine: Machine, table: NftTable) -> Answer:
    if not _NAME.fullmatch(table.name):
        return missing(f"nft cannot be asked for a table of this name: {table.name!r}"[:200])
    return machine.run(["nft", "-j", "list", "table", table.family, table.name])


def _whole(machine: Machine, failed: Answer) -> Collected:
    """All tables at once, where one of them cannot be asked for by its name."""
    if machine.which("nft") is None:
        return failed.named(FILE)
    answer = machine.run(["nft", "-j", "list", "ruleset"])
    if answer.data is None:
        return missing(failed.source.missing, answer.source).named(FILE)
    return answer.named(FILE, machine.version("nft", "--version"))


def shown(tables: Sequence[Judged]) -> Collected:
    """``nft/tables.json``: who wrote which table."""
    raw = json.dumps([judged.shown() for judged in tables], indent=1).encode() + b"\n"
    return Collected(TABLES_FILE, raw, Source())
