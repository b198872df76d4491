"""What scripts/bench measures for many hosts' rules: a process that reads rulesets and answers, and does nothing else.

usage: scripts/benchfleet.py COUNT FIRST      prints the seconds that it took, and how many answers it gave, as JSON

A ruleset is what a recorded ufw and Docker have in force (the demo's), with ten published containers of its own. Asked
is who reaches each of them from two interfaces, and each TCP and UDP port of the host from both.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PUBLISHED = re.compile(r"-A DOCKER .*-j (DNAT|ACCEPT)")
CONTAINERS, DOORS = 10, ("eth0", "eth1")


def main(count: int, first: int) -> None:
    """Print how long ``count`` rulesets take, all different."""
    from fwaudit.host.snapshot_file import read_snapshot

    recorded = read_snapshot(ROOT / "fwaudit/cli/demo.tar.gz").files["iptables/nft.v4"].decode()
    texts = [ruleset(recorded, number) for number in range(first, first + count)]
    gc.disable()
    evaluate(ruleset(recorded, first + count), first + count)
    start, answers = time.monotonic(), 0
    for number, text in enumerate(texts, first):
        answers += evaluate(text, number)
        if number % 3 == 0:
            gc.collect(0)  # as a worker of a fleet does
    print(json.dumps({"seconds": time.monotonic() - start, "answers": answers}))


def ruleset(recorded: str, number: int) -> str:
    """The recorded rules with other containers."""
    lines: list[str] = []
    done: set[str] = set()
    for line in recorded.splitlines():
        found = _PUBLISHED.search(line)
        if found is None:
            lines.append(line)
        elif found[1] not in done:
            done.add(found[1])
            for place in range(CONTAINERS):
                address = container(number, place)
                lines.append(f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {port(number, place)} -j DNAT "
                             f"--to-destination {address}:80" if found[1] == "DNAT" else
                             f"-A DOCKER -d {address}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT")
    return "\n".join([*lines, ""])


def container(number: int, place: int) -> str:
    return f"172.17.{number % 200}.{place + 2}"


def port(number: int, place: int) -> int:
    return 20_000 + (number * CONTAINERS + place) % 40_000


def evaluate(text: str, number: int) -> int:
    """Rules to answers; how many."""
    from benchverdicts import DEVICES, bench_host

    from fwaudit.model.verdict import Query
    from fwaudit.netfilter.iptables_save import parse
    from fwaudit.path.engine import Engine

    engine = Engine(bench_host(parse(text, family=4, backend="nft", source="bench").tables))
    asked = [Query(4, door, DEVICES["eth0"], 6, port(number, place)) for place in range(CONTAINERS) for door in DOORS]
    for query in asked:
        assert any(outcome.disposition == "delivered" for outcome in engine.reach(query).outcomes)
    own = [Query(4, door, DEVICES[door], proto, low, hook="input") for door in DOORS
           for low, _ in engine.port_ranges(4, "input", door) for proto in (6, 17)]
    for query in own:
        engine.reach(query)
    return len(asked) + len(own)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    main(int(sys.argv[1]), int(sys.argv[2]))
