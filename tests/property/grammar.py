"""Random rulesets as iptables-save text, and packets that meet their rules often enough to be worth asking about.

What a rule may say is listed, not composed, so that one draw gives one match: rulesets are quick to make and to shrink.
"""

import random
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

SOURCES = ("10.0.0.5", "10.0.0.6", "192.0.2.1", "192.0.2.63", "192.0.2.64", "192.0.2.127", "198.51.100.7",
           "203.0.113.9", "172.17.0.2", "8.8.8.8")
DESTINATIONS = ("203.0.113.10", "203.0.113.10", "10.0.0.1", "172.17.0.1", "172.17.0.2", "172.17.0.3", "198.51.100.7",
                "192.0.2.65", "8.8.8.8")
PORTS = (22, 53, 80, 443, 1023, 1024, 5432, 8080, 65535)
NETWORKS = (
    "10.0.0.5/32", "10.0.0.4/31", "10.0.0.0/24", "10.0.0.0/8", "192.0.2.64/26", "192.0.2.0/25", "192.0.2.1/32",
    "198.51.100.7/32", "203.0.113.10/32", "172.17.0.2/32", "172.17.0.0/16", "172.16.0.0/12", "0.0.0.0/0", "0.0.0.0/1",
    "10.0.0.1/255.0.255.255", "0.0.0.64/0.255.255.192", "192.0.0.64/255.0.255.192",
)
INTERFACES = ("eth0", "eth1", "docker0", "eth+", "docker+", "e+", "eth", "lo")
SPANS = ("22", "80", "443", "53:80", "0:1023", "1024:65535", "1000:5432", "8080", "65535", ":80", "1024:")
MARKS = ("0x0", "0x1", "0x2", "0x3", "0x1/0x1", "0x2/0x3", "0x0/0x1", "0x10/0x12", "0x1/0x0")
STATES = ("NEW", "RELATED,ESTABLISHED", "INVALID", "UNTRACKED", "NEW,UNTRACKED", "DNAT", "SNAT", "NEW,DNAT",
          "INVALID,NEW,RELATED,ESTABLISHED")


def either_way(front: str, *options: str) -> list[str]:
    """Each option and its opposite, twice as often as it stands."""
    return [f"{front}{sign}{option}" for option in options for sign in ("", "", "! ")]


SOURCE = either_way("", *(f"-s {network}" for network in NETWORKS))
DESTINATION = either_way("", *(f"-d {network}" for network in NETWORKS))
INSIDE = either_way("", *(f"-i {name}" for name in INTERFACES))
OUTSIDE = either_way("", *(f"-o {name}" for name in INTERFACES))
PROTOCOL = [
    *either_way("", "-p tcp", "-p udp"), "-p sctp", "-p icmp",
    *(f"-p {proto} {option}" for proto in ("tcp", "tcp", "udp", "sctp") for option in either_way(
        f"-m {proto} ", *(f"--dport {span}" for span in SPANS), *(f"--sport {span}" for span in SPANS[3:8]))),
    *(f"-p tcp {option}" for option in either_way(
        "-m tcp ", "--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags SYN,ACK SYN,ACK", "--tcp-flags ALL NONE")),
    *(f"-p {proto} {option}" for proto in ("tcp", "udp") for option in either_way(
        "-m multiport ", "--dports 22,80,443", "--sports 53,1024:65535", "--ports 80,8080:9000", "--ports 22",
        "--dports 0:79,81:65535")),
]
TRACKING = [
    *either_way("-m conntrack ", *(f"--ctstate {states}" for states in STATES),
                *(f"--ctorigdst {net}" for net in NETWORKS[3:11]),
                *(f"--ctorigsrc {net}" for net in NETWORKS[:6]), *(f"--ctreplsrc {net}" for net in NETWORKS[9:12]),
                *(f"--ctorigdstport {span}" for span in SPANS[:5]), "--ctreplsrcport 80", "--ctorigsrcport 1024:65535",
                "--ctrepldst 10.0.0.0/24", "--ctdir ORIGINAL"),
    "-m conntrack --ctstate NEW --ctorigdst 203.0.113.10/32 --ctorigdstport 80", "-m conntrack --ctdir REPLY",
    "-m conntrack ! --ctstate NEW --ctorigdstport 22", "-m conntrack --ctstate INVALID ! --ctorigdst 10.0.0.0/8"]
OTHER = [
    *either_way("-m mark ", *(f"--mark {mark}" for mark in MARKS)),
    *either_way("-m connmark ", *(f"--mark {mark}" for mark in MARKS)),
    *either_way("-m addrtype ", *(f"--{side}-type {kinds}" for side in ("dst", "src") for kinds in (
        "LOCAL", "UNICAST", "BROADCAST", "LOCAL,BROADCAST", "MULTICAST"))),
    *either_way("-m iprange ", "--src-range 10.0.0.6-192.0.2.63", "--dst-range 172.17.0.3-203.0.113.10",
                "--src-range 192.0.2.64-192.0.2.64"),
    '-m comment --comment "a -j b"', "-m comment --comment x",
]
UNKNOWN = ["-m limit --limit 3/min", '-m string --string "x y" --algo bm', "-m nobody --knows this",
           "-m set --match-set unread src", "-m set ! --match-set unread src", "-m set --match-set unread dst"]
