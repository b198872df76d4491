"""How much work answers are, in counts: a lost memory shows here, on any machine, before it shows in seconds."""

import random
import sys
from itertools import pairwise

import pytest

from fwaudit.model.condition import Masked
from fwaudit.model.host import Address, Host, Interface, Route, UfwPolicy
from fwaudit.model.host import Engine as Docker
from fwaudit.model.ruleset import Chain, Drop, Hook, Jump, Rule, Ruleset, Table
from fwaudit.model.verdict import Query
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path import chain
from fwaudit.path.engine import Engine
from fwaudit.path.state import PacketState
from fwaudit.path.walk import Walk, World

DEVICES = {"eth0": 0xCB00710A, "eth1": 0xC0A8320A, "wg0": 0x0A080001, "docker0": 0xAC110001}
BRIDGE = 0xAC110002


def host(ruleset: Ruleset) -> Host:
    routes = [Route(4, "main", 0, 0, devices=("eth0",)), Route(4, "main", 0xAC110000, 16, devices=("docker0",))]
    routes += [Route(4, "local", address, 32, "local", (name,)) for name, address in DEVICES.items()]
    interfaces = {name: Interface(name, i, addresses=(Address(4, address, 24),))
                  for i, (name, address) in enumerate(DEVICES.items(), 2)}
    return Host("h", "", interfaces, {4: tuple(routes), 6: ()}, {4: None, 6: None},
                {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"}, (), Docker(unread="not asked"),
                UfwPolicy(), ruleset)


def engine(*tables: str) -> Engine:
    return Engine(host(Ruleset(parse("".join(tables), family=4, backend="nft", source="test").tables)))


def table(kind: str, rules: list[str], chains: list[str] | None = None) -> str:
    base = {"nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}[kind]
    heads = [f":{name} ACCEPT [0:0]" for name in base] + [f":{name} - [0:0]" for name in chains or []]
    return "\n".join([f"*{kind}", *heads, *rules, "COMMIT", ""])


def text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def networks(count: int, length: int = 24) -> list[str]:
    rng = random.Random(count)
    return [f"{text(rng.getrandbits(length) << 32 - length)}/{length}" for _ in range(count)]


def forward(dport: int = 80, dst: int = BRIDGE) -> Query:
    return Query(4, "eth0", dst, 6, dport, ALL, None, "forward", "docker0")


def busy_host(ports: int, blocked: int) -> Engine:
    nat = ["-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"] + [
        f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {10000 + i} -j DNAT --to-destination {text(BRIDGE + i)}:80"
        for i in range(ports)]
    rules = ["-A FORWARD -j DOCKER-USER",
             "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
             "-A FORWARD -o docker0 -j DOCKER", "-A FORWARD -j DROP"]
    rules += [f"-A DOCKER -d {text(BRIDGE + i)}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"
              for i in range(ports)]
    rules += [f"-A DOCKER-USER -s {network} -i eth0 -j DROP" for network in networks(blocked)]
    return engine(table("nat", nat, ["DOCKER"]), table("filter", rules, ["DOCKER", "DOCKER-USER"]))


def evaluated(some: Engine, wanted: str) -> int:
    """How often one chain of that name was evaluated: the memory holds one result for each time."""
    evaluator = some.tables.evaluator
    serials = {made.serial for compiler in some.tables._compilers.values()
               for name, made in compiler.chains.items() if name == wanted}
    return sum(key[0] in serials for key in evaluator._memo)


def test_a_block_list_is_evaluated_once_for_each_interface_however_many_containers_stand_behind_it() -> None:
    some = busy_host(ports=200, blocked=3000)
    for i in range(200):
        for device in ("eth0", "eth1", "wg0"):
            reach = some.reach(Query(4, device, DEVICES["eth0"], 6, 10000 + i))
            assert {outcome.disposition for outcome in reach.outcomes} >= {"delivered"}
    # eth0, eth1, wg0, and the answers that come in by docker0
    assert evaluated(some, "DOCKER-USER") <= 8
    # for each port and interface: nat PREROUTING and DOCKER, FORWARD and DOCKER, and once more for the answer
    assert some.evaluations <= 200 * 3 * 8 + 100
    assert len(some.tables.evaluator.steps.pool) <= 200 * 8 + 100


def test_asking_again_evaluates_nothing() -> None:
    some = busy_host(ports=3, blocked=10)
    query = Query(4, "eth0", DEVICES["eth0"], 6, 10000)
    first = some.reach(query)
    before = some.evaluations
    assert some.reach(query) == first and some.evaluations == before


def test_all_ports_are_as_many_questions_as_the_rules_tell_ports_apart() -> None:
    rules = [f"-A INPUT -p tcp -m tcp --dport {port} -j ACCEPT" for port in range(1000, 1100, 2)]
    rules += ["-A INPUT -p tcp -m multiport --dports 80,443,8000:9000 -j ACCEPT", "-A INPUT -j DROP"]
    some = engine(table("filter", rules))
    for port in range(65536):
        some.reach(Query(4, "eth0", DEVICES["eth0"], 6, port, ALL, None, "input"))
    assert some.evaluations <= 2 * 50 + 7


def test_overlapping_ranges_of_ports_are_a_class_for_each_border_and_few_rules_each() -> None:
    """However hostile: 65,536 ports are at most so many classes, and a class costs the ranges that it lies in."""
    rng = random.Random(4)
    lows = [rng.randrange(62_000) for _ in range(300)]
    rules = [f"-A INPUT -s {network} -p tcp -m tcp --dport {low}:{low + 3000} -j DROP"
             for low, network in zip(lows, networks(300), strict=True)]
    some = engine(table("filter", rules))
    ranges = some.port_ranges(4, "input", "eth0")
    assert ranges[0][0] == 0 and ranges[-1][1] == 65535 and len(ranges) <= 601
    assert all(low == before + 1 for (_, before), (low, _) in pairwise(ranges))
    for low, high in ranges:
        for port in (low, high):
            some.reach(Query(4, "eth0", DEVICES["eth0"], 6, port, ALL, None, "input"))
    assert some.evaluations == len(ranges)
    chains = [made for compiler in some.tables._compilers.values() for made in compiler.chains.values()]
    for made in chains:
        for special in made.rules._special.values():
            looked_at = [len(special.candidates(PacketState(4, 6, dport=low))) for low, _ in ranges]
            assert sum(looked_at) == sum(low <= first <= low + 3000 for first, _ in ranges for low in lows)


def test_ports_that_a_rule_takes_bit_by_bit_are_a_class_each() -> None:
    chain = Chain("base", (Rule((Masked("dport", 1, 1),), Drop(), "odd", 1),), "input")
    some = Engine(host(Ruleset((Table("nft", "ip", "filter", {"base": chain}),))))
    assert len(some.port_ranges(4, "input", "eth0")) == 65536


def test_3_to_the_200th_ways_through_nested_jumps_are_200_chains() -> None:
    chains = [f"C{i}" for i in range(201)]
    rules = ["-A FORWARD -j C0"] + [f"-A C{i} -j C{i + 1}" for i in range(200) for _ in range(3)]
    some = engine(table("filter", [*rules, "-A C200 -s 10.0.0.0/8 -j DROP"], chains))
    assert {o.disposition for o in some.reach(forward()).outcomes} == {"accepted", "dropped"}
    assert some.evaluations == 202
    for source, wanted in ((0x0A000001, "dropped"), (0x0B000001, "accepted")):
        assert some.trace(one(source)).disposition == wanted


def one(source: int) -> Query:
    return Query(4, "eth0", BRIDGE, 6, 80, IntervalSet.of(source), 40000, "forward", "docker0")


@pytest.mark.parametrize("depth", [16, 900, 5000])
def test_chains_may_nest_deeper_than_python_calls(depth: int) -> None:
    chains = [f"C{i}" for i in range(depth + 1)]
    rules = ["-A FORWARD -j C0"] + [f"-A C{i} -j C{i + 1}" for i in range(depth)]
    some = engine(table("filter", [*rules, f"-A C{depth} -s 10.0.0.0/8 -j DROP"], chains))
    certain = {o.disposition: o.certainly for o in some.reach(forward()).outcomes}
    assert certain["dropped"] == IntervalSet((0x0A000000, 0x0B000000)) and some.evaluations == depth + 2
    assert [some.trace(one(source)).disposition for source in (0x0A000001, 1)] == ["dropped", "accepted"]


def calls(some: Engine) -> int:
    """How many functions, of Python's own as well, are called for an answer and a trace."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        some.reach(forward())
        some.trace(one(0x0A000001))
    finally:
        sys.setprofile(None)
    return count


def conditional_jumps(count: int) -> Engine:
    """Each to a chain of its own, which drops a part of what comes to it."""
    chains = [f"C{i}" for i in range(count)]
    found = networks(count)
    rules = [f"-A FORWARD -s {network} -j C{i}" for i, network in enumerate(found)]
    rules += [f"-A C{i} -s {network[:-3]}/30 -j DROP" for i, network in enumerate(found)]
    return engine(table("filter", rules, chains))


def doubtful_jumps(count: int) -> Engine:
    chains = [f"C{i}" for i in range(count)]
    rules = [f"-A FORWARD -m limit --limit 1/s -j C{i}" for i in range(count)]
    rules += [f"-A C{i} -s {network} -j DROP" for i, network in enumerate(networks(count))]
    return engine(table("filter", rules, chains))


def doubtful_rules(count: int) -> Engine:
    return engine(table("filter", [f"-A FORWARD -s {net} -m limit --limit 1/s -j DROP" for net in networks(count)]))


def doubtful_complements(count: int) -> Engine:
    return engine(table("filter", [f"-A FORWARD ! -s {net} -m limit --limit 1/s -j DROP" for net in networks(count)]))


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [conditional_jumps, doubtful_jumps, doubtful_rules, doubtful_complements])
def test_hostile_rulesets_cost_little_more_than_their_size(hostile) -> None:  # type: ignore[no-untyped-def]
    """Eight times the rules: eight times the work and a little, where a quadratic way has 64 times as much. The times
    are in docs/performance.md."""
    small, large = (calls(hostile(count)) for count in (1000, 8000))
    assert large < 10 * small


def test_marks_that_a_later_rule_asks_about_cost_one_evaluation_each() -> None:
    count = 100
    rules = [f"-A FORWARD -s {network} -j MARK --set-xmark {i + 1:#x}/0xffffffff"
             for i, network in enumerate(networks(count))]
    some = engine(table("filter", [*rules, "-A FORWARD -m mark --mark 0x7 -j DROP"]))
    dropped = next(o for o in some.reach(forward()).outcomes if o.disposition == "dropped")
    assert dropped.certainly.size(0xFFFFFFFF) <= 256 and some.evaluations == count + 1


def test_marks_that_nobody_asks_about_cost_nothing() -> None:
    rules = [f"-A FORWARD -s {network} -j MARK --set-xmark {i + 1:#x}/0xffffffff"
             for i, network in enumerate(networks(2000))]
    some = engine(table("filter", rules))
    assert [o.disposition for o in some.reach(forward()).outcomes] == ["accepted"] and some.evaluations == 1


def test_marks_that_combine_in_too_many_ways_end_undecided_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_MOST_RULES", 5_000)
    rules = [f"-A FORWARD -s {network} -j MARK --set-xmark {1 << i:#x}/{1 << i:#x}"
             for i, network in enumerate(networks(32, 1))]
    some = engine(table("filter", [*rules, "-A FORWARD -m mark --mark 0x7/0x7 -j DROP"]))
    assert "undecided" in {o.disposition for o in some.reach(forward()).outcomes}
    assert some.trace(one(0x0A000001)).disposition in ("accepted", "dropped"), "one packet has one way"


def test_a_loop_of_chains_which_no_reader_lets_through_ends_as_well() -> None:
    rule = Rule((), Jump("a"), "-A a -j a", 1)
    chains = {"base": Chain("base", (rule,), "forward"), "a": Chain("a", (rule,))}
    some = Engine(host(Ruleset((Table("nft", "ip", "filter", chains),))))
    some.reach(forward())
    assert some.trace(one(1)).disposition in ("accepted", "undecided")


def test_behind_nat_packets_are_alike_wherever_they_came_in(monkeypatch) -> None:
    """FORWARD and the way back are walked once for all doors and addresses of a published port; rules that tell them
    apart are asked again."""
    met: list[str] = []

    def hook(walk: Walk, worlds: list[World], name: Hook, device: str, *, looped: bool = False) -> list[World]:
        met.append(name)
        return original(walk, worlds, name, device, looped=looped)

    original = Walk.hook
    monkeypatch.setattr(Walk, "hook", hook)
    nat = table("nat", ["-A PREROUTING -p tcp -m tcp --dport 5432 -j DNAT --to-destination 172.17.0.2:5432"])

    def walked(rule: str) -> int:
        met.clear()
        some = engine(nat, table("filter", [rule, "-A FORWARD -o docker0 -j ACCEPT"]))
        answers = [some.reach(Query(4, door, address, 6, 5432)) for door in ("eth0", "eth1", "wg0")
                   for address in DEVICES.values()]
        assert all(any(each.disposition == "delivered" for each in answer.outcomes) for answer in answers)
        return met.count("forward")

    once = walked("-A FORWARD -s 198.51.100.0/24 -j DROP")
    assert once <= 4  # there and back, and for peers on the bridge
    by_door = walked("-A FORWARD -i eth1 -s 198.51.100.0/24 -j DROP")
    assert once < by_door
    by_address = walked("-A FORWARD -s 198.51.100.0/24 -m conntrack --ctorigdst 10.8.0.1 -j DROP")
    assert once < by_address
    assert max(by_door, by_address) <= 2 * once, "two kinds of packets in twelve questions"
