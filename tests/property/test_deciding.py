"""What would decide a packet whose end is open.

The laws, for a packet P:

1. A fact that is asked for twice has one answer: trace(P) is what the reference says of all worlds in which a client
   has one source port and an address is in a set or not.
2. The facts that trace(P) names decide: with the rules that they are about fixed, in every way, the reference has one
   answer.
3. No smaller set of facts decides: by trying all of them.
"""

import re
from collections.abc import Iterator
from itertools import combinations, product

from grammar import HOST, packets, rulesets
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import Kernel, Packet
from test_engines import host, one, query, told, told_about

from fwaudit.path.assume import Assumed, TooManyFacts, runs
from fwaudit.path.decide import _cases
from fwaudit.path.engine import Engine
from fwaudit.path.smallest import Case, deciding

_RULE = re.compile(r"\((\w+) (\w+) rule (\d+)\)$")
_MOST_WORLDS = 64


def source_ports(text: str, packet: Packet) -> list[int]:
    """One of each kind of client ports that the rules tell apart; the packet's own where it has one."""
    if packet.sport is not None:
        return [packet.sport]
    named = {int(number) + more for number in re.findall(r"\d+", text) for more in (0, 1) if len(number) < 6}
    return sorted({1024, *(port for port in named if 1024 <= port <= 65535)})


def memberships(text: str, packet: Packet) -> Iterator[dict]:
    """Every world: which of the things that rules ask about are in the set that nobody has read."""
    known: set = set()
    while True:  # another answer may lead to rules that ask for more
        worlds = [dict(zip(sorted(known, key=repr), answers, strict=True))
                  for answers in product((True, False), repeat=len(known))]
        asked: set = set()
        for world in worlds:
            Kernel(text, HOST._replace(members=world, asked=asked)).arrive(packet)
        if not asked:
            yield from worlds
            return
        known |= asked
        assume(2 ** len(known) <= _MOST_WORLDS)


@given(rulesets("mangle", "nat", "filter"), st.integers(0, 1 << 20))
def test_one_fact_has_one_answer(text: str, seed: int) -> None:
    engine = Engine(host(text))
    for packet in packets(seed, 4):
        outcomes = set()
        for sport in source_ports(text, packet)[:_MOST_WORLDS]:
            asked = packet._replace(sport=sport)
            for world in memberships(text, asked):
                outcomes |= Kernel(text, HOST._replace(members=world)).arrive(asked)
        trace = engine.trace(query(packet))
        with told_about(text, packet):
            if trace.disposition != "undecided" or not {"SNAT", "MASQUERADE"} & set(text.split()):
                assert one(trace) == told(outcomes)  # source NAT may give the client another port than it chose
            assert (trace.disposition == "undecided") == bool(trace.undecided_on)


@given(rulesets("mangle", "nat", "filter"), st.integers(0, 1 << 20))
def test_the_facts_that_are_named_decide(text: str, seed: int) -> None:
    text = text.replace("-m set --match-set unread src", "-m limit --limit 9/min")
    engine = Engine(host(text))
    for packet in packets(seed, 8):
        packet = packet._replace(sport=packet.sport or 40000)
        trace = engine.trace(query(packet))
        rules = [_RULE.search(fact.words) for fact in trace.facts]
        if trace.disposition != "undecided" or not trace.smallest or not all(rules):
            continue
        places = sorted({(found[1], found[2], int(found[3])) for found in rules if found})
        for answers in product((True, False), repeat=len(places)):
            kernel = Kernel(text, HOST, dict(zip(places, answers, strict=True)))
            with told_about(text, packet, f"{trace.undecided_on} as {answers}:"):
                assert len(kernel.arrive(packet)) == 1


def cases_of(engine: Engine, packet: Packet) -> tuple[list[Case], dict]:
    """What the runs of one packet come to, as `decided_by` sees it."""
    cases, words, number = [], {}, 0
    try:
        for assumed in runs(64, apart=False, changing=frozenset()):
            walk = engine._walk(query(packet), packet.src, assumed)
            words |= assumed.words
            number += 1
            cases += _cases(walk, assumed, words, number)
    except TooManyFacts:
        return [], {}
    return cases, words


@given(rulesets("mangle", "filter"), st.integers(0, 1 << 20))
def test_no_smaller_set_decides(text: str, seed: int) -> None:
    engine = Engine(host(text))
    for packet in packets(seed, 6):
        cases, words = cases_of(engine, packet)
        keys = list(words)
        if not keys or len(keys) > 6:
            continue
        values = {key: sorted({each for case in cases if key in case.facts for each in _atoms(case.facts[key])},
                              key=repr) for key in keys}
        worlds = list(product(*(values[key] for key in keys)))
        if len(worlds) > 300:
            continue
        ends = []
        for world in worlds:  # every complete world is in one case
            fitting = [case for case in cases if all(
                world[keys.index(key)] in _atoms(value) for key, value in case.facts.items())]
            assert len(fitting) == 1
            ends.append(fitting[0].end)
        smallest = next(size for size in range(len(keys) + 1) for chosen in combinations(range(len(keys)), size)
                        if _decides(chosen, worlds, ends))
        found = deciding(cases, keys)
        with told_about(text, packet, str(list(words.values()))):
            assert found is not None and len(found) == smallest
            assert _decides([keys.index(key) for key in found], worlds, ends)


def _atoms(values: object) -> list:
    """The values one by one; of ports, the ones where a range begins, since cases cut at the same places."""
    if isinstance(values, frozenset):
        return sorted(values)
    return [port for port in _BORDERS if port in values]  # type: ignore[operator]


_BORDERS = sorted({1024, 1025, 5433, 8081, 9001, 8080, 65535, 1000, 5432, 65534})


def _decides(chosen: object, worlds: list[tuple], ends: list[object]) -> bool:
    seen: dict[tuple, object] = {}
    return all(seen.setdefault(tuple(world[i] for i in chosen), end) == end  # type: ignore[attr-defined]
               for world, end in zip(worlds, ends, strict=True))


def test_an_assumption_is_an_answer_and_no_more() -> None:
    one_run = Assumed()
    assert one_run.holds("a", "a", same=True) and one_run.holds("a", "a", same=True)
    assert one_run.taken == [(0, 2)]
    assert one_run.holds("b", "b", same=False) and one_run.holds("b", "b", same=False)
    assert len(one_run.taken) == 3
