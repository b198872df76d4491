"""What running containers do and hold, read from the host's /proc and from their writable layers. Nothing is written,
and nothing is run inside of them."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fwaudit.model.host import Container
from fwaudit.model.triage import Connection, ContainerFacts, LayerFile, Process
from fwaudit.triage.signs import CRONS, MINERS, SCRATCH

MAX_FILES = 200_000
_MAX_KEPT = 200
_MAX_PROCESSES = 4096
_ESTABLISHED = "01"
_TICKS = os.sysconf("SC_CLK_TCK")
_INTERESTING = re.compile("|".join(map(re.escape, MINERS)), re.IGNORECASE)
Tell = Callable[[str], None]


def facts(containers: Iterable[Container], seconds: float, tell: Tell = lambda text: None,
          proc: Path = Path("/proc")) -> list[ContainerFacts]:
    """Facts about each container, watched for so many seconds."""
    running = [each for each in containers if each.running and each.pid]
    inside = _processes_by_container(running, proc)
    before = {pid: _ticks(proc, pid) for pids in inside.values() for pid in pids}
    started = time.monotonic()
    tell(f"watching {len(running)} containers for {seconds:g} seconds")
    layers = {each.id: _layer(proc, each.pid) for each in running}
    files: dict[str, tuple[tuple[LayerFile, ...], str]] = {}
    for each in running:
        tell(f"looking through the writable layer of {each.name}")
        files[each.id] = _files(layers[each.id])
    time.sleep(max(0.0, seconds - (time.monotonic() - started)))
    passed = time.monotonic() - started
    return [_one(each, inside[each.id], before, passed, layers[each.id], files[each.id], proc) for each in running]


def _one(container: Container, pids: list[int], before: dict[int, int], passed: float, layer: str,
         files: tuple[tuple[LayerFile, ...], str], proc: Path) -> ContainerFacts:
    blind = [files[1]] if files[1] else []
    processes = []
    for pid in pids:
        found = _process(proc, pid, layer, before.get(pid, 0), passed)
        if found is not None:
            processes.append(found)
    if not layer:
        blind.append("its writable layer: not an overlay, or not this host's")
    connections, why = _connections(proc, container.pid)
    if why:
        blind.append(why)
    return ContainerFacts(
        container.name, container.id, sum(process.cpu for process in processes), tuple(processes), files[0],
        connections, tuple(endpoint.network for endpoint in container.endpoints), layer, tuple(blind))


# ---- processes ------------------------------------------------------------------------------------------------------


def _processes_by_container(containers: list[Container], proc: Path) -> dict[str, list[int]]:
    """The processes that see the same files as a container's first one: they are in its mount namespace."""
    by_namespace: dict[str, str] = {}
    for each in containers:
        namespace = _link(proc / str(each.pid) / "ns/mnt")
        if namespace:
            by_namespace[namespace] = each.id
    found: dict[str, list[int]] = {each.id: [] for each in containers}
    for entry in sorted(int(path.name) for path in proc.iterdir() if path.name.isdigit()):
        owner = by_namespace.get(_link(proc / str(entry) / "ns/mnt"))
        if owner is not None and len(found[owner]) < _MAX_PROCESSES:
            found[owner].append(entry)
    return found


def _process(proc: Path, pid: int, layer: str, ticks: int, passed: float) -> Process | None:
    folder = proc / str(pid)
    try:
        name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None  # it has ended
    target = _link(folder / "exe")
    deleted = target.endswith(" (deleted)")
    exe = target.removesuffix(" (deleted)")
    cpu = max(0, _ticks(proc, pid) - ticks) / _TICKS / passed * 100 if passed else 0.0
    return Process(pid, name, exe, deleted, bool(layer) and not deleted and _is_file(layer + exe), round(cpu, 1))


def _ticks(proc: Path, pid: int) -> int:
    """Processor time used so far, in clock ticks; the fields behind the name, which may hold anything."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return 0


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


# ---- the writable layer ---------------------------------------------------------------------------------------------


def _layer(proc: Path, pid: int) -> str:
    """The folder that holds what a container has written: its root's upperdir. Empty where its root is no overlay."""
    try:
        text = (proc / str(pid) / "mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[4:5] == ["/"] and rest.startswith("overlay "):
            found = re.search(r"(?:^|,)upperdir=([^,]+)", rest.split()[-1])
            path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), found[1]) if found else ""
            return path if path.startswith("/") and Path(path).is_dir() else ""
    return ""


def _files(layer: str) -> tuple[tuple[LayerFile, ...], str]:
    """Files that are worth a look, and why not all were seen. Links are not followed: the layer is hostile."""
    if not layer:
        return (), ""
    kept: list[LayerFile] = []
    for seen, (path, info) in enumerate(_walk(layer)):
        if seen >= MAX_FILES:
            return tuple(kept), f"its writable layer has more than {MAX_FILES:,} files; the rest was not looked at"
        inner = path[len(layer):]
        executable = bool(info.st_mode & 0o111)
        if len(kept) < _MAX_KEPT and (_INTERESTING.search(inner) or inner.startswith(CRONS)
                                      or (executable and inner.startswith(SCRATCH))):
            kept.append(LayerFile(inner, info.st_size, info.st_mtime, executable))
    return tuple(kept), ""


def _walk(top: str) -> Iterator[tuple[str, os.stat_result]]:
    folders = [top]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        info = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(info.st_mode):
                            yield entry.path, info
        except OSError:
            continue


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


# ---- connections ----------------------------------------------------------------------------------------------------


def _connections(proc: Path, pid: int) -> tuple[tuple[Connection, ...], str]:
    found: list[Connection] = []
    for name, family in (("tcp", 4), ("tcp6", 6)):
        try:
            text = (proc / str(pid) / "net" / name).read_text(encoding="ascii", errors="replace")
        except OSError as error:
            if family == 4:
                return (), f"its connections: {error.strerror}"
            continue
        for line in text.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _ESTABLISHED and len(found) < _MAX_PROCESSES:
                ours, theirs = fields[1].rpartition(":")[2], fields[2]
                found.append(_connection(family, theirs, int(ours, 16)))
    return tuple(found), ""


def _connection(family: int, text: str, ours: int) -> Connection:
    """``/proc/net/tcp`` prints each word of an address in the machine's own byte order (net/ipv4/tcp_ipv4.c)."""
    address, _, port = text.rpartition(":")
    words = [bytes.fromhex(address[place:place + 8])[::-1] for place in range(0, len(address), 8)]
    value = int.from_bytes(b"".join(words), "big")
    if family == 6 and value >> 32 == 0xFFFF:
        family, value = 4, value & 0xFFFFFFFF
    return Connection(family, value, int(port, 16), ours)


