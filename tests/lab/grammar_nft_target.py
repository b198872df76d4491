"""What native rules do: verdicts and verdict maps, marks, NAT from constants and maps, reject, notrack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grammar_nft_match import Draft, NftMatches
from grammar_nft_set import NamedPlan, Values
from grammar_pool import CONTAINERS, HOSTS, Pool


class Target(NamedTuple):
    """``final``: it decides the packet's way."""

    text: str
    final: bool


class NftTargets:
    """Draws the last words of rules of one table."""

    def __init__(self, pool: Pool, family: str, values: Values, named: Sequence[NamedPlan]) -> None:
        self.pool = pool
        self.family = family
        self.values = values
        self.maps = [each for each in named if each.data]
        self.matches = NftMatches(pool, family, values, named, 0.0)

    def target(self, draft: Draft, below: Sequence[str]) -> Target:
        """A verdict, an effect, or a verdict map. May fix the draft's version and protocol, which NAT needs."""
        pool = self.pool
        draw = pool.rng.random()
        if below and draw < 0.25:
            return Target(f"{pool.one(('jump', 'jump', 'jump', 'goto'))} {pool.one(below)}", False)
        if draw < 0.3:
            return Target("return", False)
        if draw < 0.33:
            return Target(pool.one(("counter", 'log prefix "x: " group 9', "continue")), False)
        if draw < 0.43:
            return Target(self.effect(draft), False)
        if draw < 0.53:
            text = self.verdict_map(draft, below)
            if text:
                return Target(text, False)
        if draft.side and pool.chance(0.75):
            return Target(self.nat(draft), True)
        if draft.hooks == {"prerouting"} and not draft.side and not draft.netdev and pool.chance(0.15):
            return Target(pool.one(("notrack", "notrack", "ct zone set 7")), False)
        if draft.hooks <= {"input", "forward", "prerouting"} and not draft.side and not draft.netdev and (
                pool.chance(0.15)):
            return Target(self.reject(draft), True)
        return Target(f"{pool.one(('', '', 'counter '))}{pool.one(('accept', 'drop'))}", True)

    # ---- marks ------------------------------------------------------------------------------------------------------

    def effect(self, draft: Draft) -> str:
        """A mark that is set."""
        pool = self.pool
        value, mask = pool.mark(), pool.mask()
        if draft.netdev:
            return f"meta mark set {value:#x}"
        choices = [f"meta mark set {value:#x}", f"ct mark set {value:#x}", "meta mark set ct mark",
                   "ct mark set meta mark", f"meta mark set meta mark | {value:#x}",
                   f"meta mark set meta mark & {mask:#x}", f"meta mark set meta mark ^ {value:#x}",
                   f"meta mark set meta mark & {mask:#x} | {value:#x}", f"ct mark set ct mark | {value:#x}",
                   f"ct mark set ct mark & {mask:#x}", f"meta mark set ct mark & {mask:#x}",
                   f"ct mark set meta mark & {mask:#x}"]
        text = pool.one(choices)
        if pool.chance(0.15):
            text = self.mapped_mark(draft) or text
        return text

    def mapped_mark(self, draft: Draft) -> str:
        pool = self.pool
        field = pool.one(("meta mark", "ct mark"))
        named = [each for each in self.maps if each.data == "mark"]
        if named and pool.chance(0.5):
            chosen = pool.one(named)
            keys = [self.matches.key(kind, draft) for kind in chosen.types]
            return f"{field} set {' . '.join(keys)} map @{chosen.name}" if all(keys) else ""
        kinds, key = self.any_key(draft)
        elements = [f"{each} : {self.values.data('mark')}" for each in self.values.elements(kinds, 4, pool.chance(0.3))]
        return f"{field} set {key} map {{ {', '.join(elements)} }}"

    def any_key(self, draft: Draft) -> tuple[tuple[str, ...], str]:
        """Types and expression of a key that the draft has."""
        pool = self.pool
        while True:
            types = pool.one(((f"addr{draft.version}",), ("port",), ("iface",), ("mark",), ("proto",),
                              (f"addr{draft.version}", "port")))
            keys = [self.matches.key(kind, draft) if kind != "addr0" else "" for kind in types]
            if all(keys):
                return types, " . ".join(keys)

    # ---- verdict maps -----------------------------------------------------------------------------------------------

    def verdict_map(self, draft: Draft, below: Sequence[str]) -> str:
        pool = self.pool
        named = [each for each in self.maps if each.data == "verdict" and each.jumps <= set(below)]
        if named and pool.chance(0.6):
            chosen = pool.one(named)
            keys = [self.matches.key(kind, draft) for kind in chosen.types]
            return f"{' . '.join(keys)} vmap @{chosen.name}" if all(keys) else ""
        if not draft.netdev and pool.chance(0.15):
            states = pool.rng.sample(("new", "established", "invalid", "untracked", "related"), pool.one((2, 3)))
            return f"ct state vmap {{ {', '.join(f'{state} : {self.values.verdict(below)}' for state in states)} }}"
        kinds, key = self.any_key(draft)
        elements = self.values.elements(kinds, 5, pool.chance(0.4))
        if len(kinds) == 1 and pool.chance(0.15):
            elements.append("*")  # whatever is none of them
        return f"{key} vmap {{ {', '.join(f'{each} : {self.values.verdict(below)}' for each in elements)} }}"

    # ---- final ------------------------------------------------------------------------------------------------------

    def reject(self, draft: Draft) -> str:
        pool = self.pool
        if draft.proto == "tcp" and pool.chance(0.5):
            draft.family_said = True  # nft 1.0.6 lists neither family beside it
            return "reject with tcp reset"
        choices = ["reject"]
        if self.family == "inet":
            choices += ["reject with icmpx port-unreachable", "reject with icmpx admin-prohibited"]
        if draft.version == 4 or (self.family == "inet" and not draft.version):
            choices += ["reject with icmp host-unreachable", "reject with icmp admin-prohibited"]
        if draft.version == 6 or (self.family == "inet" and not draft.version):
            choices += ["reject with icmpv6 no-route", "reject with icmpv6 addr-unreachable"]
        text = pool.one(choices)
        draft.family_said = draft.family_said or not text.startswith(("reject with icmpx", "reject with tcp"))
        return text

    def nat(self, draft: Draft) -> str:
        if draft.side == "src":
            return self.source_nat(draft)
        pool = self.pool
        ports = draft.proto in ("tcp", "udp", "th")
        draw = pool.rng.random()
        if draw < 0.25:
            to = f" to :{self.port_range()}" if ports and pool.chance(0.6) and draft.say() else ""
            return f"redirect{to}"
        if not draft.version or draw < 0.3:
            return f"dnat to :{pool.port()}" if ports and draft.say() else pool.one(("accept", "drop", "redirect"))
        word = f"dnat {draft.ip} to" if self.family == "inet" else "dnat to"
        if ports and draw < 0.5:
            mapped = self.mapped_dnat(draft, word)
            if mapped:
                return mapped
        place = pool.one((*CONTAINERS[draft.version], *CONTAINERS[draft.version], *HOSTS[draft.version],
                          "127.0.0.1" if draft.version == 4 else "::1"))
        if draw > 0.97 and draft.version == 4:
            return word.replace(" to", " prefix to") + " ip daddr map { 10.77.0.0/24 : 172.17.0.0/24 }"
        if draw > 0.94:
            base = CONTAINERS[draft.version][0]
            return f"{word} {base}-{base[:-1]}{int(base[-1]) + 2}"
        if not ports or pool.chance(0.35):
            return f"{word} {place}{pool.one(('', '', '', ' persistent', ' random'))}"
        draft.say()
        return f"{word} {place if draft.version == 4 else f'[{place}]'}:{self.port_range()}"

    def mapped_dnat(self, draft: Draft, word: str) -> str:
        pool = self.pool
        draft.say()
        address = f"addr{draft.version}"
        named = [each for each in self.maps if each.data in (address, f"{address} . port")]
        if named and pool.chance(0.6):
            chosen = pool.one(named)
            keys = [self.matches.key(kind, draft) for kind in chosen.types]
            return f"{word} {' . '.join(keys)} map @{chosen.name}" if all(keys) else ""
        kinds, key = self.any_key(draft)
        elements = self.values.elements(kinds, 4, pool.chance(0.3))
        data = pool.one((address, f"{address} . port"))
        if pool.chance(0.1):
            kinds, key, elements = (), "numgen inc mod 2", ["0", "1"]
        return f"{word} {key} map {{ {', '.join(f'{each} : {self.values.data(data)}' for each in elements)} }}"

    def source_nat(self, draft: Draft) -> str:
        pool = self.pool
        if draft.hooks == {"postrouting"} and (pool.chance(0.5) or not draft.version):
            to = " to :1024-65535" if draft.proto and draft.proto != "icmp" and (
                pool.chance(0.2) and draft.say()) else ""
            return f"masquerade{to}{pool.one(('', '', ' random'))}"
        if not draft.version:
            return pool.one(("accept", "accept", "drop"))
        word = f"snat {draft.ip} to" if self.family == "inet" else "snat to"
        if pool.chance(0.15):
            kinds, key = self.any_key(draft)
            elements = self.values.elements(kinds, 3, pool.chance(0.3))
            hosts = ", ".join(f"{each} : {pool.one(HOSTS[draft.version])}" for each in elements)
            return f"{word} {key} map {{ {hosts} }}"
        host = pool.one(HOSTS[draft.version])
        if pool.chance(0.1):
            return f"{word} {host}-{host[:-1]}{int(host[-1]) + 3}"
        return f"{word} {host}"

    def port_range(self) -> str:
        low = self.pool.port()
        return str(low) if self.pool.chance(0.92) else f"{low}-{min(65535, low + 3)}"
