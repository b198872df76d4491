"""What stands below the IP hooks and is not modelled: nft tables of family bridge, and chains on single bridge ports.

A packet that comes in by a bridge meets the bridge's prerouting and input, one that leaves by it output and
postrouting, and one that crosses it prerouting, forward and postrouting (net/bridge/br_input.c, br_forward.c). A frame
passes ingress and egress of the port as well as those of the bridge itself, and which port it is, is not known.
"""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Chain, Hook
from fwaudit.netfilter.hooks import is_on

_ROUTED: dict[Hook, tuple[Hook, ...]] = {
    "prerouting": ("prerouting", "input"), "postrouting": ("output", "postrouting"),
}


class Below:
    """The unmodelled chains of one host, by the hook of the IP path where they are passed."""

    def __init__(self, host: Host) -> None:
        self._bridges = {name for name, interface in host.interfaces.items() if interface.kind == "bridge"}
        self._bridge_chains: dict[Hook, str] = {}
        self._port_chains: dict[tuple[Hook, str], str] = {}
        ports = [(name, interface.master) for name, interface in host.interfaces.items()
                 if interface.master in self._bridges]
        if not ports:
            return
        for table in host.ruleset.tables:
            if table.dormant:
                continue
            for chain in table.chains.values():
                if not chain.hook or not (chain.rules or chain.policy == "drop"):
                    continue
                if table.family == "bridge":
                    self._bridge_chains.setdefault(chain.hook, f"the nft table bridge {table.name}")
                elif chain.hook in ("ingress", "egress"):
                    for name, bridge in ports:
                        if is_on(chain, name) and chain.devices:
                            self._port_chains.setdefault((chain.hook, bridge), _on_port(table.name, chain, name))

    @property
    def exists(self) -> bool:
        """Whether there is any such chain."""
        return bool(self._bridge_chains or self._port_chains)

    def why(self, hook: Hook, device: str, *, crossing: bool = False) -> Iterable[str]:
        """What a packet meets there that is not modelled, in words. ``crossing``: from port to port of the bridge.

        ``hook``: prerouting with the interface that it came in by, postrouting with the one that it leaves by; and
        forward, for a packet that crosses.
        """
        if device not in self._bridges:
            return
        hooks: tuple[Hook, ...] = (hook,) if crossing else _ROUTED.get(hook, ())
        for each in hooks:
            if each in self._bridge_chains:
                yield f"{self._bridge_chains[each]}, which is not modelled"
                break
        edge: Hook = "ingress" if hook == "prerouting" else "egress"
        if hook != "forward" and (edge, device) in self._port_chains:
            yield f"{self._port_chains[edge, device]}, which is not modelled"


def _on_port(table: str, chain: Chain, port: str) -> str:
    return f"the nft chain {table} {chain.name} on {port}, a port of a bridge"
