"""Which chains of an iptables table call which: circles, and the hooks that a chain is reached from."""

from __future__ import annotations

from dataclasses import replace

from fwaudit.model.ruleset import Chain, Goto, Jump, NetmapDnat, Undecidable
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.targets.nat import netmap_of_source


def _jumps(chain: Chain) -> list[str]:
    targets = [said.target for said in texts_of(chain.rules)]
    return list({target.chain: None for target in targets if isinstance(target, (Jump, Goto))})


def callers_of(chains: dict[str, Chain]) -> dict[str, set[str]] | str:
    """The base chains that each chain is reached from, or the name of one that reaches itself."""
    state: dict[str, int] = {}
    order: list[str] = []
    targets = {name: _jumps(chain) for name, chain in chains.items()}
    for root in chains:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(targets[root]))]
        while stack:
            name, left = stack[-1]
            following = next(left, None)
            if following is None:
                stack.pop()
                state[name] = 2
                order.append(name)
            elif state.get(following) == 1:
                return following
            elif following not in state:
                state[following] = 1
                stack.append((following, iter(targets[following])))
    callers: dict[str, set[str]] = {name: {name} if chain.hook else set() for name, chain in chains.items()}
    for name in reversed(order):
        for following in targets[name]:
            callers[following] |= callers[name]
    return callers


def place_netmaps(chains: dict[str, Chain], callers: dict[str, set[str]]) -> None:
    """NETMAP rewrites the source in postrouting and input, the destination elsewhere (xt_NETMAP.c netmap_tg4)."""
    for name, chain in chains.items():
        if not any(isinstance(said.target, NetmapDnat) for said in texts_of(chain.rules)):
            continue
        hooks = {chains[caller].hook in ("postrouting", "input") for caller in callers[name]}
        rules = []
        for rule in chain.rules:
            target = rule.target
            if isinstance(target, NetmapDnat) and True in hooks:
                rule = replace(rule, target=netmap_of_source(target) if hooks == {True} else Undecidable(
                    "-j NETMAP", "called from hooks where it rewrites the source and where the destination"))
            rules.append(rule)
        chains[name] = replace(chain, rules=tuple(rules))
