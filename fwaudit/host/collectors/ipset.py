"""Named sets of ipset: what ``ipset save`` prints."""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.host.collectors.iptables import nothing
from fwaudit.host.kernel import is_present
from fwaudit.host.run import Collected, Machine

FILE = "ipset/save"


def collect(machine: Machine) -> Iterable[Collected]:
    """``ipset/save``; not asked where the kernel has no ip_set, because asking would load it."""
    if not is_present(machine, "ip_set"):
        yield nothing(FILE, "not asked: ip_set is not in the kernel, so there are no sets")
        return
    answer = machine.run(["ipset", "save"])
    yield answer.named(FILE, machine.version("ipset", "version") if answer.data is not None else "")
