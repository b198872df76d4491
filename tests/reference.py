"""The second engine: one packet at a time, rule by rule, slow and obvious on purpose. Knows nothing of fwaudit's code.

It reads iptables-save text by itself and follows the kernel's own words (net/ipv4/netfilter/ip_tables.c,
net/netfilter/xt_*.c, nf_conntrack and nf_nat). Where a rule asks what nobody can know, the packet goes both ways, so an
answer is the *set* of what may happen: one member is decided, several are not.
"""

import ipaddress
import shlex
from functools import lru_cache
from typing import NamedTuple

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
CLIENT_PORTS = range(1024, 65536)  # where a source port lies that the question does not name
ORDER = {
    "PREROUTING": ("raw", "conntrack", "mangle", "nat"), "INPUT": ("mangle", "filter"), "FORWARD": ("mangle", "filter"),
    "OUTPUT": ("raw", "conntrack", "mangle", "nat", "filter"), "POSTROUTING": ("mangle", "nat"),
}


ECHO = {1: (8 << 8, 0), 58: (128 << 8, 129 << 8)}
"""Protocol → type and code of an echo request, and of its answer."""


class Connection(NamedTuple):
    """What connection tracking knows. Each way is (source, source port, destination, destination port)."""

    original: tuple
    reply: tuple
    state: str = "NEW"
    is_reply: bool = False
    snat: bool = False
    dnat: bool = False
    mark: int | None = 0


class Packet(NamedTuple):
    """``sport`` None: a client's, ``mark`` None: nobody knows. ``answers``: of an answer, the connection that
    tracking will find for it, or "none" where the first packet was not tracked."""

    src: int
    dst: int
    proto: int
    dport: int
    sport: int | None = None
    iif: str = ""
    oif: str = ""
    mark: int | None = 0
    flags: int = 2
    ct: Connection | None = None
    untracked: bool = False
    answers: Connection | str | None = None

    @property
    def ports(self):
        return self.src, self.sport, self.dst, self.dport


class Facts(NamedTuple):
    """A host: addresses by interface, other local and broadcast addresses, routes (network, device), open ports.

    ``members``: what is taken for true of sets that nobody has read: (set, flags, what they ask of the packet) → in it
    or not. What is not in it is put into ``asked``, and may be so or not.
    """

    addresses: dict[str, str]
    broadcast: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    listening: frozenset[tuple[int, int]] = frozenset()
    members: dict | None = None
    asked: set | None = None

    def member(self, name, flags, p):
        asks = {"src": (p.src, p.sport, p.iif, p.mark), "dst": (p.dst, p.dport, p.oif, p.mark)}
        key = (name, flags, *(asks[flag] for flag in flags.split(",")))
        if self.asked is not None and key not in self.members:
            self.asked.add(key)
        return (self.members or {}).get(key)

    def address_type(self, address: int) -> str:
        text = ipaddress.ip_address(address)
        if address in (0, 0xFFFFFFFF) or str(text) in self.broadcast:
            return "BROADCAST"
        if text.is_multicast:
            return "MULTICAST"
        return "LOCAL" if text.is_loopback or str(text) in self.addresses.values() else "UNICAST"

    def device_to(self, address: int) -> str | None:
        found = [(ipaddress.ip_network(net).prefixlen, device) for net, device in self.routes
                 if ipaddress.ip_address(address) in ipaddress.ip_network(net)]
        return max(found)[1] if found else None


def both(a, b):
    return False if a is False or b is False else None if a is None or b is None else True


def negate(a):
    return None if a is None else not a


def among(value, low, high):
    """Is a port between two others? Three-valued, since a client's port is not known."""
    if value is not None:
        return low <= value <= high
    return True if low <= CLIENT_PORTS[0] and high >= CLIENT_PORTS[-1] else (
        False if high < CLIENT_PORTS[0] or low > CLIENT_PORTS[-1] else None)


def either(*parts):
    return True if True in parts else None if None in parts else False


def ports_in(text, value):
    spans = [(part.split(":") * 2)[:2] for part in text.split(",")]
    return either(*(among(value, int(low or 0), int(high or 65535)) for low, high in spans))


def address_in(text, value):
    """``-s``: an address with a prefix length or a mask, which may have holes."""
    address, _, mask = text.partition("/")
    bits = int(ipaddress.ip_address(mask)) if "." in mask else ~(0xFFFFFFFF >> int(mask or 32)) & 0xFFFFFFFF
    return value & bits == int(ipaddress.ip_address(address)) & bits


