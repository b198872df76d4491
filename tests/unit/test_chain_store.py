"""What engines of many hosts have in common (`fwaudit.path.chain_store`): what is the same everywhere is worked out
once, what a host says of itself is not told of another, and what is kept is bounded."""

import gc
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Barrier
from typing import Any

import captures
import fleets
import pytest
from test_path_counts import DEVICES, host, table, text

from fwaudit.audit import audit
from fwaudit.cli import fleet_work
from fwaudit.host.fleet.pool import Late
from fwaudit.host.snapshot_file import pack, unpack
from fwaudit.model.compliance import Policy
from fwaudit.model.host import Host
from fwaudit.model.ruleset import Chain, Goto, Jump, Rule, Ruleset, Table
from fwaudit.model.snapshot import Snapshot
from fwaudit.model.verdict import Query
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path import chain_store
from fwaudit.path.chain_store import ChainStore
from fwaudit.path.compiler import Compiler
from fwaudit.path.engine import Engine
from fwaudit.render import json

STRANGER = IntervalSet.of(0xC6336407)
UFW = [
    "-A INPUT -j before", "-A INPUT -j user", "-A INPUT -j after",
    "-A before -i lo -j ACCEPT", "-A before -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A before -p icmp -m icmp --icmp-type 8 -j ACCEPT", "-A before -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
    "-A before -m addrtype --dst-type LOCAL -j RETURN", "-A before -j DROP",
    "-A after -p udp -m udp --dport 137 -j skip", "-A after -p tcp -m tcp --dport 445 -j skip",
    "-A after -m limit --limit 3/min -j LOG", "-A skip -j DROP"]
CHAINS = ["before", "user", "after", "skip"]


def ufw_host(port: int, front: str = "", comment: str = "") -> Host:
    rules = [f"{front}{rule}" for rule in (*UFW, f"-A user -p tcp -m tcp --dport {port}{comment} -j ACCEPT")]
    return host(Ruleset(parse(table("filter", rules, CHAINS), family=4, backend="nft", source="test").tables))


def asked(some: Engine) -> list[Any]:
    return [some.reach(Query(4, device, DEVICES["eth0"], proto, port, ALL)) for device in ("eth0", "eth1")
            for proto in (6, 17) for port in (22, 137, 445, 8000)]


def test_all_recorded_hosts_one_after_the_other_have_the_reports_that_they_have_alone() -> None:
    store = ChainStore()
    for name in captures.names():
        taken = Snapshot(dict(captures.case(name).files))
        taken = unpack(pack(taken), name)
        assert json.render(audit(taken, store)) == json.render(audit(taken)), name


def test_a_second_host_with_the_same_ufw_is_evaluated_where_it_differs_alone() -> None:
    store = ChainStore()
    first = Engine(ufw_host(22), store)
    asked(first)
    chains = len(store._chains)
    second = Engine(ufw_host(8000), store)
    assert asked(second) == asked(Engine(ufw_host(8000)))
    own = {made.name for made in list(store._chains.values())[chains:]}
    assert own == {"user", "INPUT"}  # its own rule, and what stands above it
    assert 0 < second.evaluations <= first.evaluations / 2
    before = len(store)
    third = Engine(ufw_host(22, "[7:420] "), store)
    assert asked(third) == asked(first) and third.evaluations == 0
    assert len(store) == before


def test_a_trace_shows_the_counters_and_comments_of_its_own_host() -> None:
    store = ChainStore()
    query = Query(4, "eth0", DEVICES["eth0"], 6, 22, STRANGER)
    for front, comment in (("[1:60] ", ""), ("", ' -m comment --comment "of the second"'), ("[9:9] ", "")):
        found = ufw_host(22, front, comment)
        kept, alone = Engine(found, store).trace(query), Engine(found).trace(query)
        assert kept == alone
        step = [each for each in kept.path if each.chain == "user"][-1]
        assert step.text.endswith(f"--dport 22{comment} -j ACCEPT")
        assert step.counters == {"[1:60] ": (1, 60), "": None, "[9:9] ": (9, 9)}[front]
    assert [made.name for made in store._chains.values()].count("user") == 1


def test_the_address_of_another_host_is_not_local() -> None:
    store = ChainStore()
    query = Query(4, "eth0", DEVICES["eth0"], 6, 22, ALL, None, "input")
    elsewhere = ufw_host(22)
    elsewhere = replace(elsewhere, routes={4: tuple(
        replace(route, low=route.low + 1) if route.kind == "local" else route for route in elsewhere.routes[4]), 6: ()})
    for found in (ufw_host(22), elsewhere, ufw_host(22)):
        said = {each.disposition for each in Engine(found, store).reach(query).outcomes}
        assert said == ({"dropped"} if found is elsewhere else {"accepted"})


def test_the_same_words_may_be_a_target_here_and_a_chain_there() -> None:
    store = ChainStore()
    query = Query(4, "eth0", DEVICES["eth0"], 6, 22, ALL, None, "input")
    for chains, wanted in (([], "accepted"), (["LOG"], "dropped"), ([], "accepted")):
        rules = ["-A INPUT -j LOG", "-A INPUT -j ACCEPT", *(f"-A {name} -j DROP" for name in chains)]
        found = host(Ruleset(parse(table("filter", rules, chains), family=4, backend="nft", source="test").tables))
        outcome, = Engine(found, store).reach(query).outcomes
        assert outcome.disposition == wanted


