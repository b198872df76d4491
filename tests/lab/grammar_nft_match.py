"""Matches of native rules: every expression that the engine decides, in all forms that nft writes it in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grammar_nft_set import NamedPlan, Values
from grammar_pool import Pool

_STATES = ("new", "established", "related", "invalid", "untracked")
_TYPES = ("local", "unicast", "broadcast", "multicast", "anycast", "blackhole", "unreachable", "prohibit")
_FLAGS = ("tcp flags syn", "tcp flags != syn", "tcp flags & (fin | syn | rst | ack) == syn",
          "tcp flags & (syn | ack) != syn",
          "tcp flags & (fin | syn) == (fin | syn)", "tcp flags { syn, ack }", "tcp flags ! ack", "tcp flags == 0x0",
          "tcp flags & ack == 0", "tcp flags syn / fin,syn,rst,ack")
_ODD = ("meta length < 2000", "limit rate 100000/second burst 100000 packets", "limit rate over 1/day",
        "numgen inc mod 2 0", "meta cpu 0", "meta time > \"2000-01-01 00:00:00\"")


@dataclass
class Draft:
    """A rule being written. ``version``: 4, 6, or 0 for a rule that tells none from the other. ``proto``: tcp, udp,
    th (either), icmp or empty. ``hooks``: where it may be walked. ``side``: of a nat chain. ``said``: whether the rule
    begins with its protocol, as some expressions need it; None while that is open. ``family_said``: its target is
    for one family.
    """

    version: int
    proto: str
    hooks: frozenset[str]
    netdev: bool
    side: str
    said: bool | None = None
    family_said: bool = False

    def say(self) -> bool:
        """Have the rule begin with its protocol; False where that is too late."""
        if self.said is None and self.proto in ("tcp", "udp", "th"):
            self.said = True
        return bool(self.said)

    @property
    def ip(self) -> str:
        return "ip" if self.version == 4 else "ip6"

    @property
    def transport(self) -> str:
        """The word that stands before sport and dport."""
        return self.proto if self.proto in ("tcp", "udp") else "th"


class NftMatches:
    """Draws matches for the rules of one table."""

    def __init__(self, pool: Pool, family: str, values: Values, named: Sequence[NamedPlan], odd: float) -> None:
        self.pool = pool
        self.family = family
        self.values = values
        self.named = [each for each in named if not each.data]
        self.maps = [each for each in named if each.data]
        self.odd = odd

    def protocol(self, draft: Draft) -> str:
        """What makes the draft's protocol certain, or nothing where the first match does."""
        pool, proto = self.pool, draft.proto
        if draft.said is None:
            draft.said = proto == "th" or pool.chance(0.8)
        if not draft.said or not proto:
            return ""
        if proto == "th":
            return "meta l4proto { tcp, udp }"
        if proto == "icmp":
            if not draft.version:
                draft.version = 4 if self.family != "ip6" else 6
            proto = "icmp" if draft.version == 4 else "ipv6-icmp"
        if draft.version and pool.chance(0.15):
            return f"ip protocol {proto}" if draft.version == 4 else f"ip6 nexthdr {proto}"
        return f"meta l4proto {proto}"

    def match(self, draft: Draft) -> str:
        """One match."""
        pool = self.pool
        if pool.chance(self.odd):
            return pool.one([text for text in _ODD if not draft.netdev or "numgen" not in text])
        choices: list[Callable[[Draft], str]] = [self.interface, self.interface, self.mark, self.pkttype, self.odds]
        if draft.version:
            choices += [self.address] * 5
        if draft.proto in ("tcp", "udp", "th"):
            choices += [self.port] * 5
        if draft.proto == "tcp":
            choices.append(self.flags)
        if draft.proto == "icmp" and draft.version:
            choices += [self.icmp] * 3
        if not draft.netdev:
            choices += [self.state, self.state, self.status, self.connection, self.connection, self.ct_mark, self.fib]
        elif draft.version and self.family == "netdev":  # inet's ingress refuses it
            choices.append(self.fib)
        if self.named:
            choices += [self.lookup] * 3
        choices.append(self.seldom)
        for _ in range(8):
            text = pool.one(choices)(draft)
            if text:
                return text
        return self.interface(draft)

    # ---- comparing --------------------------------------------------------------------------------------------------

    def compared(self, key: str, kind: str, order: bool = False) -> str:
        """``key`` compared with a constant, a set, or (``order``) by size."""
        pool = self.pool
        draw = pool.rng.random()
        if order and draw < 0.12:
            return f"{key} {pool.one(('<', '>', '<=', '>='))} {self.values.constant(kind, False).text}"
        sign = pool.one(("", "", "", "", "!= "))
        if draw < 0.4:
            elements = self.values.elements((kind,), 5, pool.chance(0.5))
            return f"{key} {sign}{{ {', '.join(elements)} }}"
        return f"{key} {sign}{self.values.constant(kind, True).text}"

    def address(self, draft: Draft) -> str:
        pool = self.pool
        key = f"{draft.ip} {pool.one(('saddr', 'daddr', 'daddr'))}"
        if pool.chance(0.1):
            mask = pool.one(("255.255.0.0", "255.0.0.255", "0.0.0.1", "255.255.255.0") if draft.version == 4 else
                            ("ffff::", "::1", "ffff:ffff::ffff", "ffff:ffff:ffff:ffff::"))
            value = pool.address(draft.version)
            return f"{key} & {mask} {pool.one(('==', '!='))} {_masked(value, mask)}"
        if pool.chance(0.2) and draft.proto in ("tcp", "udp", "th"):
            return self.concatenated(draft)
        return self.compared(key, f"addr{draft.version}", pool.chance(0.3))

    def concatenated(self, draft: Draft) -> str:
        """Two or three keys side by side, looked up in an anonymous set."""
        pool = self.pool
        types = pool.one(((f"addr{draft.version}", "port"), ("iface", "port"), (f"addr{draft.version}", "mark"),
                          ("iface", f"addr{draft.version}", "port"), ("proto", "port")))
        key = " . ".join(self.key(kind, draft) for kind in types)
        elements = self.values.elements(types, 4, pool.chance(0.5))
        return f"{key} {pool.one(('', '', '', '!= '))}{{ {', '.join(elements)} }}"

    def port(self, draft: Draft) -> str:
        pool = self.pool
        key = f"{draft.transport} {pool.one(('dport', 'dport', 'dport', 'sport'))}"
        if pool.chance(0.04):
            return f"{key} & 0xff {pool.one(('==', '!='))} {pool.port() & 0xff}"
        return self.compared(key, "port", True)

    def flags(self, draft: Draft) -> str:
        return self.pool.one(_FLAGS)

    def icmp(self, draft: Draft) -> str:
        pool = self.pool
        if draft.version == 4:
            return pool.one(("icmp type echo-request", "icmp type != echo-request", "icmp code 0", "icmp code != 0",
                             "icmp type { echo-request, echo-reply, timestamp-request }", "icmp type 3",
                             "icmp type >= 8"))
        return pool.one(("icmpv6 type echo-request", "icmpv6 type != echo-request", "icmpv6 code 0",
                         "icmpv6 type { nd-neighbor-solicit, nd-router-advert, echo-request }", "icmpv6 type 1",
                         "icmpv6 type nd-neighbor-solicit", "icmpv6 code > 0"))

    # ---- meta -------------------------------------------------------------------------------------------------------

    def interface(self, draft: Draft) -> str:
        pool = self.pool
        late = draft.hooks & {"forward", "postrouting"}
        name = "oif" if (late and pool.chance(0.5)) or pool.chance(0.04) else "iif"
        if draft.netdev:
            name = "iif"
        sign = pool.one(("", "", "", "!= "))
        if pool.chance(0.15):
            existing = pool.one(("eth0", "eth1", "wg0", "docker0", "lo"))
            return f"{name} {sign}\"{existing}\""
        if pool.chance(0.25):
            elements = self.values.elements(("iface",), 4, pool.chance(0.3))
            return f"{name}name {sign}{{ {', '.join(elements)} }}"
        return f"{name}name {sign}{self.values.interface(pool.chance(0.2)).text}"

    def marked(self, key: str) -> str:
        pool = self.pool
        if pool.chance(0.35):
            mask = pool.mask()
            value = pool.mark() & mask if pool.chance(0.7) else 0
            return f"{key} & {mask:#x} {pool.one(('==', '!='))} {value:#x}"
        return self.compared(key, "mark", True)

    def mark(self, draft: Draft) -> str:
        return self.marked(self.pool.one(("meta mark", "mark")))

    def ct_mark(self, draft: Draft) -> str:
        return self.marked("ct mark")

    def pkttype(self, draft: Draft) -> str:
        pool = self.pool
        return f"meta pkttype {pool.one(('', '!= '))}" + pool.one(
            ("host", "broadcast", "multicast", "{ broadcast, multicast }"))

    def odds(self, draft: Draft) -> str:
        """Protocol and family asked outright."""
        pool = self.pool
        choices = []
        if not draft.proto:
            choices += [self.compared("meta l4proto", "proto"), "meta l4proto != tcp", "meta l4proto { tcp, udp }"]
        if not draft.version and not draft.family_said:
            choices += ["meta protocol ip", "meta protocol != ip6", "meta protocol { ip, ip6 }"]
            if self.family == "inet" and not draft.netdev:
                choices += ["meta nfproto ipv4", "meta nfproto ipv6", "meta nfproto != ipv4"]
        return pool.one(choices) if choices else ""

    def seldom(self, draft: Draft) -> str:
        """Header bytes without a name, headers that plain packets lack, and what is alike for all of a family."""
        pool = self.pool
        choices = []
        if draft.proto in ("tcp", "udp", "th"):
            choices.append(f"@th,16,16 {pool.one(('', '!= '))}{pool.port():#x}")
        if draft.hooks <= {"prerouting", "input", "forward"} and not draft.netdev:
            choices.append(f"meta secpath {pool.one(('exists', 'missing'))}")
        if draft.version == 4:
            choices += ["ip version 4", "ip option lsrr exists"]
            if not draft.proto:
                choices += ["ip protocol { tcp, udp }", "ip protocol != udp"]
            if self.family == "ip":
                choices.append(f"@nh,128,32 {int(ipaddress.IPv4Address(pool.address(4))):#x}")
        if draft.version == 6:
            choices += ["ip6 version 6", "exthdr frag exists", "exthdr hbh missing", "rt type 0"]
            if not draft.proto:
                choices += ["ip6 nexthdr { tcp, udp }", "ip6 nexthdr != udp"]
        return pool.one(choices) if choices else ""

    # ---- connection tracking ----------------------------------------------------------------------------------------

    def state(self, draft: Draft) -> str:
        pool = self.pool
        some = pool.rng.sample(_STATES, pool.one((1, 1, 2, 3)))
        if pool.chance(0.3):
            return f"ct state {pool.one(('', '!= '))}{{ {', '.join(some)} }}"
        return f"ct state {pool.one(('', '', '!= '))}{','.join(some)}"

    def status(self, draft: Draft) -> str:
        pool = self.pool
        bits = pool.one(("dnat", "dnat", "snat", "dnat,snat", "assured", "seen-reply", "confirmed", "expected"))
        if pool.chance(self.odd):
            return f"ct status != {bits}"  # the status as a whole, of which a dump tells little
        return f"ct status {pool.one(('', '', '! '))}{bits}"

    def connection(self, draft: Draft) -> str:
        """Direction, addresses and ports of the connection's two directions."""
        pool = self.pool
        draw = pool.rng.random()
        if draw < 0.15:
            return f"ct direction {pool.one(('', '!= '))}{pool.one(('original', 'original', 'reply'))}"
        way = pool.one(("original", "original", "reply"))
        if draw < 0.55 and draft.proto in ("tcp", "udp", "th") and draft.say():
            return self.compared(f"ct {way} {pool.one(('proto-dst', 'proto-dst', 'proto-src'))}", "port", True)
        if draft.version:
            return self.compared(f"ct {way} {draft.ip} {pool.one(('daddr', 'saddr'))}", f"addr{draft.version}")
        # beside a protocol, nft lists the rule without it
        return "" if draft.proto else f"ct {way} protocol {pool.one(('tcp', 'udp', 'icmp'))}"

    # ---- routing ----------------------------------------------------------------------------------------------------

    def fib(self, draft: Draft) -> str:
        pool = self.pool
        sign = pool.one(("", "", "!= "))
        if draft.hooks <= {"prerouting"} and pool.chance(0.2):
            return pool.one(("fib saddr . iif oif exists", "fib saddr . iif oif missing", "fib saddr oif exists",
                             "fib saddr . mark . iif oif exists", "fib saddr oif missing", "fib saddr . iif oif != 0"))
        limit = ""
        if pool.chance(0.2):
            limit = " . iif" if draft.hooks <= {"prerouting", "input", "forward"} else (
                " . oif" if draft.hooks <= {"forward", "postrouting"} else "")
        types = pool.rng.sample(_TYPES, 2)
        value = f"{{ {', '.join(types)} }}" if pool.chance(0.2) else pool.one(
            ("local", "local", "local", "unicast", "broadcast", "multicast", types[0]))
        return f"fib {pool.one(('daddr', 'daddr', 'saddr'))}{limit} type {sign}{value}"

    # ---- named sets -------------------------------------------------------------------------------------------------

    def key(self, kind: str, draft: Draft) -> str:
        """An expression of that type; empty where the draft has none."""
        pool = self.pool
        if kind in ("addr4", "addr6"):
            if int(kind[-1]) != draft.version:
                return ""
            if not draft.netdev and pool.chance(0.15):
                return f"ct {pool.one(('original', 'reply'))} {draft.ip} {pool.one(('saddr', 'daddr'))}"
            return f"{draft.ip} {pool.one(('saddr', 'daddr', 'daddr'))}"
        if kind == "port":
            if draft.proto not in ("tcp", "udp", "th"):
                return ""
            if not draft.netdev and pool.chance(0.1) and draft.say():
                return f"ct {pool.one(('original', 'reply'))} {pool.one(('proto-dst', 'proto-src'))}"
            return f"{draft.transport} {pool.one(('dport', 'dport', 'sport'))}"
        if kind == "mark":
            return pool.one(("meta mark", "meta mark", "ct mark")) if not draft.netdev else "meta mark"
        if kind == "iface":
            late = draft.hooks & {"forward", "postrouting"} and not draft.netdev
            return pool.one(("iifname", "oifname")) if late else "iifname"
        return "meta l4proto"

    def lookup(self, draft: Draft) -> str:
        """A lookup in a named set; empty where the one drawn does not suit."""
        chosen = self.pool.one(self.named)
        keys = [self.key(kind, draft) for kind in chosen.types]
        if not all(keys):
            return ""
        return f"{' . '.join(keys)} {self.pool.one(('', '', '', '!= '))}@{chosen.name}"


def _masked(address: str, mask: str) -> str:
    value = int(ipaddress.ip_address(address)) & int(ipaddress.ip_address(mask))
    kind = ipaddress.IPv6Address if ":" in mask else ipaddress.IPv4Address
    return str(kind(value))