def between(text, value):
    low, high = text.split("-")
    return int(ipaddress.ip_address(low)) <= value <= int(ipaddress.ip_address(high))


def name_is(pattern, name):
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def mark_is(text, mark):
    value, _, mask = text.partition("/")
    return None if mark is None else mark & int(mask or "0xffffffff", 0) == int(value, 0)


def flags_are(mask, wanted, flags):
    def bits(names):
        return sum({FLAGS[name] for name in names.split(",")})

    return flags & bits(mask) == bits(wanted)


def conntrack(options, p):
    """xt_conntrack.c conntrack_mt: without a connection, --ctstate alone decides; other options then fail."""
    for option, negated, value in options:
        if option == "--ctstate":
            states = {p.ct.state} if p.ct else {"UNTRACKED" if p.untracked else "INVALID"}
            states |= {"SNAT"} if p.ct and p.ct.snat else set()
            states |= {"DNAT"} if p.ct and p.ct.dnat else set()
            if bool(states & set(value.split(","))) == negated:
                return False
    if p.ct is None:
        return any(option == "--ctstate" for option, _, _ in options)
    original, reply, out = p.ct.original, p.ct.reply, True
    for option, negated, value in options:
        if option == "--ctdir":
            said = p.ct.is_reply == (value == "REPLY")
        elif option in ("--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"):
            way = original if "orig" in option else reply
            said = address_in(value, way[0] if option.endswith("src") else way[2])
        elif option in ("--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"):
            way = original if "orig" in option else reply
            said = ports_in(value, way[1] if option.endswith("srcport") else way[3])
        else:
            continue
        out = both(out, negate(said) if negated else said)
    return out


KNOWN = ("set", "tcp", "udp", "sctp", "multiport", "mark", "connmark", "addrtype", "iprange", "comment", "conntrack")


def holds(words, p, facts):
    """Do all matches of a rule hold for a packet? True, False or None: nobody knows."""
    out, i, tracked = True, 0, []
    while i < len(words):
        negated = words[i] == "!"
        i += negated
        option, value, i = words[i], words[i + 1] if i + 1 < len(words) else "", i + 2
        if option == "-m" and value not in KNOWN:
            out = both(out, None)
            while i < len(words) and words[i] != "-m":
                i += 1
            continue
        if option in ("-m", "--comment"):
            continue
        if option == "--ctstate" or option.startswith("--ct"):
            tracked.append((option, negated, value))
            continue
        if option in ("-s", "-d"):
            said = address_in(value, p.src if option == "-s" else p.dst)
        elif option in ("--src-range", "--dst-range"):
            said = between(value, p.src if option == "--src-range" else p.dst)
        elif option in ("-i", "-o"):
            said = name_is(value, p.iif if option == "-i" else p.oif)
        elif option == "-p":
            said = p.proto == PROTOCOLS[value]
        elif option in ("--sport", "--sports", "--dport", "--dports"):
            said = ports_in(value, p.sport if option.startswith("--s") else p.dport)
        elif option == "--ports":
            said = either(ports_in(value, p.sport), ports_in(value, p.dport))
        elif option == "--tcp-flags":
            said, i = flags_are(value, words[i], p.flags), i + 1
        elif option in ("--src-type", "--dst-type"):
            said = facts.address_type(p.src if option == "--src-type" else p.dst) in value.split(",")
        elif option == "--match-set":
            said, i = facts.member(value, words[i], p), i + 1
        elif option == "--mark":
            said = mark_is(value, p.mark)
        elif option == "--connmark":  # written so by the grammar's reader below: both matches call it --mark
            if p.ct is None:
                return False
            said = mark_is(value, p.ct.mark)
        else:
            raise AssertionError(f"the reference does not know {option}")
        out = both(out, negate(said) if negated else said)
        if out is False:
            return False
    return both(out, conntrack(tracked, p)) if tracked else out


@lru_cache(maxsize=64)
def read(text):
    """iptables-save text → {table: {chain: (policy or "", [(matches, "-j" or "-g", target, its options), …])}}."""
    tables, chains = {}, {}
    for line in text.splitlines():
        words = shlex.split(line) if not line.startswith("#") else []
        if line.startswith("*"):
            chains = tables[line[1:]] = {}
        elif line.startswith(":"):
            chains[words[0][1:]] = (words[1].strip("-"), [])
        elif words and words[0] == "-A":
            at = next((i for i, word in enumerate(words) if word in ("-j", "-g")), len(words))
            matches = words[2:at]
            for i, word in enumerate(matches[:-1]):
                if (word, matches[i + 1]) == ("-m", "connmark"):
                    later = matches.index("--mark", i)
                    matches[later] = "--connmark"
            verb, target, *options = words[at:] or ["-j", "nothing"]
            chains[words[1]][1].append((matches, verb, target, options))
    return tables


