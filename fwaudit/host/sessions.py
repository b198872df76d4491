"""Connections that were let in before a fix: connection tracking knows them, and lets them go on."""

from __future__ import annotations

import shutil

from fwaudit.errors import FixError
from fwaudit.host.run import PATH
from fwaudit.host.write import feed
from fwaudit.model.plan import Proof
from fwaudit.packet.fields import PROTOCOL_NAMES


def commands(proof: Proof) -> list[tuple[str, ...]]:
    """One ``conntrack -D`` for each published port that a fix closed. Of a port that some sources may still use it
    ends their connections as well; they come back by themselves. ``--dst-nat``: only what was translated, so that
    what this host and its containers have open to such a port elsewhere goes on."""
    found: dict[tuple[str, ...], None] = {}
    for change in proof.closes:
        service = change.before.service
        if service.kind == "published":
            found["conntrack", "-D", "-f", f"ipv{change.before.family}", "-p",
                  PROTOCOL_NAMES.get(service.proto, str(service.proto)), "--orig-port-dst", str(service.port),
                  "--dst-nat"] = None
    return list(found)


def cut_all(argvs: list[tuple[str, ...]]) -> list[str]:
    """End them; a line on each. ``conntrack`` exits with 1 where there was no such connection."""
    if shutil.which("conntrack", path=PATH) is None:
        return ["conntrack is not installed: connections that are open already go on (apt install conntrack)"]
    said = []
    for argv in argvs:
        try:
            feed(argv)
            said.append(f"ended: {' '.join(argv)}")
        except FixError:
            said.append(f"nothing to end: {' '.join(argv)}")
    return said
