"""Random native nftables rulesets: tables of every family that IP packets meet, base chains with priorities by number
and by name, user chains, named sets and maps.

Only what nft and the kernel take. Two things are left out since nobody could tell their outcome from a dump: two filter
chains of the same priority on one hook (they run in the order of their making: what the one drops the other may
reject), and a match on a set that other rules add to (each packet changes it for the next).
"""

from __future__ import annotations

from typing import NamedTuple

from grammar_nft_match import Draft, NftMatches
from grammar_nft_set import NamedPlan, Values
from grammar_nft_target import NftTargets
from grammar_pool import INTERFACES, Pool

FILTER_HOOKS = ("prerouting", "input", "forward", "postrouting")
_NAMES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_ONLY_ON = {"dstnat": ("prerouting",), "srcnat": ("postrouting",)}
_CONNTRACK = -200
"""Where connection tracking stands: a chain of the same priority runs before or behind it."""


class BaseChain(NamedTuple):
    """A base chain. ``side``: of nat chains, destination or source; else empty."""

    name: str
    hook: str
    kind: str
    declaration: str

    @property
    def side(self) -> str:
        return "" if self.kind != "nat" else "dst" if self.hook in ("prerouting", "output") else "src"


class ChainPlan(NamedTuple):
    """Any chain of a table, by the base chains that it is walked from. ``netdev``: one of them is on ingress, where
    there is no connection yet to ask about."""

    name: str
    hooks: frozenset[str]
    side: str
    base: bool
    netdev: bool = False


