"""What scripts/bench measures for rules in a kernel: one process from the saver's first byte to the last verdict.

usage: scripts/benchverdicts.py SAVER published|all      prints what it did as JSON

Every published port is asked about from three interfaces, for all sources; with ``all`` also every TCP and UDP port of
the host from four. The saver prints while it is read, and the process ends as fwaudit's own does.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.model.host import Host
    from fwaudit.model.ruleset import Table

FIRST_PORT = 10000
DEVICES = {"eth0": 0xCB00710A, "eth1": 0xC0A8320A, "wg0": 0x0A080001, "docker0": 0xAC110001}


def main(saver: str, ports: str) -> None:
    """Print how much work the verdicts were."""
    printing = subprocess.Popen([saver], stdout=subprocess.PIPE)
    import codecs
    import json
    import resource

    from fwaudit.model.verdict import Query
    from fwaudit.netfilter.iptables_save import parse
    from fwaudit.path.engine import Engine

    gc.disable()
    assert printing.stdout is not None
    source = printing.stdout.fileno()

    def pieces() -> Iterator[str]:
        decode = codecs.getincrementaldecoder("utf-8")().decode
        while data := os.read(source, 1 << 16):
            yield decode(data)

    tables = parse(pieces(), family=4, backend="nft", source="bench").tables
    assert printing.wait() == 0
    nat = next(table for table in tables if table.name == "nat")
    published = range(FIRST_PORT, FIRST_PORT + len(nat.chains["DOCKER"].rules))
    engine = Engine(bench_host(tables))
    asked = [Query(4, device, DEVICES["eth0"], 6, port) for port in published for device in ("eth0", "eth1", "wg0")]
    engine.reach(asked[0])
    start = time.process_time()
    for query in asked:
        assert any(outcome.disposition == "delivered" for outcome in engine.reach(query).outcomes)
    said = {"verdicts": len(asked), "micro": (time.process_time() - start) / len(asked) * 1e6,
            "evaluations": engine.evaluations}
    if ports == "all":
        start, ranges = time.process_time(), 0
        for device, address in DEVICES.items():
            for low, _ in engine.port_ranges(4, "input", device):
                for proto in (6, 17):
                    engine.reach(Query(4, device, address, proto, low, hook="input"))
                    ranges += 1
        said = {"all ports": time.process_time() - start, "ranges": ranges}
    print(json.dumps({**said, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
    os._exit(0)


def bench_host(tables: tuple[Table, ...]) -> Host:
    """A host with three wires and a bridge of containers."""
    from fwaudit.model.host import Address, Engine, Host, Interface, Route, UfwPolicy
    from fwaudit.model.ruleset import Ruleset

    routes = [Route(4, "main", 0, 0, devices=("eth0",)), Route(4, "main", 0xAC110000, 16, devices=("docker0",))]
    routes += [Route(4, "local", address, 32, "local", (name,)) for name, address in DEVICES.items()]
    interfaces = {name: Interface(name, i, addresses=(Address(4, address, 24),))
                  for i, (name, address) in enumerate(DEVICES.items(), 2)}
    return Host("bench", "", interfaces, {4: tuple(routes), 6: ()}, {4: None, 6: None},
                {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"}, (), Engine(unread="none"),
                UfwPolicy(), Ruleset(tables))


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - no imports
    main(*sys.argv[1:])
