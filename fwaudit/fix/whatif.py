"""A ruleset as it would be with a plan loaded: made from the very text that the tools will read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fwaudit.fix import nftables
from fwaudit.fix.docker_user import CHAIN
from fwaudit.model.plan import Plan, Transaction
from fwaudit.model.ruleset import Chain, Goto, Jump, Rule, Ruleset, Table
from fwaudit.netfilter import iptables_save, nft_json
from fwaudit.netfilter.hooks import BUILTIN_CHAINS


def loaded(ruleset: Ruleset, plan: Plan) -> Ruleset:
    """The ruleset with every transaction of a plan loaded."""
    tables = list(ruleset.tables)
    for transaction in plan.transactions:
        if transaction.backend == "native":
            tables = [table for table in tables if not _is_ours(table)]
            tables += nft_json.parse(transaction.document, source="the plan").tables
        else:
            tables = _restored(tables, transaction)
    return replace(ruleset, tables=tuple(tables))


def without_ours(ruleset: Ruleset) -> Ruleset:
    """The ruleset as it would be had no fix been loaded."""
    tables = []
    for table in ruleset.tables:
        if not _is_ours(table):
            chains = {name: _without_jump(chain) for name, chain in table.chains.items() if name != CHAIN}
            tables.append(replace(table, chains=chains))
    return replace(ruleset, tables=tuple(tables))


def changes(before: Ruleset, after: Ruleset) -> bool:
    """Whether two rulesets differ in anything but counters and the spelling of a rule."""
    return _meaning(before.tables) != _meaning(after.tables)


def ours(ruleset: Ruleset) -> dict[tuple[str, ...], object]:
    """What our own chains say and where the jumps to them stand: the part that a plan decides."""
    found: dict[tuple[str, ...], object] = {}
    for table in ruleset.tables:
        for name, chain in table.chains.items():
            key = (table.backend, table.family, table.name, name)
            if _is_ours(table) or name == CHAIN:
                found[key] = _rules(chain)
            else:
                jumps = [rule.number for rule in chain.rules if isinstance(rule.target, (Jump, Goto))
                         and rule.target.chain == CHAIN]
                found |= {key: tuple(jumps)} if jumps else {}
    return found


def _is_ours(table: Table) -> bool:
    return (table.backend, table.family, table.name) == ("native", "inet", nftables.TABLE)


def _meaning(tables: Iterable[Table]) -> dict[tuple[str, ...], object]:
    return {(table.backend, table.family, table.name, name): (chain.policy, _rules(chain))
            for table in tables for name, chain in table.chains.items()}


def _rules(chain: Chain) -> list[object]:
    return [(frozenset(rule.conditions), rule.target) for rule in chain.rules]


def _restored(tables: list[Table], transaction: Transaction) -> list[Table]:
    """What iptables-restore --noflush makes of the tables."""
    family = "ip" if transaction.family == 4 else "ip6"
    key = (transaction.backend, family, transaction.table)
    old = next((table for table in tables if (table.backend, table.family, table.name) == key), None)
    chains = dict(old.chains) if old is not None else _builtin(transaction.table)
    plain: list[str] = []
    for line in transaction.text.splitlines():
        if not line.startswith(("-I ", "-D ", "-X ")):
            plain.append(line)
    parsed = iptables_save.parse("\n".join(plain), family=transaction.family, backend=transaction.backend,
                                 source="the plan")
    chains[CHAIN] = parsed.tables[0].chains[CHAIN]
    for line in transaction.text.splitlines():
        words = line.split()
        if words[:1] == ["-D"]:
            chains[words[1]] = _without_jump(chains[words[1]])
        elif words[:1] == ["-I"]:
            jump = Rule((), Jump(CHAIN), f"-A {words[1]} -j {CHAIN}")
            chains[words[1]] = _numbered(chains[words[1]], (jump, *chains[words[1]].rules))
        elif words[:1] == ["-X"]:
            del chains[words[1]]
    new = replace(old, chains=chains) if old is not None else Table(
        transaction.backend, family, transaction.table, chains)
    return [new if table is old else table for table in tables] if old is not None else [*tables, new]


def _without_jump(chain: Chain) -> Chain:
    return _numbered(chain, tuple(rule for rule in chain.rules
                                  if not (isinstance(rule.target, (Jump, Goto)) and rule.target.chain == CHAIN)))


def _numbered(chain: Chain, rules: tuple[Rule, ...]) -> Chain:
    return replace(chain, rules=tuple(replace(rule, number=number) for number, rule in enumerate(rules, 1)))


def _builtin(table: str) -> dict[str, Chain]:
    """The chains that a table has as soon as anything is written to it."""
    return {name: Chain(name, (), hook, priority) for name, (hook, priority) in BUILTIN_CHAINS[table].items()}