def test_a_chain_below_that_ends_tracking_is_not_like_one_that_sets_a_mark() -> None:
    """Both change what later rules ask about, so that the rules above them are alike in all but that."""
    store = ChainStore()
    for target in ("MARK --set-xmark 0x1/0xffffffff", "CT --notrack", "MARK --set-xmark 0x1/0xffffffff"):
        rules = ["*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":below - [0:0]", "-A PREROUTING -j below",
                 "-A PREROUTING -m conntrack --ctstate UNTRACKED -j DROP", f"-A below -j {target}", "COMMIT", ""]
        found = host(Ruleset(parse("\n".join(rules), family=4, backend="nft", source="test").tables))
        query = Query(4, "eth0", DEVICES["eth0"], 6, 22, STRANGER)
        some = Engine(found, store)
        outcome, = some.reach(query).outcomes
        assert outcome.disposition == some.trace(query).disposition
        assert (outcome.disposition == "dropped") == (target == "CT --notrack")


@pytest.mark.parametrize("kind", [Jump, Goto])
def test_chains_in_a_circle_are_the_hosts_own(kind: type) -> None:
    """No kernel has them, but a file may."""
    chains = {name: Chain(name, (Rule((), kind(to), f"to {to}", 1),), "input" if name == "base" else None)
              for name, to in (("base", "a"), ("a", "b"), ("b", "a"))}
    store = ChainStore()
    some = Engine(host(Ruleset((Table("nft", "ip", "filter", chains),))), store)
    base, = some.tables.base_chains(4, "input", "")
    assert not some.tables.chain(base, 4).is_kept and not store._chains


def test_nothing_that_is_kept_refers_to_a_host() -> None:
    store = ChainStore()
    asked(Engine(ufw_host(22), store))
    seen: dict[int, object] = {}
    todo: list[object] = [store]
    while todo:
        each = todo.pop()
        if id(each) not in seen and not isinstance(each, type | types.ModuleType | types.FunctionType):
            seen[id(each)] = each
            todo += gc.get_referents(each)
    assert not [each for each in seen.values() if isinstance(each, Host | Ruleset | Table | Compiler | Engine)]


def test_a_block_list_and_a_large_host_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [f"-A INPUT -s {text(0x0B000000 + i)}/32 -j DROP" for i in range(1001)]
    listed = host(Ruleset(parse(table("filter", rules), family=4, backend="nft", source="test").tables))
    query = Query(4, "eth0", DEVICES["eth0"], 6, 22)
    store = ChainStore()
    assert Engine(listed, store).reach(query) == Engine(listed).reach(query)
    assert not any(made.name == "INPUT" for made in store._chains.values())
    monkeypatch.setattr(chain_store, "_MOST_OF_A_HOST", 10)
    before = len(store)
    asked(Engine(ufw_host(22), store))
    assert len(store) == before


def test_ids_of_what_is_gone_are_no_keys() -> None:
    """Hosts that come and go, one where the other was: what is kept under the identity of something has to keep it."""
    store = ChainStore()
    for port in (22, 8000, 22, 137, 445, 8000) * 5:
        found = ufw_host(port, comment=' -m string --string "a b" --algo bm' if port == 8000 else "")
        assert asked(Engine(found, store)) == asked(Engine(found))
        gc.collect()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ChainStore]]:
    """The stores of this process, which works for a fleet; each is full soon."""
    made: list[ChainStore] = []

    class Noted(ChainStore):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(fleet_work, "ChainStore", Noted)
    monkeypatch.setattr(chain_store, "MOST_KEPT", 2000)
    fleet_work._KEPT.renew()
    yield made
    monkeypatch.undo()
    fleet_work._KEPT.renew()


def test_the_store_of_a_fleets_worker_is_bounded(store: list[ChainStore], tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        paths.append(tmp_path / f"{number}.tar.gz")
        paths[-1].write_bytes(pack(fleets.renamed(f"host{number}", str(6000 + number))))
    task = fleet_work.Task(Policy(), date(2026, 11, 26), 600.0)
    rows = task(list(map(str, paths)))
    assert [row.host for row in rows] == [f"host{number}" for number in range(12)]
    alone = []
    for path in paths:
        fleet_work._KEPT.renew()
        alone += task([str(path)])
    assert rows == alone
    assert len(store) > 3 and all(len(each) < 4000 for each in store)


@pytest.mark.parametrize("error", [Late(), MemoryError(), KeyError("x")])
def test_after_an_error_in_the_middle_of_an_audit_a_worker_begins_anew(
        store: list[ChainStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def stopped(snapshot: Snapshot, kept: ChainStore) -> None:
        raise error

    path = tmp_path / "host.tar.gz"
    path.write_bytes(pack(fleets.renamed("host")))
    task = fleet_work.Task(Policy(), date(2026, 11, 26), 600.0)
    row, = task([str(tmp_path / "missing.tar.gz")])
    assert row.error and len(store) == 1  # nothing was begun
    monkeypatch.setattr(fleet_work, "audit", stopped)
    row, = task([str(path)])
    assert row.error and len(store) == 2


def test_threads_of_a_dask_worker_have_a_store_each(store: list[ChainStore], tmp_path: Path) -> None:
    paths = []
    for number in range(8):
        paths.append(str(tmp_path / f"{number}.tar.gz"))
        Path(paths[-1]).write_bytes(pack(fleets.renamed(f"host{number}", str(6000 + number))))
    task = fleet_work.Task(Policy(), date(2026, 11, 26), 600.0)
    alone = [task([path]) for path in paths]
    began, kept = Barrier(2), []

    def work(some: list[str]) -> list[Any]:
        began.wait()
        kept.append(fleet_work._KEPT.store)
        return [task([path]) for path in some]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, (paths[:4], paths[4:]))
    assert first + second == alone
    assert kept[0] is not kept[1] and fleet_work._KEPT.store not in kept
