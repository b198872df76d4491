"""``trace --batch`` looks answers up that it has walked for: they are the same as without, and few walks are enough."""

import json
import random
from dataclasses import fields, replace
from pathlib import Path

import pytest

import fwaudit
from fwaudit.cli.batch import answers, query_of
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.host import Host
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.verdict import Query
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.address import format_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.path.alike import Alike
from fwaudit.path.engine import Engine
from fwaudit.render.trace import trace_json

Question = dict[str, object]


@pytest.fixture(scope="module")
def host() -> Host:
    return parse_host(read_snapshot(Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"))


def questions(host: Host, count: int, seed: int) -> list[Question]:
    """Packets at and beside the borders of classes, and anywhere."""
    rng, engine = random.Random(seed), Engine(host)
    alike = {family: Alike(host, engine.tables, family) for family in (4, 6)}
    own = {family: [a.value for i in host.interfaces.values() for a in i.addresses if a.family == family]
           + [address for container in host.engine.containers for e in container.endpoints
              for address in ((e.address,) if family == 4 else (e.address6,)) if address is not None]
           for family in (4, 6)}
    out: list[Question] = []
    for number in range(count):
        family = 4 if rng.random() < 0.8 else 6
        top = (1 << (32 if family == 4 else 128)) - 1
        source = rng.choice((rng.getrandbits(32), rng.choice(alike[family]._addresses) + rng.choice((-1, 0, 1))))
        port = rng.choice((rng.getrandbits(16), rng.choice(alike[family]._ports) + rng.choice((-1, 0, 1))))
        question: Question = {
            "id": number, "in": rng.choice((*host.interfaces, None)),
            "dst": format_address(family, rng.choice(own[family])),
            "src": format_address(family, min(max(source, 0), top)), "dport": min(max(port, 0), 65535),
            "proto": rng.choice(("tcp", "udp", "sctp"))}
        if rng.random() < 0.3:
            question["sport"] = rng.choice((53, 1023, 1024, 40000))
        if rng.random() < 0.1:
            question["hook"] = rng.choice(("input", "forward"))
        out.append(question)
    return out


def test_an_answer_that_was_looked_up_is_the_one_that_a_walk_gives(host: Host) -> None:
    asked = questions(host, 1500, 1)
    engine, other = Engine(host), Engine(host)
    given = [answer for answer, _ in answers(engine, map(json.dumps, asked))]
    for question, answer in zip(asked, given, strict=True):
        wanted = {"id": question["id"], **trace_json(other.trace(query_of(dict(question))))}
        assert answer == json.dumps(wanted, separators=(",", ":")), question


def test_each_rule_of_a_long_list_is_named_by_its_own_number(host: Host) -> None:
    rules = "".join(f"-A INPUT -s 198.51.{n}.0/24 -j DROP\n" for n in range(20))
    dump = f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    banning = Ruleset(parse(dump, family=4, backend="nft", source="x").tables)
    lines = [json.dumps({"in": "eth0", "src": f"198.51.{n}.7", "dst": "203.0.113.10", "dport": 22, "proto": "tcp",
                         "hook": "input"}) for n in range(20)]
    given = [json.loads(answer) for answer, _ in answers(Engine(replace(host, ruleset=banning)), lines)]
    assert [answer["path"][-1]["rule"] for answer in given] == list(range(1, 21))


def test_all_ports_and_many_sources_are_few_walks(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    trace = Engine.trace
    monkeypatch.setattr(Engine, "trace", lambda self, query: walked.append(query) or trace(self, query))
    rng = random.Random(2)
    lines = [json.dumps({"id": i, "in": "eth0", "src": format_address(4, rng.getrandbits(32)), "dst": "203.0.113.10",
                         "dport": i % 65536, "proto": "tcp"}) for i in range(0, 65536, 4)]
    assert all(good for _, good in answers(Engine(host), lines))
    assert len(walked) < 500


def test_every_part_of_a_question_is_in_the_key(host: Host) -> None:
    """A new field of Query that `Alike.key` does not look at would give answers to other questions."""
    question = Query(4, "eth0", 1, 6, 80, IntervalSet.of(9), 1024)
    others = {"iif": "eth1", "dst": 2, "proto": 17, "dport": 5432, "sport": 22, "hook": "input", "oif": "eth1",
              "answer": True}
    assert set(others) == {each.name for each in fields(Query)} - {"family", "sources"}
    alike = Alike(host, Engine(host).tables, 4)
    known = {alike.key(question, 9)} | {alike.key(replace(question, **{name: value}), 9)  # type: ignore[arg-type]
                                        for name, value in others.items()}
    assert len(known) == len(others) + (alike.port(22) != alike.port(1024))
