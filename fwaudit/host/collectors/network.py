"""Links, addresses, routes and policy rules as iproute2 prints them, and what tc has attached."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from fwaudit.host.parallel import together
from fwaudit.host.run import GRACE, Answer, Collected, Machine, missing
from fwaudit.model.snapshot import Source

COMMANDS = {
    "net/link.json": ("ip", "-j", "-d", "link"),
    "net/addr.json": ("ip", "-j", "addr"),
    "net/route.v4.json": ("ip", "-j", "-4", "route", "show", "table", "all"),
    "net/route.v6.json": ("ip", "-j", "-6", "route", "show", "table", "all"),
    "net/rule.v4.json": ("ip", "-j", "-4", "rule"),
    "net/rule.v6.json": ("ip", "-j", "-6", "rule"),
}
TC_FILE = "net/tc.json"
_VERSION = "ip -V"
_AT_ONCE = 3


def collect(machine: Machine) -> Iterable[Collected]:
    """The six ``net/*`` files of ``ip`` and ``net/tc.json``. The commands run side by side: most of the time of each
    goes into its start."""
    tasks: dict[str, Callable[[], Any]] = {
        _VERSION: lambda: machine.version("ip", "-V"), TC_FILE: lambda: _attached(machine),
        **{name: partial(machine.run, argv) for name, argv in COMMANDS.items()}}
    found = together(tasks, machine.left() + GRACE, _AT_ONCE)
    version = found.get(_VERSION, "")
    for name, argv in COMMANDS.items():
        answer: Answer = found.get(name) or machine.late(Source(argv=argv))
        if answer.data is None and "v6" in name and not machine.path("/proc/net/if_inet6").exists():
            answer = Answer(b"[]\n", Source(argv=argv, stderr="the kernel has no IPv6"))
        yield answer.named(name, version)
    yield found.get(TC_FILE) or machine.late().named(TC_FILE)


def _attached(machine: Machine) -> Collected:
    """Where programs may be attached below netfilter: [{"dev": "eth0", "kind": "clsact"}, …].

    Only the two queues that tc filters for arriving packets hang from; XDP programs are in ``ip -d link``. What is
    attached by a BPF link (tcx, netkit) shows in neither.
    """
    answer = machine.run(["tc", "-j", "qdisc", "show"])
    if answer.data is None:
        return answer.named(TC_FILE)
    try:
        queues = [{"dev": queue["dev"], "kind": queue["kind"]} for queue in json.loads(answer.data.strip() or b"[]")
                  if queue.get("kind") in ("clsact", "ingress")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return missing("tc prints no JSON; iproute2 4.16 or newer is needed", answer.source).named(TC_FILE)
    return Answer(json.dumps(queues).encode() + b"\n", answer.source).named(TC_FILE)
