"""Engines that have chains in common with engines of other hosts say what engines of their own would say: who is
reached, and of one packet the very rules, with the texts, comments and counters of its own host."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

from grammar import DESTINATIONS, PORTS, SOURCES, number, rulesets
from hypothesis import given
from hypothesis import strategies as st
from test_engines import host
from test_memory import said

from fwaudit.model.host import Host
from fwaudit.model.ruleset import NamedSet, Ruleset
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.chain_store import ChainStore
from fwaudit.path.engine import Engine

EVERYBODY = ChainStore()
"""Of all hosts that are drawn in a run."""
SETS = (None, IntervalSet(()), IntervalSet.of(number("10.0.0.5")), IntervalSet((0, 1 << 31)))
OWN = (number("203.0.113.10"), number("203.0.113.11"))


def _counted(text: str, rng: random.Random) -> str:
    return re.sub("^-A", lambda _: f"[{rng.randrange(9)}:{rng.randrange(999)}] -A", text, flags=re.M)


def _commented(text: str, rng: random.Random) -> str:
    return re.sub(" -j (?=[^\"\n]*$)", lambda _: rng.choice((
        " -j ", f' -m comment --comment "c{rng.randrange(3)}" -j ')), text, flags=re.M)


def _without_a_rule(text: str, rng: random.Random) -> str:
    rules = re.findall(r"^-A.*\n", text, re.M)
    return text.replace(rng.choice(rules), "", 1) if rules else text


def _turned(text: str, rng: random.Random) -> str:
    """One accepting rule drops, or one that drops accepts."""
    old, new = rng.choice((("-j ACCEPT", "-j DROP"), ("-j DROP", "-j ACCEPT"), ("-j U1", "-g U1"), ("-g U1", "-j U1")))
    places = [found.start() for found in re.finditer(f"{old}$", text, re.M)]
    place = rng.choice(places) if places else None
    return text if place is None else text[:place] + new + text[place + len(old):]


def _chain_for_a_target(text: str, rng: random.Random) -> str:
    """Rules of the last table that logged jump to a chain of that name."""
    head, table, rules = text.partition("*filter\n")
    if ":LOG" in rules:
        return text
    return f"{head}{table}:LOG - [0:0]\n{rules.removesuffix('COMMIT' + chr(10))}-A LOG -s 10.0.0.0/8 -j DROP\nCOMMIT\n"


def _same(text: str, rng: random.Random) -> str:
    return text


Change = Callable[[str, random.Random], str]
CHANGES: tuple[Change, ...] = (_counted, _commented, _without_a_rule, _turned, _chain_for_a_target, _same)


def _host(text: str, own: int, held: IntervalSet | None) -> Host:
    """The grammar's host with another address, and with the named set of its rules, where that was read."""
    found = host(text)
    key = ("ipset", "unread")
    sets = {} if held is None else {key: NamedSet(key, ("addr",), {4: held}, family=4)}
    routes = tuple(replace(each, low=own) if each.low == OWN[0] and each.kind == "local" else each
                   for each in found.routes[4])
    interfaces = {name: replace(each, addresses=tuple(
        replace(address, value=own) if address.value == OWN[0] else address for address in each.addresses))
        for name, each in found.interfaces.items()}
    return replace(found, interfaces=interfaces, routes={4: routes, 6: ()}, ruleset=Ruleset(found.ruleset.tables, sets))


_hosts = st.tuples(rulesets("raw", "mangle", "nat", "filter"), st.lists(st.tuples(
    st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3), st.sampled_from(OWN), st.sampled_from(SETS)),
    min_size=2, max_size=4), st.integers(0, 1 << 16))


@given(_hosts, st.lists(st.tuples(
    st.sampled_from(("eth0", "eth1", "docker0")), st.sampled_from(DESTINATIONS), st.sampled_from(SOURCES),
    st.sampled_from(PORTS)), min_size=3, max_size=6))
def test_hosts_one_after_the_other(
        hosts: tuple[str, list[tuple[list[Change], int, IntervalSet | None]], int],
        asked: list[tuple[str, str, str, int]]) -> None:
    text, several, seed = hosts
    rng = random.Random(seed)
    store = ChainStore()
    for changes, own, held in several:
        changed = text
        for change in changes:
            changed = change(changed, rng)
        found = _host(changed, own, held)
        mine = Engine(found)
        for kept in (store, EVERYBODY):
            theirs = Engine(found, kept)
            for door, address, source, port in asked:
                query = Query(4, door, number(address), 6, port, ALL)
                assert said(theirs.reach(query)) == said(mine.reach(query))
                packet = replace(query, sources=IntervalSet.of(number(source)))
                assert theirs.trace(packet) == mine.trace(packet)
                assert theirs.trace(packet, apart=True) == mine.trace(packet, apart=True)