def set_mark(old, text):
    value, _, mask = text.partition("/")
    keep = ~int(mask or "0xffffffff", 0) & 0xFFFFFFFF
    return int(value, 0) if not keep else None if old is None else old & keep ^ int(value, 0)


class Kernel:
    """One host and its rules. Every method gives the set of all that may happen.

    ``fixed``: (table, chain, number) of rules that are taken to match, or not to, where nobody knows.
    """

    def __init__(self, text: str, facts: Facts, fixed: dict[tuple[str, str, int], bool] | None = None) -> None:
        self.tables, self.facts, self.fixed = read(text), facts, fixed or {}

    # ---- one chain --------------------------------------------------------------------------------------------------

    def run(self, table, chain, i, p):
        """(verdict, packet) from rule ``i`` of a chain on."""
        rules = self.tables[table][chain][1]
        if i == len(rules):
            return {("return", p)}
        matches, verb, target, options = rules[i]
        hit = holds(matches, p, self.facts)
        if hit is None:
            hit = self.fixed.get((table, chain, i + 1))
        out = set() if hit is True else self.run(table, chain, i + 1, p)
        if hit is False:
            return out
        if target in self.tables[table]:
            for verdict, after in self.run(table, target, 0, p):
                if verdict == "return" and verb == "-j":
                    out = out | self.run(table, chain, i + 1, after)
                else:
                    out = out | {(verdict, after)}
            return out
        if target in ("ACCEPT", "DROP", "RETURN", "REJECT"):
            return out | {(target.lower(), p)}
        if target in ("DNAT", "REDIRECT"):
            return out | {("accept", after) for after in self.translate(target, options, p)}
        if target in ("MASQUERADE", "SNAT"):
            address = options[1] if target == "SNAT" else self.facts.addresses[p.oif]
            reply = (*p.ct.reply[:2], int(ipaddress.ip_address(address)), p.ct.reply[3])
            return out | {("accept", p._replace(ct=p.ct._replace(snat=True, reply=reply)))}
        if target == "NFQUEUE":
            return out | {("undecided", p)}
        return out | self.run(table, chain, i + 1, self.change(target, options, p))

    def change(self, target, options, p):
        """Targets behind which the packet goes on."""
        if target == "MARK":
            return p._replace(mark=set_mark(p.mark, options[1]))
        if target == "CONNMARK" and p.ct is not None:
            if options[0] == "--set-xmark":
                return p._replace(ct=p.ct._replace(mark=set_mark(p.ct.mark, options[1])))
            if options[0] == "--save-mark":
                return p._replace(ct=p.ct._replace(mark=p.mark))
            return p._replace(mark=p.ct.mark)
        if target == "CT" and options == ["--notrack"] and p.ct is None:
            return p._replace(untracked=True)
        assert target in ("LOG", "nothing", "CONNMARK"), target
        return p

    def translate(self, target, options, p):
        """DNAT and REDIRECT: every place that the packet may be sent to."""
        if target == "REDIRECT":
            address, ports = self.facts.addresses[p.iif] if p.iif else "127.0.0.1", options[1] if options else ""
        else:
            address, _, ports = options[1].partition(":")
        low, _, high = address.partition("-")
        first, last = (int(ipaddress.ip_address(text)) if text else p.dst for text in (low, high or low))
        low, _, high = ports.partition("-")
        for dst in range(first, last + 1):
            for dport in range(int(low), int(high or low) + 1) if ports else (p.dport,):
                moved = p.ct.dnat or (dst, dport) != (p.dst, p.dport)
                reply = (dst, p.ct.reply[1] if p.proto in ECHO else dport, *p.ct.reply[2:])
                yield p._replace(dst=dst, dport=dport, ct=p.ct._replace(dnat=moved, reply=reply))

    # ---- hooks ------------------------------------------------------------------------------------------------------

    def hook(self, name, packets):
        """(packets that are let through, what became of the others)."""
        ended = set()
        for table in ORDER[name]:
            if table == "conntrack":
                packets = {self.track(p) for p in packets}
                continue
            if table == "nat":
                packets = {self.turn_back(name, p) for p in packets}
            chain = self.tables.get(table, {}).get(name)
            if chain is None:
                continue
            passed = set()
            for p in packets:
                if table == "nat" and (p.ct is None or p.ct.state != "NEW"):
                    passed.add(p)
                    continue
                for verdict, after in self.run(table, name, 0, p):
                    verdict = {"return": chain[0].lower()}.get(verdict, verdict)
                    if verdict == "accept":
                        passed.add(after)
                    else:
                        ended.add({"drop": "dropped", "reject": "rejected"}.get(verdict, verdict))
            packets = passed
        return packets, ended

    @staticmethod
    def track(p):
        if p.untracked or p.answers == "none":  # a SYN+ACK out of the blue is INVALID (nf_conntrack_proto_tcp.c)
            return p
        if p.answers is not None:
            return p._replace(ct=p.answers._replace(state="ESTABLISHED", is_reply=True))
        if p.proto in ECHO:  # an echo request: type and code stand where others have a port, the identifier in both
            asked, answered = ECHO[p.proto]
            return p._replace(ct=Connection((p.src, p.sport, p.dst, asked), (p.dst, p.sport, p.src, answered)))
        return p._replace(ct=Connection(p.ports, (p.dst, p.dport, p.src, p.sport)))

    @staticmethod
    def turn_back(name, p):
        """NAT of an answer: its destination before routing, its source behind it."""
        if p.ct is None or not p.ct.is_reply:
            return p
        if name in ("PREROUTING", "OUTPUT"):
            return p._replace(dst=p.ct.original[0], dport=p.ct.original[1])
        return p._replace(src=p.ct.original[2], sport=p.ct.original[3])

    # ---- questions --------------------------------------------------------------------------------------------------

    def at_hook(self, name, p):
        """Put a packet of a new connection straight into the chains of one hook."""
        packets, ended = self.hook(name, {self.track(p)})
        return ended | ({"accepted"} if packets else set())

    def arrive(self, p):
        """A packet from a wire, all the way, and for TCP its answer: (disposition, address, port) of each way."""
        packets, ended = self.hook("PREROUTING", {p})
        out = {(each, None, None) for each in ended}
        for each in packets:
            out |= self.route(each)
        return out

    def route(self, p):
        local, device = self.facts.address_type(p.dst) == "LOCAL", self.facts.device_to(p.dst)
        ours = p.src >> 24 != 127 and str(ipaddress.ip_address(p.src)) in self.facts.addresses.values()
        if p.dst >> 24 == 127 or (self.facts.address_type(p.src) != "UNICAST" and not ours):
            return {("dropped", None, None)}  # martians are seen before routes are looked up, the host's own addresses
        if not local and device is None:      # behind that (ip_route_input_slow, fib_validate_source)
            return {("no-route", None, None)}
        if ours:
            return {("dropped", None, None)}
        if local:
            packets, ended = self.hook("INPUT", {p})
            hooks, device = ("OUTPUT", "POSTROUTING"), ""
        else:
            packets, ended = self.hook("FORWARD", {p._replace(oif=device)})
            packets, late = self.hook("POSTROUTING", packets)
            ended, hooks = ended | late, ("FORWARD", "POSTROUTING")
        out = {(each, None, None) for each in ended}
        for each in packets:
            if not device and (each.proto, each.dport) not in self.facts.listening:
                out.add(("not-listening", None, None))
            else:
                out |= self.answer(each, device, hooks) if each.proto == 6 else {("delivered", each.dst, each.dport)}
        return out

    def answer(self, p, device, hooks):
        """The way of the first answer: does the client get it, from where it sent its packet to?"""
        client = p.ct.reply[2] if p.ct else p.src
        back = Packet(p.dst, client, p.proto, p.sport, p.dport, iif=device, flags=18, answers=p.ct or "none")
        packets, ended = self.hook("PREROUTING", {back}) if device else ({back}, set())
        for each in packets:
            way_out = self.facts.device_to(each.dst)
            if self.facts.address_type(each.dst) == "LOCAL":  # an answer that is not turned back to the client
                left, late = self.hook("INPUT", {each})
            elif way_out is None:
                left, late = set(), {"no-route"}
            else:
                left, lost = self.hook(hooks[0], {each._replace(oif=way_out)})
                left, late = self.hook(hooks[1], left)
                late = late | lost
            translated = p.ct is not None and (p.ct.snat or p.ct.dnat)
            for last in left:
                late = late | {"dropped" if translated and last.ct is None else "delivered"}
            ended = ended | late
        return {(each, p.dst, p.dport) if each == "delivered" else (each, None, None) for each in ended}
