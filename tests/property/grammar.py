"""Random rulesets as iptables-save text, and packets that meet their rules often enough to be worth asking about."""

from collections.abc import Sequence

from hypothesis import strategies as st
from reference import Facts, Packet

HOST = Facts(
    addresses={"eth0": "203.0.113.10", "eth1": "10.0.0.1", "docker0": "172.17.0.1", "lo": "127.0.0.1"},
    broadcast=("203.0.113.255", "10.0.0.255", "172.17.255.255"),
    routes=(("203.0.113.0/24", "eth0"), ("10.0.0.0/24", "eth1"), ("172.17.0.0/16", "docker0"),
            ("198.51.100.0/24", "eth0"), ("192.0.2.0/25", "eth1"), ("192.0.2.64/26", "eth0")),
    listening=frozenset({(6, 22), (6, 80), (17, 53), (6, 1024), (17, 8080)}),
)

SOURCES = ("10.0.0.5", "10.0.0.6", "192.0.2.1", "192.0.2.63", "192.0.2.64", "192.0.2.127", "198.51.100.7", "203.0.113.9",
           "172.17.0.2", "8.8.8.8")
DESTINATIONS = ("203.0.113.10", "10.0.0.1", "172.17.0.1", "172.17.0.2", "172.17.0.3", "198.51.100.7", "192.0.2.65",
                "8.8.8.8")
PORTS = (22, 53, 80, 443, 1023, 1024, 5432, 8080, 65535)
INTERFACES = ("eth0", "eth1", "docker0", "eth+", "docker+", "e+", "eth", "lo")

pick = st.sampled_from
ports = st.one_of(pick(PORTS), st.integers(0, 65535))
port_ranges = st.tuples(pick(PORTS), pick(PORTS)).map(lambda p: f"{min(p)}:{max(p)}")
port_texts = st.one_of(pick(PORTS).map(str), port_ranges)
marks = pick(("0x0", "0x1", "0x2", "0x3", "0x10"))
mark_tests = st.one_of(marks, st.tuples(marks, pick(("0x1", "0x3", "0x12", "0x0"))).map("/".join))


@st.composite
def networks(draw: st.DrawFn) -> str:
    """An address with a prefix length or a mask, which may have holes; bits behind the mask are cleared, as saved."""
    address = draw(pick((*SOURCES, *DESTINATIONS)))
    bits = draw(st.one_of(
        pick((32, 32, 31, 30, 26, 25, 24, 16, 8, 0)).map(lambda n: 0xFFFFFFFF << 32 - n & 0xFFFFFFFF),
        pick((0xFF00FFFF, 0xFFFFFF01, 0x00FF00FE))))
    a, b, c, d = (int(part) & bits >> shift & 255 for part, shift in zip(address.split("."), (24, 16, 8, 0), strict=True))
    length = bin(bits).count("1")
    if bits == 0xFFFFFFFF << 32 - length & 0xFFFFFFFF:
        return f"{a}.{b}.{c}.{d}/{length}"
    return f"{a}.{b}.{c}.{d}/{'.'.join(str(bits >> shift & 255) for shift in (24, 16, 8, 0))}"


def maybe_not(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(pick(("", "", "! ")), text).map("".join)


@st.composite
def _range(draw: st.DrawFn) -> str:
    low, high = sorted(draw(st.tuples(pick(SOURCES), pick(SOURCES))), key=lambda a: [int(x) for x in a.split(".")])
    return f"{low}-{high}"


ADDRESSES = (
    maybe_not(networks().map("-s {}".format)), maybe_not(networks().map("-d {}".format)),
    maybe_not(pick(INTERFACES).map("-i {}".format)), maybe_not(pick(INTERFACES).map("-o {}".format)),
)
OF_ONE_PROTOCOL = (
    maybe_not(port_texts.map("--dport {}".format)), maybe_not(port_texts.map("--sport {}".format)),
)
FLAGS = pick(("--tcp-flags FIN,SYN,RST,ACK SYN", "! --tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags SYN,ACK SYN,ACK",
              "--tcp-flags ALL NONE"))
MULTIPORT = st.tuples(pick(("", "! ")), pick(("--dports", "--sports", "--ports")),
                      st.lists(port_texts, min_size=1, max_size=4).map(",".join)).map(
                          lambda t: f"-m multiport {t[0]}{t[1]} {t[2]}")
STATES = st.lists(pick(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "DNAT", "SNAT")), min_size=1,
                  max_size=3, unique=True).map(",".join)
CONNTRACK = (
    maybe_not(STATES.map("--ctstate {}".format)), maybe_not(networks().map("--ctorigdst {}".format)),
    maybe_not(networks().map("--ctorigsrc {}".format)), maybe_not(port_texts.map("--ctorigdstport {}".format)),
    maybe_not(networks().map("--ctreplsrc {}".format)), maybe_not(port_texts.map("--ctreplsrcport {}".format)),
    pick(("--ctdir ORIGINAL", "--ctdir REPLY")),
)
OTHERS = (
    maybe_not(mark_tests.map("--mark {}".format)).map("-m mark {}".format),
    maybe_not(mark_tests.map("--mark {}".format)).map("-m connmark {}".format),
    st.tuples(pick(("", "! ")), pick(("--dst-type", "--src-type")),
              pick(("LOCAL", "UNICAST", "BROADCAST", "LOCAL,BROADCAST", "MULTICAST"))).map(
                  lambda t: f"-m addrtype {t[0]}{t[1]} {t[2]}"),
    st.tuples(pick(("", "! ")), pick(("--src-range", "--dst-range")), _range()).map(
        lambda t: f"-m iprange {t[0]}{t[1]} {t[2]}"),
    st.lists(st.one_of(*CONNTRACK), min_size=1, max_size=3, unique_by=lambda o: o.removeprefix("! ").split()[0]).map(
        lambda options: "-m conntrack " + " ".join(options)),
    pick(('-m comment --comment "a -j b"', "-m comment --comment x")),
)
UNKNOWN = pick(("-m limit --limit 3/min", '-m string --string "x y" --algo bm', "-m nobody --knows this"))


