"""What listens inside the containers: their network namespaces, seen through ``/proc/PID/net``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from fwaudit.host.collectors import processes
from fwaudit.host.procnet import LIMIT, TABLES, Listening, listening
from fwaudit.host.run import RUN_AS_ROOT, Machine


def inside(machine: Machine, containers: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """``{"web": [{"proto": "tcp", "address": "::", "port": 80, "v6only": false}, …]}``, and a doubt or empty.

    Absent: a container that does not run, that shares the host's network (its sockets are the host's), or that cannot
    be seen from here (no root, an engine in a virtual machine).
    """
    own = _namespace(machine, "self")
    found: dict[str, list[Listening]] = {}
    hidden = 0
    for container in containers:
        name, pid = str(container.get("Name", "")).lstrip("/"), _pid(container)
        if not name or not pid:
            continue
        namespace = _namespace(machine, str(pid))
        if not namespace or not own:
            hidden += 1
        elif namespace != own:
            sockets = _sockets(machine, pid)
            if sockets is None or _namespace(machine, str(pid)) != namespace:  # it ended meanwhile
                hidden += 1
            else:
                found[name] = sockets
    only = _v6only(machine, found)
    shown = {name: [_entry(each, only) for each in dict.fromkeys(sockets)] for name, sockets in found.items()}
    return shown, f"what listens inside {hidden} containers could not be seen; {RUN_AS_ROOT}" if hidden else ""


def _pid(container: Mapping[str, Any]) -> int:
    state = container.get("State")
    pid = state.get("Pid") if isinstance(state, dict) and state.get("Running") else 0
    return pid if isinstance(pid, int) and pid > 0 else 0


def _namespace(machine: Machine, pid: str) -> str:
    try:
        return os.readlink(machine.path(f"/proc/{pid}/ns/net"))  # noqa: PTH115 (no path: net:[4026531840])
    except OSError:
        return ""


def _sockets(machine: Machine, pid: int) -> list[Listening] | None:
    found: list[Listening] = []
    for table in TABLES:
        answer = machine.read(f"/proc/{pid}/net/{table}", LIMIT)
        if answer.data is not None:
            found += listening(table, answer.data)
        elif not answer.source.missing.startswith("no such file") or table == "tcp":
            return None
    return found


def _v6only(machine: Machine, found: Mapping[str, list[Listening]]) -> dict[int, bool]:
    """By inode, whether an IPv6 wildcard socket refuses IPv4; only for those where no IPv4 twin gives the answer."""
    wanted = set()
    for sockets in found.values():
        twins = {(each.proto, each.port) for each in sockets if each.address == "0.0.0.0"}  # noqa: S104 (what they bind)
        wanted |= {each.inode for each in sockets
                   if each.address == "::" and each.inode and (each.proto, each.port) not in twins}
    said = {inode: processes.options(holders[0]) for inode, holders in processes.find(machine, wanted).holders.items()}
    return {inode: options["v6only"] for inode, options in said.items() if "v6only" in options}


def _entry(each: Listening, only: Mapping[int, bool]) -> dict[str, Any]:
    entry: dict[str, Any] = {"proto": each.proto, "address": each.address, "port": each.port}
    if each.inode in only:
        entry["v6only"] = only[each.inode]
    return entry
