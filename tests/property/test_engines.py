"""Three ways to the same answer: `Engine.trace`, `Engine.reach`, and the reference, which shares no code with them.

The laws, for a question Q about many sources and a packet P of it from one source s, where each rule that asks for an
unknown fact has an answer of its own (``apart``; tests/property/test_deciding.py says what is gained otherwise):

1. trace(P) is what the reference says, where that is one thing; it is undecided where the reference has several.
2. s is in `certainly` of an outcome of reach(Q) if and only if trace(P) is decided, and then it is that outcome.
3. Every source asked about is in `possibly` of some outcome; in exactly one if trace(P) is decided and not otherwise,
   but for a target that nobody can foresee (NFQUEUE), whose one outcome is called undecided.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from grammar import HOST, SOURCES, number, packets, rulesets
from hypothesis import given, note
from hypothesis import strategies as st
from reference import Kernel, Packet

from fwaudit.model.host import Address, DockerNetwork, Host, Interface, Route, Socket, UfwPolicy
from fwaudit.model.host import Engine as Docker
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.verdict import Query, Reach, Trace
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.address import format_address, parse_network
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.engine import Engine


def host(text: str) -> Host:
    """The grammar's host, as fwaudit knows hosts."""
    interfaces, routes = {}, []
    for index, (name, address) in enumerate(HOST.addresses.items(), 1):
        interfaces[name] = Interface(name, index, addresses=(Address(4, number(address), 24),))
        routes.append(Route(4, "local", number(address), 32, "local", (name,)))
    routes.append(Route(4, "local", 127 << 24, 8, "local", ("lo",)))
    routes += [Route(4, "local", number(address), 32, "broadcast", ("eth0",)) for address in HOST.broadcast]
    for network, device in HOST.routes:
        low, length = network.split("/")
        routes.append(Route(4, "main", number(low), int(length), devices=(device,)))
    # an engine that cannot be asked: whatever is behind its bridges answers, as it does in the reference
    docker = Docker(unread="not asked", networks=tuple(
        DockerNetwork(name, name, "bridge", name) for name in interfaces))
    return Host(
        name="h", taken_at="", interfaces=interfaces, routes={4: tuple(routes), 6: ()}, policy_rules={4: None, 6: None},
        sysctl={"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"},
        sockets=tuple(Socket(proto, 4, 0, port, "server") for proto, port in HOST.listening), engine=docker,
        ufw=UfwPolicy(), ruleset=Ruleset(parse(text, family=4, backend="nft", source="random").tables))


def one(trace: Trace) -> tuple[str, int | None, int | None]:
    return trace.disposition, trace.to.address if trace.to else None, trace.to.port if trace.to else None


def told(outcomes: set[tuple[str, int | None, int | None]]) -> tuple[str, int | None, int | None]:
    return next(iter(outcomes)) if len(outcomes) == 1 else ("undecided", None, None)


def check_reach(reach: Reach, source: int, trace: Trace) -> None:
    """Laws 2 and 3 for one source."""
    outcomes = reach.outcomes
    assert reach.query.sources & IntervalSet((0, 1 << 32)) <= IntervalSet.from_ranges(
        pair for outcome in outcomes for pair in outcome.possibly.ranges(0xFFFFFFFF))
    for outcome in outcomes:
        assert outcome.certainly <= outcome.possibly
        assert outcome.disposition != "undecided" or not outcome.certainly
    certain = [(outcome.disposition, outcome.to) for outcome in outcomes if source in outcome.certainly]
    possible = [(outcome.disposition, outcome.to) for outcome in outcomes if source in outcome.possibly]
    if trace.disposition == "undecided":
        assert not certain and (len(possible) > 1 or possible == [("undecided", None)])
    else:
        assert certain == possible == [(trace.disposition, trace.to)]
        assert not trace.undecided_on


@contextmanager
def told_about(text: str, packet: Packet, hook: str = "") -> Iterator[None]:
    """Say what was asked where the answers differ."""
    try:
        yield
    except AssertionError:
        note(f"{text}\n{hook} from {format_address(4, packet.src)} to {format_address(4, packet.dst)}: {packet}")
        raise


def query(packet: Packet, hook: str = "", oif: str = "", sources: IntervalSet | None = None) -> Query:
    if sources is None:
        sources = IntervalSet.of(packet.src)
    return Query(4, packet.iif, packet.dst, packet.proto, packet.dport, sources, packet.sport,
                 hook, oif)  # type: ignore[arg-type]


def borders(text: str, reach: Reach) -> list[int]:
    """Sources where an answer or a rule changes its mind, and their neighbours."""
    places = {cut for outcome in reach.outcomes for cut in outcome.possibly.bounds + outcome.certainly.bounds}
    words = text.split()
    for i, word in enumerate(words[:-1]):
        if word in ("-s", "--ctorigsrc"):
            places.update(parse_network(words[i + 1])[1].bounds[:8])
    places |= {cut - 1 for cut in places} | {number(source) for source in SOURCES}
    places -= set(map(number, HOST.broadcast))  # no client has such an address
    return sorted(place for place in places if 0 <= place < 1 << 32)


def sources(text: str, reach: Reach, packet: Packet, rng: random.Random) -> set[int]:
    """The packet's own source and some others, most of them at borders."""
    return {packet.src, *rng.sample(borders(text, reach), 3)}


@given(rulesets("mangle", "filter"), st.integers(0, 1 << 20))
def test_one_hook(text: str, seed: int) -> None:
    engine, kernel, rng = Engine(host(text)), Kernel(text, HOST), random.Random(seed)
    for packet in packets(seed, 8):
        hook, oif = rng.choice((("forward", "eth1"), ("forward", "docker0"), ("input", "")))
        everybody = query(packet, hook, oif, ALL)
        reach = engine.reach(everybody)
        for source in sources(text, reach, packet, rng):
            asked = packet._replace(src=source, oif=oif)
            trace = engine.trace(query(asked, hook, oif), apart=True, most_walks=1)
            wanted = told({(each, None, None) for each in kernel.at_hook(hook.upper(), asked)})
            with told_about(text, asked, hook):
                assert one(trace) == wanted
                check_reach(reach, source, trace)


@given(rulesets("raw", "mangle", "nat", "filter"), st.integers(0, 1 << 20))
def test_the_whole_way(text: str, seed: int) -> None:
    engine, kernel, rng = Engine(host(text)), Kernel(text, HOST), random.Random(seed)
    for packet in packets(seed, 8):
        reach = engine.reach(query(packet, sources=ALL))
        for source in sources(text, reach, packet, rng):
            asked = packet._replace(src=source)
            trace = engine.trace(query(asked), apart=True, most_walks=1)
            with told_about(text, asked):
                assert one(trace) == told(kernel.arrive(asked))
                check_reach(reach, source, trace)