KINDS = (SOURCE, SOURCE, DESTINATION, INSIDE, OUTSIDE, PROTOCOL, PROTOCOL, TRACKING, OTHER, UNKNOWN)

_SETS = [f"--set-xmark {value}/{mask}"
         for value in ("0x0", "0x1", "0x2", "0x10") for mask in ("0xffffffff", "0x1", "0x3")]
_MARKING = [*(f"-j MARK {text}" for text in _SETS), *(f"-j CONNMARK {text}" for text in _SETS[:8]), *(
    f"-j CONNMARK --{way}-mark --nfmask 0xffffffff --ctmask 0xffffffff" for way in ("save", "restore") for _ in "abc")]
_ENDS = ["-j ACCEPT"] * 12 + ["-j DROP"] * 12 + ["-j RETURN"] * 8
_DNAT = [f"-j DNAT --to-destination {to}" for to in (
    "172.17.0.2:80", "172.17.0.3:80", "172.17.0.2", "10.0.0.1:22", "203.0.113.10:80", "198.51.100.7:443", ":8080",
    "127.0.0.1:80", "172.17.0.2-172.17.0.3:80", "172.17.0.2:80-82")] + ["-j REDIRECT --to-ports 8080", "-j REDIRECT"]
TARGETS = {
    "raw": [*_ENDS, *["-j CT --notrack"] * 9, *["-j LOG"] * 3, *_MARKING[::3]],
    "mangle": [*_ENDS, *_MARKING],
    "nat": [*_DNAT * 2, *["-j ACCEPT", "-j RETURN"] * 4, *_MARKING[::4]],
    "filter": [*_ENDS, *["-j REJECT --reject-with icmp-port-unreachable", "-j LOG", ""] * 3, "-j NFQUEUE --queue-num 0",
               *_MARKING[::3]],
}
SOURCE_NAT = ["-j MASQUERADE", "-j SNAT --to-source 203.0.113.10", "-j RETURN", "-j ACCEPT"]
HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
         "nat": ("PREROUTING", "POSTROUTING", "INPUT", "OUTPUT"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
FORBIDDEN = {"PREROUTING": OUTSIDE, "INPUT": OUTSIDE, "OUTPUT": INSIDE, "POSTROUTING": INSIDE}

pick = st.sampled_from
# most rules ask one or two things, and few ask what nobody knows
_matches = st.lists(
    pick(range(len(KINDS))).flatmap(lambda kind: pick(KINDS[kind]).map(lambda text: (KINDS.index(KINDS[kind]), text))),
    max_size=2, unique_by=lambda match: match[0])
_counts = pick((0, 1, 1, 2, 2, 3, 4, 6))
# now and then a rule stands for a list of them, as long as a list of banned addresses has to be to be one set
_lists = pick((None,) * 15 + (SOURCE, DESTINATION)).flatmap(
    lambda addresses: st.lists(pick(addresses), min_size=8, max_size=12) if addresses else st.just([]))


@st.composite
def tables(draw: st.DrawFn, name: str) -> str:
    """One table: built-in chains and a few of its own, which jump only downwards. The OUTPUT chains stay short."""
    own = [f"U{i}" for i in range(draw(pick((0, 2, 3, 4))))]
    policies = ("ACCEPT",) if name in ("nat", "raw") else ("ACCEPT", "ACCEPT", "DROP")
    lines = [f"*{name}", *(f":{chain} {draw(pick(policies))} [0:0]" for chain in HOOKS[name]),
             *(f":{chain} - [0:0]" for chain in own)]
    for chain in (*HOOKS[name], *own):
        if name == "nat" and chain in ("INPUT", "OUTPUT"):
            continue
        below = own[own.index(chain) + 1:] if chain in own else own
        targets = SOURCE_NAT if (name, chain) == ("nat", "POSTROUTING") else TARGETS[name]
        jumps = [] if targets is SOURCE_NAT else [f"-{verb} {to}" for verb in "jjg" for to in below]
        for _ in range(min(draw(_counts), 1 if chain == "OUTPUT" else 9)):
            words = [text for _, text in sorted(draw(_matches)) if text not in FORBIDDEN.get(chain, ())]
            target = draw(pick(jumps)) if jumps and draw(st.integers(0, 2)) == 0 else draw(pick(targets))
            listed = draw(_lists)
            if listed:
                words = [word for word in words if word not in SOURCE and word not in DESTINATION]
            lines += [" ".join(["-A", chain, *address, *words, target]).rstrip()
                      for address in ([[address] for address in listed] or [[]])]
    return "\n".join([*lines, "COMMIT", ""])


def rulesets(*names: str) -> st.SearchStrategy[str]:
    """iptables-save text of these tables."""
    return st.tuples(*map(tables, names)).map("".join)


def number(address: str) -> int:
    a, b, c, d = map(int, address.split("."))
    return a << 24 | b << 16 | c << 8 | d


def packets(seed: int, count: int) -> Sequence[Packet]:
    """So many packets, always the same for a seed."""
    rng = random.Random(seed)
    return [Packet(number(rng.choice(SOURCES)), number(rng.choice(DESTINATIONS)), rng.choice((6, 6, 6, 17, 17, 132, 1)),
                   rng.choice(PORTS) + rng.choice((0, 0, 0, 0, -1)), rng.choice((None, None, *PORTS)),
                   rng.choice(("eth0", "eth1", "docker0"))) for _ in range(count)]
