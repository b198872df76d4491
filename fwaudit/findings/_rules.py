"""What findings about rules share: the rules of DOCKER-USER, where they stand, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from shlex import quote

from fwaudit.model.condition import TRUE, All, AnyOf, Condition, In, Named, Not, Unknown
from fwaudit.model.host import Host
from fwaudit.model.ruleset import Accept, Drop, Goto, Jump, Reject, Return, Rule, Table
from fwaudit.netfilter.denote import simplify
from fwaudit.netfilter.rule_words import plain, words_of
from fwaudit.packet.fields import STATE_ESTABLISHED, Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass

CHAIN = "DOCKER-USER"
ANSWERS = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
"""The rule that every DROP in DOCKER-USER has to stand behind, if it is not about one direction."""
UFW = ("ufw-", "ufw6-")
STRANGERS = {4: ("203.0.113.77", "198.51.100.7", "8.8.8.8"), 6: ("2001:db8:99::7", "2001:4860:4860::8888")}
"""Addresses of nobody in particular: two for documentation, and one that is routed."""
_SHOWN = 4


@dataclass(frozen=True)
class Placed:
    """A rule, and the chain of which table it stands in."""

    table: Table
    chain: str
    rule: Rule

    @property
    def name(self) -> str:
        """``DOCKER-USER rule 2: -A DOCKER-USER -i eth0 -j DROP``."""
        return f"{self.chain} rule {self.rule.number}: {self.rule.text}"

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Its conditions, those inside of conjunctions too."""
        return tuple(_flat(self.rule.conditions))


# ---- where rules stand ----------------------------------------------------------------------------------------------


def filter_tables(host: Host) -> Iterator[tuple[int, Table]]:
    """The filter tables that iptables wrote, nft or legacy, each with its family (4, 6)."""
    for table in host.ruleset.tables:
        if table.backend != "native" and table.name == "filter" and table.family in ("ip", "ip6"):
            yield (4 if table.family == "ip" else 6), table


