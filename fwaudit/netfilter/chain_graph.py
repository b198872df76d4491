"""Which chains of an iptables table call which: circles, and the hooks that a chain is reached from."""

from __future__ import annotations

from dataclasses import replace

from fwaudit.model.ruleset import Chain, Goto, Jump, NetmapDnat, Undecidable
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.netfilter.targets.nat import netmap_of_source


def _jumps(chain: Chain) -> list[str]:
    targets = [said.target for said in texts_of(chain.rules)]
    return list(dict.fromkeys([target.chain for target in targets if isinstance(target, (Jump, Goto))]))


def circle_in(chains: dict[str, Chain]) -> str | None:
    """The name of a chain that reaches itself; None where there is none."""
    order = _callees_first(chains)
    return order if isinstance(order, str) else None


def _callees_first(chains: dict[str, Chain]) -> list[str] | str:
    """All chains, each behind those that it jumps to; or the name of one that reaches itself."""
    state: dict[str, int] = {}
    order: list[str] = []
    for root in chains:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(_jumps(chains[root])))]
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
                stack.append((following, iter(_jumps(chains[following]))))
    return order


def _callers(chains: dict[str, Chain]) -> dict[str, set[str]]:
    """The base chains that each chain is reached from."""
    callers = {name: {name} if chain.hook else set() for name, chain in chains.items()}
    for name in reversed(_callees_first(chains)):
        for following in _jumps(chains[name]):
            callers[following] |= callers[name]
    return callers


def place_netmaps(chains: dict[str, Chain]) -> None:
    """NETMAP rewrites the source in postrouting and input, the destination elsewhere (xt_NETMAP.c netmap_tg4)."""
    with_netmap = [(name, chain) for name, chain in chains.items()
                   if any(isinstance(said.target, NetmapDnat) for said in texts_of(chain.rules))]
    callers = _callers(chains) if with_netmap else {}
    for name, chain in with_netmap:
        hooks = {chains[caller].hook in ("postrouting", "input") for caller in callers[name]}
        rules = []
        for rule in chain.rules:
            target = rule.target
            if isinstance(target, NetmapDnat) and True in hooks:
                rule = replace(rule, target=netmap_of_source(target) if hooks == {True} else Undecidable(
                    "-j NETMAP", "called from hooks where it rewrites the source and where the destination"))
            rules.append(rule)
        chains[name] = replace(chain, rules=tuple(rules))