@st.composite
def matches(draw: st.DrawFn) -> list[str]:
    """The matches of one rule, in an order that iptables-save may print."""
    out = [draw(choice) for choice in ADDRESSES if draw(st.integers(0, 3)) == 0]
    proto = draw(pick(("", "", "tcp", "udp", "tcp", "udp", "sctp", "icmp", "! tcp")))
    if proto.startswith("!"):
        out.append("! -p tcp")
    elif proto:
        out.append(f"-p {proto}")
        if proto != "icmp" and draw(st.booleans()):
            out += [f"-m {proto}", draw(st.one_of(*OF_ONE_PROTOCOL, *((FLAGS,) if proto == "tcp" else ())))]
        elif proto != "icmp" and draw(st.booleans()):
            out.append(draw(MULTIPORT))
    out += draw(st.lists(st.one_of(*OTHERS), max_size=1))
    if draw(st.integers(0, 9)) == 0:
        out.append(draw(UNKNOWN))
    return out


MARKS = st.one_of(
    st.tuples(marks, pick(("0xffffffff", "0x1", "0x3"))).map(lambda t: f"-j MARK --set-xmark {t[0]}/{t[1]}"),
    st.tuples(marks, pick(("0xffffffff", "0x1"))).map(lambda t: f"-j CONNMARK --set-xmark {t[0]}/{t[1]}"),
    pick(("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
          "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff")),
)
ENDS = pick(("-j ACCEPT", "-j DROP", "-j DROP", "-j RETURN", "-j ACCEPT"))
DNAT = st.one_of(
    st.tuples(pick(DESTINATIONS), st.one_of(st.just(""), pick(PORTS).map(":{}".format))).map(
        lambda t: f"-j DNAT --to-destination {t[0]}{t[1]}"),
    pick(("-j DNAT --to-destination 172.17.0.2-172.17.0.3:80", "-j DNAT --to-destination 172.17.0.2:80-82",
          "-j DNAT --to-destination :8080", "-j REDIRECT --to-ports 8080", "-j REDIRECT")))
TARGETS = {
    "raw": st.one_of(ENDS, pick(("-j CT --notrack", "-j CT --notrack", "-j LOG")), MARKS),
    "mangle": st.one_of(ENDS, MARKS, MARKS),
    "nat": st.one_of(DNAT, DNAT, pick(("-j ACCEPT", "-j RETURN")), MARKS),
    "filter": st.one_of(ENDS, ENDS, pick(("-j REJECT --reject-with icmp-port-unreachable", "-j NFQUEUE --queue-num 0",
                                          "-j LOG", "")), MARKS),
}
SOURCE_NAT = pick(("-j MASQUERADE", "-j SNAT --to-source 203.0.113.10", "-j RETURN", "-j ACCEPT"))
HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
         "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
FORBIDDEN = {"PREROUTING": (" -o ",), "INPUT": (" -o ",), "OUTPUT": (" -i ",), "POSTROUTING": (" -i ",)}


@st.composite
def tables(draw: st.DrawFn, name: str, most: int = 7) -> str:
    """One table: built-in chains and a few of its own, which jump only downwards."""
    own = [f"U{i}" for i in range(draw(st.integers(0, 4)))]
    lines = [f"*{name}"]
    policies = ("ACCEPT",) if name in ("nat", "raw") else ("ACCEPT", "ACCEPT", "DROP")
    lines += [f":{chain} {draw(pick(policies))} [0:0]" for chain in HOOKS[name]]
    lines += [f":{chain} - [0:0]" for chain in own]
    for chain in (*HOOKS[name], *own):
        if name == "nat" and chain in ("INPUT", "OUTPUT"):
            continue
        below = own[own.index(chain) + 1:] if chain in own else own
        if name == "nat" and chain == "POSTROUTING":
            below = []
        for _ in range(draw(st.integers(0, most if chain != "OUTPUT" else 2))):
            words = draw(matches())
            if any(bad in f" {' '.join(words)} " for bad in FORBIDDEN.get(chain, ())):
                continue
            if below and draw(st.integers(0, 2)) == 0:
                target = f"-{draw(pick('jjg'))} {draw(pick(below))}"
            else:
                target = draw(SOURCE_NAT if chain == "POSTROUTING" and name == "nat" else TARGETS[name])
            lines.append(" ".join(["-A", chain, *words, target]).rstrip())
    return "\n".join([*lines, "COMMIT", ""])


def rulesets(names: Sequence[str], most: int = 7) -> st.SearchStrategy[str]:
    """iptables-save text of these tables."""
    return st.tuples(*(tables(name, most) for name in names)).map("".join)


def number(address: str) -> int:
    a, b, c, d = map(int, address.split("."))
    return a << 24 | b << 16 | c << 8 | d


packets = st.builds(
    Packet, src=pick(SOURCES).map(number), dst=pick(DESTINATIONS).map(number), proto=pick((6, 6, 17, 132, 1)),
    dport=ports, sport=st.one_of(st.none(), ports), iif=pick(("eth0", "eth1", "docker0")), oif=st.just(""),
    mark=st.just(0), flags=st.just(2), ct=st.none(), untracked=st.just(False), answers=st.none())
