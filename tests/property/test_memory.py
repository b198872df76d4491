"""What an engine remembers of one question is never an answer to another: an engine that is asked for the first time
says the same as one that was asked much before."""

from dataclasses import replace

import captures
from grammar import DESTINATIONS, PORTS, SOURCES, number, rulesets
from hypothesis import given
from hypothesis import strategies as st
from test_engines import host

from fwaudit.exposure.outside import host_addresses, outside_interfaces
from fwaudit.exposure.services import offers
from fwaudit.model.host import Host
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query, Reach
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

Said = dict[tuple[str, object], tuple[IntervalSet, IntervalSet]]


def said(reach: Reach) -> Said:
    return {(each.disposition, each.to): (each.certainly, each.possibly) for each in reach.outcomes}


@given(rulesets("raw", "mangle", "nat", "filter"), st.lists(st.tuples(
    st.sampled_from(("eth0", "eth1", "docker0")), st.sampled_from(DESTINATIONS), st.sampled_from(PORTS)), min_size=4,
    max_size=12), st.sampled_from("012"))
def test_a_random_host(text: str, asked: list[tuple[str, str, int]], rp_filter: str) -> None:
    found = host(text)
    found = replace(found, sysctl={**found.sysctl, "net.ipv4.conf.all.rp_filter": rp_filter})
    asked_before = Engine(found)
    few = IntervalSet.of(*map(number, SOURCES))
    for door, address, port in asked:
        for sources in (few, ALL):
            query = Query(4, door, number(address), 6, port, sources)
            assert said(asked_before.reach(query)) == said(Engine(found).reach(query))


def queries(found: Host, engine: Engine) -> list[Query]:
    outside = outside_interfaces(found)
    addresses = {family: host_addresses(outside, family) for family in (4, 6)}
    return [Query(offer.family, each.name, target, offer.service.proto, offer.service.port)
            for offer in offers(found, engine.services, addresses) for target in offer.targets for each in outside]


def test_recorded_hosts() -> None:
    for name in captures.GOLDEN:
        found = parse_host(Snapshot(dict(captures.case(name).files)))
        engine = Engine(found)
        for query in queries(found, engine):
            assert said(engine.reach(query)) == said(Engine(found).reach(query)), (name, query)
