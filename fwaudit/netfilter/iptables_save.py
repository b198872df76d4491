"""The output of iptables-save (either backend, with or without counters) and of ``iptables -S`` → tables.

The text is read to its end or not at all: a line that does not read is a ParseError that names it, never a rule less.
A rule that nft put into a table of iptables may be printed wrongly, or not at all: iptables-nft-save 1.8.9 prints
``tcp dport { 80, 443 } accept`` as ``-p tcp -j ACCEPT``. That cannot be seen here, only in nft's own listing.
What the format is: iptables/iptables-save.c and iptables/nft.c of iptables 1.8, and what these print (tests/tables).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter

from fwaudit.errors import ParseError
from fwaudit.model.condition import Condition, In, Unknown
from fwaudit.model.ruleset import Backend, Chain, Table
from fwaudit.netfilter.chain_graph import circle_in, place_netmaps
from fwaudit.netfilter.hooks import BUILTIN_CHAINS, built_in_chains
from fwaudit.netfilter.matches._option import negate
from fwaudit.netfilter.matches.basic import OtherFamily, addresses
from fwaudit.netfilter.rule_list import NETWORK, Row, RuleList
from fwaudit.netfilter.rule_text import RuleReader
from fwaudit.netfilter.rule_words import OpenQuote, RuleError
from fwaudit.netfilter.save_text import RUN_SAVE, whole_lines
from fwaudit.records import NamedTuple

_RULE = re.compile(
    r"(?:\[[0-9]+:[0-9]+\] )?-A (\S+)(?: (! )?-s ([^\s!]\S*))?(?: (! )?-d ([^\s!]\S*))?( .*)?$", re.S)
_LINES = {
    family: re.compile(rf"^(?:(\[[0-9]+:[0-9]+\] )?-A (\S+){networks}( (?!(?:! )?-[sd] ).*[^ \t\r\n])?|.*)$", re.M)
    for family, networks in ((4, rf"( (?:! )?-s {NETWORK})?( (?:! )?-d {NETWORK})?"), (6, "()()"))}
"""Each line of a text. A rule whose addresses, if it has any, are written as nearly all are, is taken apart: counters,
chain, source, destination, what is behind them. The others are read by `_Parser.rule`."""
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[[0-9]+:[0-9]+\])?$")
_CHAINS = re.compile(r"^:(\S+) (-|ACCEPT|DROP)(?: \[[0-9]+:[0-9]+\])?$", re.M)
_POLICY = re.compile(r"-P (\S+) (\S+)(?: -c [0-9]+ [0-9]+)?$")
_NEW = re.compile(r"-N (\S+)$")
_INCOMPATIBLE = re.compile(r"# Table `(.+)' is incompatible")
_CHAIN_OF = itemgetter(1)
_COMMAND_TABLE = re.compile(r"#.*\s(?:-t|--table)[ =](\w+)")
_MAX_JOINED = 1 << 14  # a comment has at most 255 bytes; beyond, a lost quote would make reading quadratic

_BY_CHAINS = {
    frozenset({"INPUT", "FORWARD", "OUTPUT"}): "filter",
    frozenset({"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}): "nat",
    frozenset({"PREROUTING", "OUTPUT", "POSTROUTING"}): "nat",
    frozenset({"PREROUTING", "OUTPUT"}): "raw",
    frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}): "mangle",
}
"""Which table ``iptables -S`` printed, by its built-in chains (table security has those of filter)."""


class Parsed(NamedTuple):
    """The tables in their order; ``notes`` are the remarks of the tool, and doubts of ours, in plain words.

    ``incompatible`` names tables of which the tool says that it cannot show them (``Table `x' is incompatible, use
    'nft' tool``): what they do has to come from nft, and where it does not, it is not known.
    """

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    incompatible: tuple[str, ...] = ()


@dataclass(slots=True)
class _Open:
    """A table that is being read. ``name`` is empty in ``iptables -S`` output until its chains tell."""

    name: str
    line: int
    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Row]] = field(default_factory=dict)
    listed: bool = False


def parse(text: str | Iterable[str], *, family: int, backend: Backend, source: str) -> Parsed:
    """The tables that a dump holds. ``family`` 4 or 6 says which tool printed it. Raises ParseError.

    Where ``text`` comes in pieces, of any size, each is read as it comes: iptables-save prints for a while.
    """
    return _Parser(family, backend, source).parse((text,) if isinstance(text, str) else text)


class _Parser:
    def __init__(self, family: int, backend: Backend, source: str) -> None:
        self.family, self.backend, self.source = family, backend, source
        self.reader = RuleReader(family)
        self.tables: dict[str, Table] = {}
        self.notes: list[str] = []
        self.incompatible: list[str] = []
        self.open: _Open | None = None
        self.is_within_rule = False
        self.listed_table = ""
        self.addresses: dict[tuple[str, bool, str], Condition] = {}

    def error(self, line: int, message: str, hint: str = "") -> ParseError:
        return ParseError(self.source, line, message, hint)

    def parse(self, pieces: Iterable[str]) -> Parsed:
        lines = self.lines(pieces)
        for number, raw in lines:
            line = raw.strip(" \t\r")
            if line[:2] == "-A" or line[:1] == "[":
                try:
                    self.rule(line, raw, lines)
                except OtherFamily as error:
                    raise self.error(number, str(error), "Is it the output of the other one of iptables-save and "
                                                         "ip6tables-save?") from None
                except RuleError as error:
                    raise self.error(number, f"{error}: {_short(line)}", error.hint) from None
            elif line[:1] == "#":
                self.comment(line)
            elif line:
                self.word(number, line)
        if self.open is not None:
            if not self.open.listed:
                raise self.error(self.open.line, f"truncated: table {self.open.name} has no COMMIT",
                                 "The rest of the dump is missing. " + RUN_SAVE)
            self.finish()
        return Parsed(tuple(self.tables.values()), tuple(self.notes), tuple(self.incompatible))

    def lines(self, pieces: Iterable[str]) -> Iterator[tuple[int, str]]:
        """The lines of a text in pieces, with their numbers; but runs of plain rules are taken right here."""
        number = 1
        for text in whole_lines(pieces, self.source):
            lines = text.split("\n")
            if text[:1] == ":" and self.take_chains(text, len(lines)):
                number += len(lines)
                continue
            found = _LINES[self.family].findall(text)
            chains = [*map(_CHAIN_OF, found), ""]
            first = 0
            while first < len(lines):
                stop = chains.index("", first)
                if first == stop or not self.take(found[first:stop]):
                    yield from enumerate(lines[first:stop], number + first)
                first = stop + 1
                if stop < len(lines) and lines[stop][:1] == ":":
                    while first < len(lines) and lines[first][:1] == ":":
                        first += 1
                if stop < len(lines) and (first == stop + 1 or not self.take_chains(
                        "\n".join(lines[stop:first]), first - stop)):
                    yield from enumerate(lines[stop:first], number + stop)
            number += len(lines)

    def take_chains(self, text: str, count: int) -> bool:
        """Take ``count`` lines that are nothing but chains; False, and nothing is done, where one of them is not."""
        if self.open is None or self.is_within_rule:
            return False
        found = _CHAINS.findall(text)
        policies = dict(found)
        if len(policies) != count or not policies.keys().isdisjoint(self.open.policies):
            return False
        self.open.policies.update(policies)
        self.open.rules.update([(name, []) for name in policies])
        return True

    def take(self, found: list[tuple[str, ...]]) -> bool:
        """Take a run of plain rules; False, and nothing is done, where one of them has to be looked at by itself."""
        if self.open is None or self.is_within_rule:
            return False
        counters, chains, sources, destinations, rests = zip(*found, strict=True)
        rules, said = self.open.rules, self.reader.before
        if not rules.keys() >= set(chains):
            return False
        if not self.reader.read_all(set(rests).difference(said)):
            return False
        for chain, row in zip(chains, zip(map(said.__getitem__, rests), _or_none(sources), _or_none(destinations),
                                          counters, strict=True), strict=True):
            rules[chain].append(row)
        return True

    def comment(self, line: str) -> None:
        """Remarks of iptables-nft-save are comments, and what they say must not be lost."""
        found = _INCOMPATIBLE.match(line)
        if found:
            self.incompatible.append(found[1])
        if found or line.startswith(("# Table `", "# Warning")):
            self.notes.append(line.lstrip("# "))
        command = _COMMAND_TABLE.match(line)
        if command and (self.open is None or self.open.listed):
            if self.open is not None:
                self.finish()
            self.listed_table = command[1]

    def word(self, number: int, line: str) -> None:
        """A line that is neither a rule nor a comment."""
        if line[0] == "*":
            if self.open is not None:
                raise self.error(number, f"truncated: table {self.open.name or '?'} has no COMMIT before {line}",
                                 "A part of the dump is missing. " + RUN_SAVE)
            name = line[1:]
            if name not in BUILTIN_CHAINS:
                raise self.error(number, f"no table of iptables: {_short(line)}", RUN_SAVE)
            self.begin(_Open(name, number))
        elif line[0] == ":":
            found = _CHAIN.match(line)
            if found is None or self.open is None:
                raise self.error(number, f"not a chain of a table: {_short(line)}", RUN_SAVE)
            self.declare(number, found[1], found[2])
        elif line == "COMMIT":
            if self.open is None or self.open.listed:
                raise self.error(number, "COMMIT without a table", "The begin of the dump is missing. " + RUN_SAVE)
            self.finish()
        elif line[:3] in ("-P ", "-N ") and (self.open is None or self.open.listed):
            self.listed_chain(number, line)
        else:
            raise self.error(number, f"not a line of iptables-save: {_short(line)}", RUN_SAVE)

    def listed_chain(self, number: int, line: str) -> None:
        """A chain in the way that ``iptables -S`` prints it."""
        found = _POLICY.match(line) or _NEW.match(line)
        if found is None:
            raise self.error(number, f"not a line of iptables -S: {_short(line)}", RUN_SAVE)
        if self.open is None:
            self.begin(_Open(self.listed_table, number, listed=True))
            self.notes.append("read from iptables -S, which has no end mark: whether it is complete cannot be seen")
        self.declare(number, found[1], found[2] if line[1] == "P" else "-")

    def begin(self, table: _Open) -> None:
        if table.name in self.tables:
            raise self.error(table.line, f"table {table.name} for the second time",
                             "Are these two dumps in one file? IPv4 and IPv6, nft and legacy are files of their own.")
        self.open = table
        self.reader.begin_table(table.policies)

    def declare(self, number: int, name: str, policy: str) -> None:
        table = self.open
        assert table is not None
        if name in table.policies:
            raise self.error(number, f"chain {name} for the second time in table {table.name or '?'}", RUN_SAVE)
        if policy not in ("-", "ACCEPT", "DROP"):
            raise self.error(number, f"chain {name} has no policy that is known: {_short(policy)}", RUN_SAVE)
        table.policies[name] = policy
        table.rules[name] = []

    def rule(self, line: str, raw: str, lines: Iterator[tuple[int, str]]) -> None:
        """One rule; more lines of ``lines`` are taken where a quoted word holds line breaks, as a comment may."""
        while True:
            found = _RULE.match(line)
            if found is None:
                raise RuleError("not a rule", RUN_SAVE)
            name, not_src, src, not_dst, dst, rest = found.groups()
            rules = self.open.rules.get(name) if self.open is not None else None
            if rules is None:
                raise RuleError(f"a rule of chain {name}, which is not declared",
                                "The head of the table is missing. " + RUN_SAVE)
            try:
                said = self.reader.read(rest or "")
                break
            except OpenQuote:
                self.is_within_rule = True
                following = next(lines, None)
                self.is_within_rule = False
                if following is None or len(line) > _MAX_JOINED:
                    raise
                raw = raw.lstrip(" \t") + "\n" + following[1]
                line = raw.rstrip(" \t\r")
        source = self.address("-s", not_src, src) if src is not None else None
        destination = self.address("-d", not_dst, dst) if dst is not None else None
        for condition in (destination, source):
            if condition is not None and not isinstance(condition, In):
                said = said._replace(conditions=(condition, *said.conditions))
        rules.append((said, source.values if isinstance(source, In) else None,
                      destination.values if isinstance(destination, In) else None, line))

    def address(self, option: str, negated: str | None, text: str) -> Condition:
        """``[!] -s text`` or ``-d``."""
        key = option, negated is not None, text
        condition = self.addresses.get(key)
        if condition is None:
            try:
                condition = addresses("src" if option == "-s" else "dst")((text,), self.family)
            except ValueError as error:
                condition = Unknown(f"{option} {text}", f"does not read: {error}")
            condition = self.addresses[key] = negate(condition) if negated else condition
        return condition

    def finish(self) -> None:
        """Close the open table: give its built-in chains their hooks, and look at its jumps."""
        table = self.open
        assert table is not None
        self.open = None
        with_policy = frozenset(name for name, policy in table.policies.items() if policy != "-")
        name = table.name or _BY_CHAINS.get(with_policy, "")
        if name not in BUILTIN_CHAINS or name in self.tables:
            raise self.error(table.line, f"which table is this? {name or ' '.join(sorted(with_policy))}", RUN_SAVE)
        builtin = built_in_chains(self.backend, name)
        chains: dict[str, Chain] = {}
        for chain, policy in table.policies.items():
            if policy == "-":
                chains[chain] = Chain(chain, RuleList(chain, table.rules[chain]))
                continue
            if chain not in builtin:
                raise self.error(table.line, f"chain {chain} of table {name} has a policy but no hook", RUN_SAVE)
            hook, priority = builtin[chain]
            chains[chain] = Chain(chain, RuleList(chain, table.rules[chain]), hook, priority,
                                 "nat" if name == "nat" else "route" if (name, chain) == ("mangle", "OUTPUT")
                                 else "filter", "drop" if policy == "DROP" else "accept")
        circle = circle_in(chains)
        if circle is not None:
            raise self.error(table.line, f"chains of table {name} jump in a circle at {circle}",
                             "The kernel refuses that, so the dump was edited.")
        if name == "nat":
            place_netmaps(chains)
        self.tables[name] = Table(self.backend, "ip" if self.family == 4 else "ip6", name, chains)


def _or_none(words: Sequence[str]) -> Iterable[str | None]:
    """None in place of words that are not there."""
    return [word or None for word in words] if any(words) else repeat(None, len(words))


def _short(line: str) -> str:
    return repr(line if len(line) <= 80 else line[:77] + "…")
