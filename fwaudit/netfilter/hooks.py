"""THE TABLE: which hooks a packet passes, in which order, and which base chains stand on each.

Priorities are the kernel's (include/uapi/linux/netfilter_ipv4.h); nat base chains all run at the place of the NAT
core, whatever their own priority is, which only orders them among themselves (net/netfilter/nf_nat_core.c,
nf_nat_register_fn and nf_nat_inet_fn).
"""

from __future__ import annotations

from typing import Final

from fwaudit.model.ruleset import Backend, Chain, Hook, Ruleset, Table
from fwaudit.records import NamedTuple

CONNTRACK: Final = -200
NAT_DESTINATION: Final = -100
NAT_SOURCE: Final = 100
_BEHIND_NAT: Final = 1 << 31
"""Where other chains of NAT's priority are listed. The kernel may have them in front as well."""

PRIORITIES: Final[dict[str, int]] = {
    "raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100,
}
"""nft's names for priorities in the families ip, ip6 and inet (nft(8), "Chains")."""

BUILTIN_CHAINS: Final[dict[str, dict[str, tuple[Hook, int]]]] = {
    "raw": {"PREROUTING": ("prerouting", -300), "OUTPUT": ("output", -300)},
    "mangle": {
        "PREROUTING": ("prerouting", -150), "INPUT": ("input", -150), "FORWARD": ("forward", -150),
        "OUTPUT": ("output", -150), "POSTROUTING": ("postrouting", -150),
    },
    "nat": {
        "PREROUTING": ("prerouting", -100), "INPUT": ("input", 100), "OUTPUT": ("output", -100),
        "POSTROUTING": ("postrouting", 100),
    },
    "filter": {"INPUT": ("input", 0), "FORWARD": ("forward", 0), "OUTPUT": ("output", 0)},
    "security": {"INPUT": ("input", 50), "FORWARD": ("forward", 50), "OUTPUT": ("output", 50)},
}
"""iptables' built-in chains: table → chain → (hook, priority), as the kernel has them for iptables-legacy."""

NFT_SECURITY: Final = 150
"""Where iptables-nft hangs table security instead, behind NAT of the source (iptables/nft.c, seen in 1.8.9)."""


def built_in_chains(backend: Backend, table: str) -> dict[str, tuple[Hook, int]]:
    """The built-in chains of a table: chain → (hook, priority)."""
    if backend == "nft" and table == "security":
        return {chain: (hook, NFT_SECURITY) for chain, (hook, _) in BUILTIN_CHAINS[table].items()}
    return BUILTIN_CHAINS[table]


ROUTES: Final[dict[str, tuple[Hook, ...]]] = {
    "to this host": ("ingress", "prerouting", "input"),
    "through this host": ("ingress", "prerouting", "forward", "postrouting", "egress"),
    "from this host": ("output", "postrouting", "egress"),
}
"""The hooks of each way, in order. Routing lies between prerouting and input or forward, and before output."""

IP_FAMILIES: Final[dict[int, frozenset[str]]] = {4: frozenset({"ip", "inet"}), 6: frozenset({"ip6", "inet"})}
UNMODELLED_FAMILIES: Final = frozenset({"bridge", "arp"})


class BaseChain(NamedTuple):
    """A base chain with the table it stands in; ``place`` orders it on its hook."""

    place: tuple[int, int]
    table: Table
    chain: Chain


def base_chains(ruleset: Ruleset, family: int, hook: Hook, device: str = "") -> tuple[BaseChain, ...]:
    """The base chains that a packet of ``family`` (4 or 6) meets on ``hook``, in the order they run.

    ``device``: the packet's interface, for chains of family netdev. Of chains of equal priority the one that was
    registered last runs first, and no dump tells which that is: legacy tables first here, then as listed.
    """
    found: list[BaseChain] = []
    for table in ruleset.tables:
        if table.dormant:
            continue
        if table.family == "netdev":
            if hook not in ("ingress", "egress"):
                continue
        elif table.family not in IP_FAMILIES[family]:
            continue
        for chain in table.chains.values():
            if chain.hook != hook or not is_on(chain, device):
                continue
            found.append(BaseChain(_place(chain), table, chain))
    return tuple(sorted(found, key=lambda base: (base.place, base.table.backend != "legacy")))


def is_on(chain: Chain, device: str) -> bool:
    """Whether a chain looks at packets of an interface."""
    return not chain.devices or any(
        device == name or (name.endswith("*") and device.startswith(name[:-1])) for name in chain.devices)


def nat_place(hook: Hook) -> int:
    """The priority of NAT itself on a hook that it has."""
    return NAT_DESTINATION if hook in ("prerouting", "output") else NAT_SOURCE


def _place(chain: Chain) -> tuple[int, int]:
    if chain.kind == "nat" and chain.hook:
        return nat_place(chain.hook), chain.priority
    return chain.priority, _BEHIND_NAT
