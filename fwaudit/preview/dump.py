"""A dump of iptables-save that rules can be added to and taken out of, as iptables would.

Only the engine's own rules are touched; every other line stays as it is. Rules are taken out by their whole text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fwaudit.netfilter.hooks import BUILTIN_CHAINS

_RULE = re.compile(r"(?:\[[0-9]+:[0-9]+\] )?(-A (\S+).*)", re.S)


@dataclass(slots=True)
class _Table:
    head: list[str] = field(default_factory=list)
    chains: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)


class Dump:
    """The tables of one dump. ``missing``: rules that were to be taken out and were not there."""

    def __init__(self, text: str) -> None:
        self.tables: dict[str, _Table] = {}
        self.missing: list[str] = []
        self._foot: list[str] = []
        head: list[str] = []
        table: _Table | None = None
        chain = ""
        for line in text.splitlines():
            rule = _RULE.match(line)
            if line.startswith("*"):
                table = self.tables[line[1:].strip()] = _Table(head)
                head, chain = [], ""
            elif table is None:
                head.append(line)
            elif line.startswith(":"):
                name = line[1:].split(" ", 1)[0]
                table.chains[name] = line
                table.rules.setdefault(name, [])
            elif rule is not None:
                chain = rule[2]
                table.rules.setdefault(chain, []).append(rule[1])
            elif line.strip() == "COMMIT":
                table = None
            elif chain:  # a comment that holds a line break
                table.rules[chain][-1] += "\n" + line
            else:
                table.head.append(line)
        self._foot = head

    def has(self, table: str, chain: str) -> bool:
        """Whether there is such a chain."""
        return table in self.tables and chain in self.tables[table].chains

    def append(self, table: str, chain: str, rule: str, *, once: bool = True) -> None:
        """``iptables -A``; ``once``: not where the same rule is there."""
        rules = self._rules(table, chain)
        if not once or rule not in rules:
            rules.append(rule)

    def insert(self, table: str, chain: str, rule: str) -> None:
        """``iptables -I``, where the same rule is not there."""
        rules = self._rules(table, chain)
        if rule not in rules:
            rules.insert(0, rule)

    def take(self, table: str, chain: str, rule: str, *, needed: bool = True) -> None:
        """``iptables -D``: the first rule of this text. ``needed``: it should have been there."""
        rules = self.tables[table].rules.get(chain, []) if table in self.tables else []
        if rule in rules:
            rules.remove(rule)
        elif needed:
            self.missing.append(f"{table} {rule}")

    def rules(self, table: str, chain: str) -> list[str]:
        """The rules of a chain, ``-A CHAIN …`` each; empty where there is none."""
        return list(self.tables[table].rules.get(chain, ())) if table in self.tables else []

    def policy(self, chain: str, policy: str) -> None:
        """``iptables -P`` in table filter."""
        if self.has("filter", chain):
            self.tables["filter"].chains[chain] = f":{chain} {policy} [0:0]"

    def text(self) -> str:
        """The dump, to be read again."""
        lines: list[str] = []
        for name, table in self.tables.items():
            lines += [*table.head, f"*{name}", *table.chains.values()]
            lines += [rule for chain in table.chains for rule in table.rules[chain]]
            lines.append("COMMIT")
        return "\n".join([*lines, *self._foot, ""])

    def _rules(self, table: str, chain: str) -> list[str]:
        """The rules of a chain; a table that nobody used yet comes into being with its first rule."""
        found = self.tables.get(table)
        if found is None:
            found = self.tables[table] = _Table(
                chains={name: f":{name} ACCEPT [0:0]" for name in BUILTIN_CHAINS[table]},
                rules={name: [] for name in BUILTIN_CHAINS[table]})
        if chain not in found.chains:
            found.chains[chain] = f":{chain} - [0:0]"
        return found.rules.setdefault(chain, [])