class _Same:
    """A table as the key of a memory: the very same one, not one that is alike."""

    __slots__ = ("table",)

    def __init__(self, table: Table) -> None:
        self.table = table

    def __hash__(self) -> int:
        return id(self.table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.table is other.table


def admin_rules(table: Table) -> tuple[Placed, ...]:
    """The rules that somebody wrote into DOCKER-USER, and into chains of his own that it leads to; without the RETURN
    that Docker puts at its end, and without ufw's own chains."""
    return _admin_rules(_Same(table))


@lru_cache(maxsize=4)  # every finding about DOCKER-USER asks for them, and there may be 100,000
def _admin_rules(same: _Same) -> tuple[Placed, ...]:
    table = same.table
    found: list[Placed] = []
    left, seen = [CHAIN], {CHAIN}
    while left:
        name = left.pop(0)
        chain = table.chains.get(name)
        for rule in chain.rules if chain is not None else ():
            if name == CHAIN and isinstance(rule.target, Return) and is_always(rule):
                continue
            found.append(Placed(table, name, rule))
            if isinstance(rule.target, (Jump, Goto)) and rule.target.chain not in seen and not (
                    rule.target.chain.startswith(UFW)):
                seen.add(rule.target.chain)
                left.append(rule.target.chain)
    return tuple(found)


def is_asked(table: Table) -> bool:
    """Whether FORWARD comes to DOCKER-USER: it jumps there, or a chain does that it jumps to, before a rule that ends
    the matter for every packet."""
    return _is_asked(_Same(table))


@lru_cache(maxsize=4)
def _is_asked(same: _Same) -> bool:
    left, seen = ["FORWARD"], {"FORWARD"}
    while left:
        chain = same.table.chains.get(left.pop())
        for rule in chain.rules if chain is not None else ():
            if isinstance(rule.target, (Jump, Goto)) and rule.target.chain not in seen:
                if rule.target.chain == CHAIN:
                    return True
                seen.add(rule.target.chain)
                left.append(rule.target.chain)
            if isinstance(rule.target, (Accept, Drop, Reject, Return, Goto)) and is_always(rule):
                break
    return False


def asked_tables(host: Host) -> Iterator[tuple[int, Table, tuple[Placed, ...]]]:
    """The filter tables whose DOCKER-USER is asked and holds rules of somebody's."""
    for family, table in filter_tables(host):
        rules = admin_rules(table)
        if rules and is_asked(table):
            yield family, table, rules


def tool(table: Table) -> str:
    """The command that writes to a table."""
    name = "iptables" if table.family == "ip" else "ip6tables"
    return f"{name}-legacy" if table.backend == "legacy" else name


def typed(text: str) -> str:
    """A rule without its ``-A CHAIN``, as a shell takes it: comments and names in it are data, whatever they hold."""
    words = map(plain, words_of(text)[2:])
    return " ".join(word if word == "!" else quote(word) for word in words)


# ---- what rules say -------------------------------------------------------------------------------------------------


def is_always(rule: Rule) -> bool:
    """Whether a rule is for every packet."""
    return not rule.conditions or simplify(All(rule.conditions)) == TRUE


def restricts(placed: Placed) -> bool:
    """Whether a rule drops or refuses, by itself or in a chain that it leads to."""
    left, seen = [placed.rule], set()
    while left:
        target = left.pop().target
        if isinstance(target, (Drop, Reject)):
            return True
        if isinstance(target, (Jump, Goto)) and target.chain not in seen:
            seen.add(target.chain)
            chain = placed.table.chains.get(target.chain)
            left += chain.rules if chain is not None else ()
    return False


def lets_answers_through(placed: Placed) -> bool:
    """Whether it is the rule that replies need: ESTABLISHED, and back to Docker's chains or through."""
    return isinstance(placed.rule.target, (Return, Accept)) and any(
        isinstance(each, In) and each.field == "ct_state" and STATE_ESTABLISHED in each.values
        for each in placed.conditions)


def values_of(placed: Placed, field: Field) -> IntervalSet | None:
    """The values that a rule asks of a field, None where it does not ask."""
    found: IntervalSet | None = None
    for each in placed.conditions:
        if isinstance(each, In) and each.field == field:
            found = each.values if found is None else found & each.values
    return found


def interfaces_of(placed: Placed, field: Field) -> tuple[Named, ...]:
    """The interfaces that a rule names, as the one that packets have; without those that it excepts."""
    return tuple(each for each in placed.conditions if isinstance(each, Named) and each.field == field)


def holds(named: Named, interface: str) -> bool:
    """Whether an interface has the name."""
    return interface.startswith(named.name) if named.prefix else interface == named.name


def covers(earlier: Rule, later: Rule) -> bool:
    """Whether every packet that ``later`` is for is one that ``earlier`` is for as well, by what both say."""
    said = tuple(_flat(later.conditions))
    return all(_is_said(each, said) for each in _flat(earlier.conditions))


def _is_said(wanted: Condition, said: Iterable[Condition]) -> bool:
    if isinstance(wanted, Unknown):
        return False
    for each in said:
        if each == wanted and not _is_unknown(each):
            return True
        if isinstance(wanted, In) and isinstance(each, In) and each.field == wanted.field and (
                each.values <= wanted.values):
            return True
    return simplify(wanted) == TRUE


def _is_unknown(condition: Condition) -> bool:
    if isinstance(condition, (All, AnyOf)):
        return any(_is_unknown(part) for part in condition.parts)
    return _is_unknown(condition.part) if isinstance(condition, Not) else isinstance(condition, Unknown)


def _flat(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for each in conditions:
        if isinstance(each, All):
            yield from _flat(each.parts)
        else:
            yield each


def changed(condition: Condition, change: Callable[[Condition], Condition]) -> Condition:
    """A condition with ``change`` made to each of its smallest parts."""
    if isinstance(condition, All):
        return All(tuple(changed(part, change) for part in condition.parts))
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(changed(part, change) for part in condition.parts))
    return Not(changed(condition.part, change)) if isinstance(condition, Not) else change(condition)


# ---- words ----------------------------------------------------------------------------------------------------------


def listed(names: Iterable[str]) -> str:
    """``a, b and 3 more``."""
    each = list(dict.fromkeys(names))
    if len(each) > _SHOWN + 1:
        return f"{', '.join(each[:_SHOWN])} and {len(each) - _SHOWN} more"
    return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def plural(count: int, word: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def meaning(rule: Rule) -> tuple[tuple[str, ...], object]:
    """What a rule says, whatever its spelling; what cannot be decided is compared by its words."""
    return tuple(sorted(map(repr, _flat(rule.conditions)))), rule.target
