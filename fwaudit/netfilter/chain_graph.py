"""Which chains of an iptables table call which: circles, and the hooks that a chain is reached from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fwaudit.model.ruleset import Chain, Goto, Jump, NetmapDnat, Undecidable
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.targets.nat import netmap_of_source


def _calls(chains: Mapping[str, Chain]) -> dict[str, list[str]]:
    """The chains that each chain jumps to, each once; without those that jump to none."""
    calls: dict[str, list[str]] = {}
    for name, chain in chains.items():
        if not chain.rules:  # as every other chain that ufw makes
            continue
        found = {said.target.chain: None for said in texts_of(chain.rules) if isinstance(said.target, (Jump, Goto))}
        if found:
            calls[name] = [*found]
    return calls


def circle_in(chains: Mapping[str, Chain]) -> str | None:
    """The name of a chain that reaches itself; None where there is none."""
    order = _callees_first(_calls(chains))
    return order if isinstance(order, str) else None


def _callees_first(calls: Mapping[str, list[str]]) -> list[str] | str:
    """All chains that jump, each behind those that it jumps to; or the name of one that reaches itself."""
    order: list[str] = []
    is_done: dict[str, bool] = {}
    for root in calls:
        if root in is_done:
            continue
        is_done[root] = False
        stack = [(root, iter(calls[root]))]
        while stack:
            name, left = stack[-1]
            for following in left:
                if following not in calls or is_done.get(following):
                    continue
                if following in is_done:
                    return following
                is_done[following] = False
                stack.append((following, iter(calls[following])))
                break
            else:
                stack.pop()
                is_done[name] = True
                order.append(name)
    return order


def _callers(chains: Mapping[str, Chain]) -> dict[str, set[str]]:
    """The base chains that each chain is reached from."""
    callers = {name: {name} if chain.hook else set() for name, chain in chains.items()}
    calls = _calls(chains)
    for name in reversed(_callees_first(calls)):
        for following in calls[name]:
            callers[following] |= callers[name]
    return callers


def place_netmaps(chains: dict[str, Chain]) -> None:
    """NETMAP rewrites the source in postrouting and input, the destination elsewhere (xt_NETMAP.c netmap_tg4)."""
    with_netmap = dict.fromkeys(name for name, chain in chains.items() for said in texts_of(chain.rules)
                                if isinstance(said.target, NetmapDnat))
    callers = _callers(chains) if with_netmap else {}
    for name in with_netmap:
        chain = chains[name]
        hooks = {chains[caller].hook in ("postrouting", "input") for caller in callers[name]}
        rules = []
        for rule in chain.rules:
            target = rule.target
            if isinstance(target, NetmapDnat) and True in hooks:
                rule = replace(rule, target=netmap_of_source(target) if hooks == {True} else Undecidable(
                    "-j NETMAP", "called from hooks where it rewrites the source and where the destination"))
            rules.append(rule)
        chains[name] = replace(chain, rules=tuple(rules))
