"""Random rulesets in the language of iptables-restore, for either family and either backend.

Only what the tools and the kernel take: a user chain knows the hooks that it is called from, and has nothing in it that
one of them refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from grammar_ipset import IpSet
from grammar_pool import CONTAINERS, HOSTS, Pool

HOOKS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_TYPES = {
    4: ("LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "ANYCAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "UNSPEC"),
    6: ("LOCAL", "UNICAST", "MULTICAST", "ANYCAST", "UNREACHABLE", "UNSPEC"),
}
EVERY_PORT = "0:65535"
_STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "DNAT", "SNAT")


class ChainPlan(NamedTuple):
    """A chain of a table. ``hooks``: the built-in chains that it is walked from."""

    name: str
    hooks: frozenset[str]
    builtin: bool


class Part(NamedTuple):
    """One match of a rule. ``proto``: what it needs before it."""

    text: str
    proto: str = ""


class IptablesGrammar:
    """Makes rulesets for one family. ``odd``: the share of matches that the engine cannot decide. ``legacy``: what is
    written next is for iptables-legacy."""

    def __init__(self, pool: Pool, family: int, sets: Sequence[IpSet] = (), odd: float = 0.01) -> None:
        self.pool = pool
        self.family = family
        self.sets = [each for each in sets if each.family in (0, family)]
        self.odd = odd
        self.legacy = False
        self.icmp = "icmp" if family == 4 else "ipv6-icmp"

    def ruleset(self, tables: Sequence[str], rules: int, hooks: Sequence[str] | None = None) -> str:
        """The text of the tables, with about ``rules`` rules in all."""
        return "".join(self.table(name, max(1, rules // len(tables)), hooks) for name in tables)

    # ---- tables and chains ------------------------------------------------------------------------------------------

    def table(self, name: str, rules: int, wanted: Sequence[str] | None = None) -> str:
        pool = self.pool
        hooks = [hook for hook in HOOKS[name] if wanted is None or hook in wanted] or list(HOOKS[name])
        chains = [ChainPlan(hook, frozenset((hook,)), True) for hook in HOOKS[name]]
        users: list[ChainPlan] = []
        for number in range(pool.rng.randint(0, min(6, rules))):
            reach = pool.rng.sample(hooks, pool.rng.randint(1, min(2, len(hooks))))
            users.append(ChainPlan(f"u{number}", frozenset(reach), False))
        lines = [f"*{name}"]
        for chain in chains:
            drop = 0.45 if name == "filter" else 0.03 if name != "nat" else 0.0
            lines.append(f":{chain.name} {'DROP' if pool.chance(drop) else 'ACCEPT'} [0:0]")
        lines += [f":{chain.name} - [0:0]" for chain in users]
        body = []
        for _ in range(rules):
            if users and pool.chance(0.5):
                at = pool.rng.randrange(len(users))
                chain, below = users[at], users[at + 1:]
            else:
                chain, below = pool.one([each for each in chains if each.name in hooks]), users
            body.append(self.rule(name, chain, [each for each in below if chain.hooks <= each.hooks]))
        return "\n".join([*lines, *body, "COMMIT"]) + "\n"

    def rule(self, table: str, chain: ChainPlan, below: Sequence[ChainPlan]) -> str:
        """One rule: addresses, interfaces, protocol, matches, target."""
        pool, words = self.pool, [f"-A {chain.name}"]
        target, needs = self.target(table, chain, below)
        loose = target.startswith(("-j LOG", "-j MARK", "-j CONNMARK", "-j u", "-g u"))
        parts = [self.match(table, chain) for _ in range(pool.one((0, 0, 1, 1, 1, 2)))]
        if sum(part.text.startswith("-m tcp ") for part in parts) > 1:
            parts = parts[:1]  # iptables-nft-save 1.8.9 prints the last one's flags for all of them
        if needs:
            parts = [part for part in parts if part.proto in ("", needs)]
        proto = needs
        for part in parts:
            if part.proto and not proto:
                proto = part.proto
        parts = [part for part in parts if part.proto in ("", proto)]
        if pool.chance(0.3):
            words.append(self.negated(f"-s {pool.network(self.family)}"))
        if pool.chance(0.4):
            words.append(self.negated(f"-d {pool.network(self.family)}"))
        if pool.chance(0.25) and not (chain.builtin and chain.name in ("OUTPUT", "POSTROUTING")):
            words.append(self.interface_match("-i"))
        if pool.chance(0.2) and not (chain.builtin and chain.name in ("PREROUTING", "INPUT")):
            words.append(self.interface_match("-o"))
        if proto:
            words.append(f"-p {proto}")
            if proto in ("tcp", "udp") and pool.chance(0.55):
                parts.append(Part(self.ports(proto)))
        elif pool.chance(0.25):
            words.append(self.negated(f"-p {pool.one(('tcp', 'udp', self.icmp, '17', 'sctp', 'all'))}"))
        words += [part.text for part in parts]
        if len(words) == 1 and not loose and pool.chance(0.85):
            words.append(f"-d {pool.network(self.family)}")  # seldom a verdict for everything
        if pool.chance(0.05):
            words.append("-m comment --comment " + pool.one(('x', '"a b"', '"it is -j DROP"', r'"q\"q"')))
        return " ".join([*words, target])

    def negated(self, text: str, part: float = 0.2) -> str:
        return f"! {text}" if self.pool.chance(part) and text != "-p all" else text

    def interface_match(self, option: str) -> str:
        """``-i`` or ``-o``. Legacy's ``! -i +``, which matches nothing, leaves no trace in what iptables-legacy-save
        prints, so that nobody could know of it."""
        name = self.interface()
        return self.negated(f"{option} {name}", 0.0 if name == "+" and self.legacy else 0.3)

    def interface(self) -> str:
        pool = self.pool
        name = pool.interface()
        draw = pool.rng.random()
        if draw < 0.15:
            return name[: pool.rng.randint(1, min(14, len(name)))] + "+"
        return "+" if draw < 0.17 else name

    def ports(self, proto: str) -> str:
        """``--dport`` or ``--sport`` of tcp or udp. ``! --dport 0:65535``, which matches nothing, leaves no trace in
        what the savers print (docs/coverage.md): nobody could know of it."""
        option = "--dport" if self.pool.chance(0.85) else "--sport"
        ports = self.port_or_span()
        return f"-m {proto} {self.negated(f'{option} {ports}', 0.0 if ports == EVERY_PORT else 0.2)}"

    def port_or_span(self) -> str:
        pool = self.pool
        if pool.chance(0.7):
            return str(pool.port())
        low, high = pool.port_span()
        return f"{low}:{high}"

    # ---- matches ----------------------------------------------------------------------------------------------------

    def match(self, table: str, chain: ChainPlan) -> Part:
        """A random match that the chain's hooks allow."""
        pool = self.pool
        if pool.chance(self.odd):
            return Part(pool.one(("-m length --length 0:1000", "-m limit --limit 10000/sec --limit-burst 10000",
                                  "-m statistic --mode nth --every 2 --packet 0", "-m cpu --cpu 0")))
        choices: list[Callable[[], Part]] = [
            self.conntrack, self.conntrack, self.conntrack_address, self.addrtype, self.mark, self.mark, self.iprange,
            self.pkttype, self.multiport, self.multiport, self.icmp_type, self.tcp_flags, self.state,
        ]
        if self.sets:
            choices += [self.ipset] * 4
        if table in ("raw", "mangle") and chain.hooks == {"PREROUTING"}:
            choices.append(self.rpfilter)
        if chain.hooks <= {"PREROUTING", "INPUT", "FORWARD"}:
            choices.append(lambda: Part(f"-m policy --dir in --pol {pool.one(('none', 'ipsec'))}"))
        part = pool.one(choices)()
        if part.text.startswith("-m addrtype"):
            part = Part(part.text + self.limit_interface(chain), part.proto)
        return part

    def conntrack(self) -> Part:
        pool = self.pool
        states = ",".join(pool.rng.sample(_STATES, pool.one((1, 1, 2, 3))))
        words = ["-m conntrack", self.negated(f"--ctstate {states}")]
        if pool.chance(0.15):
            words.append(self.negated(f"--ctdir {pool.one(('ORIGINAL', 'REPLY'))}", 0.0))
        if pool.chance(0.1):
            words.append(self.negated(f"--ctproto {pool.one(('tcp', 'udp'))}"))
        return Part(" ".join(words))

    def state(self) -> Part:
        states = ",".join(self.pool.rng.sample(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"), 2))
        return Part(f"-m state {self.negated(f'--state {states}')}")

    def conntrack_address(self) -> Part:
        pool = self.pool
        words = ["-m conntrack"]
        for option in pool.rng.sample(("--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst", "--ctorigsrcport",
                                       "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport", "--ctstatus",
                                       "--ctdir"), pool.one((1, 1, 2))):
            if option == "--ctstatus":
                value = pool.one(("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"))
            elif option == "--ctdir":
                words.append(f"--ctdir {pool.one(('ORIGINAL', 'ORIGINAL', 'REPLY'))}")
                continue
            else:
                value = self.port_or_span() if option.endswith("port") else pool.network(self.family)
            words.append(self.negated(f"{option} {value}"))
        return Part(" ".join(words))

    def addrtype(self) -> Part:
        pool = self.pool
        words = ["-m addrtype"]
        for option in pool.rng.sample(("--src-type", "--dst-type"), pool.one((1, 1, 2))):
            types = ",".join(pool.rng.sample(_TYPES[self.family], pool.one((1, 1, 2))))
            words.append(self.negated(f"{option} {types}"))
        return Part(" ".join(words))

    def limit_interface(self, chain: ChainPlan) -> str:
        if not self.pool.chance(0.2):
            return ""
        if chain.hooks <= {"PREROUTING", "INPUT", "FORWARD"}:
            return " --limit-iface-in"
        if chain.hooks <= {"FORWARD", "OUTPUT", "POSTROUTING"}:
            return " --limit-iface-out"
        return ""

    def mark(self) -> Part:
        pool = self.pool
        value = pool.mark() if pool.chance(0.7) else 0
        text = hex(value)
        if pool.chance(0.5):
            mask = pool.mask()
            text = f"{value & mask:#x}/{mask:#x}"
        return Part(f"-m {pool.one(('mark', 'mark', 'connmark'))} {self.negated(f'--mark {text}')}")

    def iprange(self) -> Part:
        low, high = self.pool.span(self.family)
        return Part("-m iprange " + self.negated(f"--{self.pool.one(('src', 'dst'))}-range {low}-{high}"))

    def pkttype(self) -> Part:
        kind = self.pool.one(("unicast", "broadcast", "multicast"))
        return Part("-m pkttype " + self.negated(f"--pkt-type {kind}"))

    def multiport(self) -> Part:
        pool = self.pool
        items: list[str] = []
        for _ in range(pool.rng.randint(1, 5)):
            low, high = pool.port_span()
            items.append(f"{low}:{high}" if low < high and pool.chance(0.4) else str(low))
        option = pool.one(("--dports", "--dports", "--sports", "--ports"))
        return Part("-m multiport " + self.negated(f"{option} {','.join(items)}"), pool.one(("tcp", "udp")))

    def icmp_type(self) -> Part:
        pool = self.pool
        if self.family == 4:
            kind = pool.one(("echo-request", "8", "echo-reply", "any", "3/3", "8/0", "8/1"))
            return Part(f"-m icmp {self.negated(f'--icmp-type {kind}')}", "icmp")
        kind = pool.one(("echo-request", "128", "echo-reply", "1/4", "128/0", "neighbour-solicitation"))
        return Part(f"-m icmp6 {self.negated(f'--icmpv6-type {kind}')}", "ipv6-icmp")

    def tcp_flags(self) -> Part:
        flags = self.pool.one(("--syn", "--tcp-flags SYN,RST,ACK,FIN SYN", "--tcp-flags ALL SYN",
                               "--tcp-flags ALL NONE", "--tcp-flags SYN,FIN SYN,FIN", "--tcp-flags ACK NONE",
                               "--tcp-flags SYN SYN"))
        return Part(f"-m tcp {self.negated(flags)}", "tcp")

    def ipset(self) -> Part:
        pool = self.pool
        chosen = pool.one(self.sets)
        size = chosen.dimensions if pool.chance(0.93) else pool.rng.randint(1, 3)
        flags = ",".join(pool.one(("src", "dst")) for _ in range(size))
        return Part(f"-m set {self.negated(f'--match-set {chosen.name} {flags}')}")

    def rpfilter(self) -> Part:
        options = [option for option in ("--loose", "--accept-local", "--invert") if self.pool.chance(0.3)]
        return Part(" ".join(["-m rpfilter", *options]))

    # ---- targets ----------------------------------------------------------------------------------------------------

    def target(self, table: str, chain: ChainPlan, below: Sequence[ChainPlan]) -> tuple[str, str]:
        """``-j …`` and the protocol that it needs."""
        pool = self.pool
        draw = pool.rng.random()
        if below and draw < 0.3:
            return f"{pool.one(('-j', '-j', '-j', '-g'))} {pool.one(below).name}", ""
        if draw < 0.36:
            return "-j RETURN", ""
        if draw < 0.41:
            return pool.one(('-j LOG --log-prefix "p: "', "-j LOG", "-j NFLOG --nflog-group 9")), ""
        if draw < (0.65 if table in ("mangle", "raw") else 0.47):
            return self.marking(), ""
        if table == "raw":
            return pool.one(("-j CT --notrack", "-j CT --notrack", "-j DROP", "-j ACCEPT", "-j CT --zone 7")), ""
        if table == "nat":
            return self.nat(chain)
        if table in ("filter", "security") and pool.chance(0.2) and table == "filter":
            return self.reject()
        return f"-j {pool.one(('ACCEPT', 'DROP'))}", ""

    def marking(self) -> str:
        pool = self.pool
        value, mask = pool.mark(), pool.mask()
        return "-j " + pool.one((
            f"MARK --set-mark {value:#x}", f"MARK --set-xmark {value:#x}/{mask:#x}", f"MARK --or-mark {value:#x}",
            f"MARK --and-mark {mask:#x}", f"MARK --xor-mark {value:#x}", f"MARK --set-mark {value & mask:#x}/{mask:#x}",
            f"CONNMARK --set-mark {value:#x}", f"CONNMARK --set-xmark {value:#x}/{mask:#x}",
            "CONNMARK --save-mark", "CONNMARK --restore-mark", f"CONNMARK --save-mark --mask {mask:#x}",
            f"CONNMARK --restore-mark --nfmask {mask:#x} --ctmask {pool.mask():#x}",
        ))

    def reject(self) -> tuple[str, str]:
        pool = self.pool
        if pool.chance(0.25):
            return "-j REJECT --reject-with tcp-reset", "tcp"
        if self.family == 4:
            how = pool.one(("icmp-port-unreachable", "icmp-net-unreachable", "icmp-host-prohibited",
                            "icmp-admin-prohibited", "icmp-proto-unreachable"))
        else:
            how = pool.one(("icmp6-port-unreachable", "icmp6-no-route", "icmp6-adm-prohibited",
                            "icmp6-addr-unreachable"))
        return pool.one(("-j REJECT", f"-j REJECT --reject-with {how}")), ""

    def nat(self, chain: ChainPlan) -> tuple[str, str]:
        pool = self.pool
        if chain.hooks <= {"PREROUTING", "OUTPUT"}:
            return self.destination_nat()
        if pool.chance(0.3):
            return "-j ACCEPT", ""
        if chain.hooks <= {"POSTROUTING"}:
            if pool.chance(0.5):
                return "-j MASQUERADE", ""
            if pool.chance(0.2):
                return f"-j NETMAP --to {'192.0.2.0/24' if self.family == 4 else '2001:db8:77::/64'}", ""
            return f"-j SNAT --to-source {pool.one(HOSTS[self.family])}", ""
        if chain.hooks <= {"INPUT"} and pool.chance(0.5):
            return f"-j SNAT --to-source {pool.one(HOSTS[self.family])}", ""
        return "-j ACCEPT", ""

    def destination_nat(self) -> tuple[str, str]:
        pool = self.pool
        draw = pool.rng.random()
        if draw < 0.1:
            return "-j ACCEPT", ""
        if draw < 0.3:
            if pool.chance(0.5):
                return "-j REDIRECT", ""
            return f"-j REDIRECT --to-ports {self.nat_ports()}", pool.one(("tcp", "udp"))
        if draw < 0.36:
            return f"-j NETMAP --to {'172.17.0.0/24' if self.family == 4 else 'fd00:17::/64'}", ""
        place = pool.one((*CONTAINERS[self.family], *CONTAINERS[self.family], *HOSTS[self.family],
                          *(("127.0.0.1",) if self.family == 4 else ("::1",))))
        if pool.chance(0.06):
            base = CONTAINERS[self.family][0]
            return f"-j DNAT --to-destination {base}-{base[:-1]}{int(base[-1]) + 2}", ""
        if pool.chance(0.3):
            return f"-j DNAT --to-destination {place}", ""
        proto = pool.one(("tcp", "tcp", "udp"))
        if pool.chance(0.05):
            return f"-j DNAT --to-destination :{pool.port()}", proto
        if self.family == 6:
            place = f"[{place}]"
        return f"-j DNAT --to-destination {place}:{self.nat_ports()}", proto

    def nat_ports(self) -> str:
        pool = self.pool
        low = pool.port()
        return str(low) if pool.chance(0.93) else f"{low}-{min(65535, low + 3)}"
