"""What listens on the host itself, and who."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fwaudit.host.collectors import processes
from fwaudit.host.procnet import LIMIT, TABLES, Listening, listening, only_listening
from fwaudit.host.run import Answer, Collected, Machine
from fwaudit.model.snapshot import Source

OWNERS = "sockets/owners.json"


def collect(machine: Machine) -> Iterable[Collected]:
    """``sockets/{tcp,tcp6,udp,udp6}``, only the lines of sockets that take new packets, and ``sockets/owners.json``."""
    found: list[Listening] = []
    for table in TABLES:
        answer = machine.read(f"/proc/net/{table}", LIMIT)
        if answer.data is not None:
            found += listening(table, answer.data)
            answer = Answer(only_listening(table, answer.data), answer.source)
        yield answer.named(f"sockets/{table}")
    yield owners(machine, found)


def owners(machine: Machine, sockets: list[Listening]) -> Collected:
    """The owners of listening sockets, as in the snapshot's description, with ``v6only`` for an IPv6 socket and the
    device, where it is bound to one, after a ``%`` in ``local`` (as ``ss`` prints it)."""
    found = processes.find(machine, {each.inode for each in sockets})
    entries = [_entry(machine, each, found.holders[each.inode]) for each in sockets if each.inode in found.holders]
    doubt = ""
    if found.hidden and len(entries) < len(sockets):
        doubt = f"{found.hidden} processes of other users could not be looked into; run as root"
    return Collected(OWNERS, json.dumps(entries, indent=1).encode() + b"\n", Source(doubt=doubt))


def _entry(machine: Machine, each: Listening, holders: list[processes.Holder]) -> dict[str, Any]:
    said = processes.options(holders[0])
    local, device = each.local, said.pop("device", "")
    if device:
        address, _, port = local.rpartition(":")
        local = f"{address}%{device}:{port}"
    return {"proto": each.proto, "local": local, **processes.owner(machine, holders), **said}