class NftGrammar:
    """Makes rulesets. ``taken``: (hook, priority) pairs that other filter chains stand on. ``odd``: the share of
    matches that the engine cannot decide."""

    def __init__(self, pool: Pool, taken: set[tuple[str, int]] | None = None, odd: float = 0.01) -> None:
        self.pool = pool
        self.taken = taken if taken is not None else set()
        self.odd = odd

    def ruleset(self, families: tuple[int, ...], rules: int) -> str:
        """One to three tables with about ``rules`` rules in all, about packets of ``families``."""
        pool = self.pool
        kinds = ["inet", "inet", *("ip" if family == 4 else "ip6" for family in families for _ in range(2))]
        tables = [pool.one(kinds) for _ in range(pool.one((1, 1, 2, 3)))]
        if pool.chance(0.15):
            tables.append("netdev")
        return "".join(self.table(family, f"t{number}", max(2, rules // len(tables)), families)
                       for number, family in enumerate(tables))

    # ---- tables and chains ------------------------------------------------------------------------------------------

    def table(self, family: str, name: str, rules: int, families: tuple[int, ...]) -> str:
        pool = self.pool
        bases = self.base_chains(family, pool.rng.randint(1, 2 if family == "netdev" else 5))
        if not bases:
            return ""
        plans = [ChainPlan(base.name, frozenset((base.hook,)), base.side, True, base.hook == "ingress")
                 for base in bases]
        users: list[ChainPlan] = []
        for number in range(pool.rng.randint(0, min(5, rules))):
            home = pool.one(plans)
            hooks = {plan.hooks for plan in plans if plan.side == home.side and pool.chance(0.4)} | {home.hooks}
            reach = frozenset().union(*hooks)
            users.append(ChainPlan(f"u{number}", reach, home.side, False, "ingress" in reach))
        own = {"ip": (4,), "ip6": (6,)}.get(family, families)
        values = Values(pool)
        named = [] if pool.chance(0.4) else [
            values.named(f"s{number}", own, [user.name for user in users]) for number in range(pool.rng.randint(1, 4))]
        writer = _RuleWriter(self, family, own, values, named)
        body: dict[str, list[str]] = {plan.name: [] for plan in (*users, *plans)}
        for _ in range(rules):
            at = pool.rng.randrange(len(users)) if users and pool.chance(0.5) else -1
            chain = users[at] if at >= 0 else pool.one(plans)
            below = [each for each in users[at + 1:] if chain.hooks <= each.hooks and chain.side == each.side]
            body[chain.name].append(writer.rule(chain, below))
        lines = [f"table {family} {name} {{"]
        if pool.chance(0.05):
            lines.append("  flags dormant")
        lines += [line for plan in users for line in (f"  chain {plan.name} {{", "  }")]  # verdict maps name them
        lines += [line for each in named for line in each.lines()]
        if writer.added:
            lines += ["  set seen4 { type ipv4_addr; flags dynamic; size 65535; }",
                      "  set seen6 { type ipv6_addr; flags dynamic; size 65535; }"]
        declared = {base.name: base.declaration for base in bases}
        for chain_name, texts in body.items():
            lines += [f"  chain {chain_name} {{", *([f"    {declared[chain_name]}"] if chain_name in declared else []),
                      *(f"    {text}" for text in texts), "  }"]
        return "\n".join([*lines, "}"]) + "\n"

    def base_chains(self, family: str, count: int) -> list[BaseChain]:
        pool = self.pool
        made: list[BaseChain] = []
        for number in range(count):
            if family == "netdev" or (family == "inet" and pool.chance(0.06)):
                hook, kind = "ingress", "filter"
            elif pool.chance(0.3):
                hook, kind = pool.one(("prerouting", "prerouting", "postrouting", "input")), "nat"
            else:
                hook, kind = pool.one((*FILTER_HOOKS, "input", "forward", "prerouting")), "filter"
            priority, text = self.priority(hook, kind)
            if kind == "filter":
                if (hook, priority) in self.taken:
                    continue
                self.taken.add((hook, priority))
            device = f' device "{pool.one(INTERFACES)}"' if hook == "ingress" else ""
            if hook == "ingress" and pool.chance(0.3):
                pair = pool.rng.sample(INTERFACES, 2)
                device = f' devices = {{ "{pair[0]}", "{pair[1]}" }}'
            policy = "drop" if kind == "filter" and pool.chance(0.25 if hook in ("input", "forward") else 0.02) else (
                "accept")
            made.append(BaseChain(f"c{number}", hook, kind,
                                  f"type {kind} hook {hook}{device} priority {text}; policy {policy};"))
        return made

    def priority(self, hook: str, kind: str) -> tuple[int, str]:
        """A priority and how it is written. Nat chains stand behind connection tracking, and only order each other."""
        pool = self.pool
        while True:
            if hook != "ingress" and pool.chance(0.6):
                name = pool.one([each for each in _NAMES if hook in _ONLY_ON.get(each, (hook,))])
                offset = pool.one((0, 0, 0, -10, 10, 1, -1, 5))
                value = _NAMES[name] + offset
                text = name if not offset else f"{name} {'+' if offset > 0 else '-'} {abs(offset)}"
            else:
                value = pool.one((-500, -301, -290, -210, -199, -160, -101, -100, -99, -5, 0, 3, 99, 100, 101, 200,
                                  500))
                text = str(value)
            if kind == "nat" and value <= -200:
                continue
            if kind == "filter" and hook == "prerouting" and value == _CONNTRACK:
                continue
            return value, text


class _RuleWriter:
    """Writes the rules of one table."""

    def __init__(self, grammar: NftGrammar, family: str, families: tuple[int, ...], values: Values,
                 named: list[NamedPlan]) -> None:
        self.pool = grammar.pool
        self.family = family
        self.families = families
        self.matches = NftMatches(grammar.pool, family, values, named, grammar.odd)
        self.targets = NftTargets(grammar.pool, family, values, named)
        self.added = False

    def rule(self, chain: ChainPlan, below: list[ChainPlan]) -> str:
        """Matches and effects in any order, and a verdict last."""
        pool = self.pool
        version = pool.one(self.families) if self.family in ("ip", "ip6") or pool.chance(0.75) else 0
        draft = Draft(version, pool.one(("", "tcp", "tcp", "udp", "th", "icmp" if pool.chance(0.4) else "")),
                      chain.hooks, chain.netdev, chain.side)
        target = self.targets.target(draft, [each.name for each in below])
        words: list[str] = []
        count = pool.one((0, 1, 1, 1, 2, 2, 3))
        if not count and target.final and pool.chance(0.9):
            count = 1  # seldom a verdict for everything
        proto = self.matches.protocol(draft)
        if proto:
            words.append(proto)
        for _ in range(count):
            words.append(self.matches.match(draft))
            if pool.chance(0.06):
                words.append(self.quiet(draft))
            if pool.chance(0.05):
                words.append(self.targets.effect(draft))
        words.append(target.text)
        if pool.chance(0.03):
            words.append('comment "it is: accept"')
        return " ".join(word for word in words if word)

    def quiet(self, draft: Draft) -> str:
        pool = self.pool
        if draft.version and not draft.netdev and pool.chance(0.15):
            self.added = True
            ip = "ip" if draft.version == 4 else "ip6"
            return f"{pool.one(('add', 'update'))} @seen{draft.version} {{ {ip} saddr }}"
        choices = ["counter", "counter", 'log prefix "a b" group 9', "log group 9", "meta nftrace set 1"]
        if not draft.netdev:
            choices += ["meta priority set 1:2", "ct label set 1"]
        if draft.version == 4:
            choices.append("ip dscp set cs1")
        if draft.proto == "tcp":
            choices.append("tcp option maxseg size set 1200")
        return pool.one(choices)
