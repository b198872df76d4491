"""Which facts about a container are signs of a miner or an intruder.

Names, folders and ports are those that reports on attacks against exposed containers give: Kinsing (Aqua 2020, Trend
Micro 2020), TeamTNT (Cado 2020, Trend Micro 2021), and the pools' own documents for their ports. A name proves little
by itself, since attackers choose it; what no image does by itself (a program that runs from /tmp, or whose file is
gone) weighs more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from fwaudit.model.triage import ContainerFacts, LayerFile, Looked, Process, Sign
from fwaudit.packet.address import format_address

MINERS = ("kinsing", "kdevtmpfsi", "kthreaddi", "xmrig", "xmr-stak", "minerd", "cpuminer", "ccminer", "cgminer",
          "bfgminer", "ethminer", "nbminer", "t-rex", "lolminer", "phoenixminer", "watchbog", "sysrv", "dbused",
          "kworkerds", "networkservice", "sysupdate", "xmrigdaemon", "tntscan", "zzh", "pnscan", "masscan")
"""Names of miners, and of what is left behind to spread them."""
POOL_PORTS = frozenset({3333, 3334, 3335, 4444, 5555, 5556, 7777, 8333, 9999, 10128, 13333, 14433, 14444, 20580, 45560,
                        45700})
"""Ports that mining pools listen on (stratum)."""
SCRATCH = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/mnt/.", "/root/.cache/")  # noqa: S108
CRONS = ("/etc/crontab", "/etc/cron.d/", "/etc/cron.hourly/", "/etc/cron.daily/", "/var/spool/cron/", "/etc/anacrontab")
BUSY = 80.0
"""Per cent of one processor, for as long as it was watched."""

_NAME = re.compile(r"(?:^|[/._-])(" + "|".join(map(re.escape, MINERS)) + r")(?:$|[0-9._-])", re.IGNORECASE)
_MAX_SAME = 5


def look(facts: ContainerFacts) -> Looked:
    """The container with its signs, the strong ones first."""
    signs = sorted(_signs(facts), key=lambda sign: not sign.strong)
    level: Literal["none", "weak", "strong"] = "none"
    if any(sign.strong for sign in signs):
        level = "strong"
    elif signs:
        level = "weak"
    return Looked(facts, tuple(signs), level)


def _signs(facts: ContainerFacts) -> Iterator[Sign]:
    for process in facts.processes:
        yield from _of_process(process)
    if facts.cpu >= BUSY:
        busiest = max(facts.processes, key=lambda process: process.cpu, default=None)
        yield Sign("busy", False, f"{facts.cpu:.0f}% of a processor all the time",
                   f"most by {busiest.name} (pid {busiest.pid})" if busiest else "", "T1496")
    yield from _first(_of_files(facts.files))
    for each in facts.connections:
        if each.port in POOL_PORTS and each.ours not in POOL_PORTS:
            yield Sign("pool-connection", False, f"a connection to port {each.port}, where mining pools listen",
                       f"{format_address(each.family, each.address)} port {each.port}", "T1496")


def _of_process(process: Process) -> Iterator[Sign]:
    where = f"pid {process.pid}, {process.exe or process.name}"
    if _NAME.search(process.exe) or _NAME.search(process.name):
        yield Sign("miner-process", True, f"a process by a miner's name: {process.name}", where, "T1496")
    if process.exe.startswith(SCRATCH) or process.exe.startswith("/memfd:"):
        yield Sign("scratch-process", True, f"{process.name} runs from a folder for temporary files", where, "T1059")
    elif process.deleted:
        yield Sign("deleted-process", True, f"{process.name} runs, and its file is gone", where, "T1070.004")
    elif process.layer:
        yield Sign("foreign-process", False, f"{process.name} is no program of the image", where, "T1105")


def _of_files(files: tuple[LayerFile, ...]) -> Iterator[Sign]:
    for file in files:
        evidence = f"{file.path}, {file.size:,} bytes"
        if _NAME.search(file.path):
            yield Sign("miner-file", True, "a file by a miner's name", evidence, "T1496")
        elif file.path.startswith(CRONS):
            yield Sign("cron-entry", False, "a cron entry that the image does not have", evidence, "T1053.003")
        elif file.executable and file.path.startswith(SCRATCH):
            yield Sign("scratch-file", False, "a program in a folder for temporary files", evidence, "T1105")


def _first(signs: Iterator[Sign]) -> Iterator[Sign]:
    """A few of each kind: a thousand files say no more."""
    counts: dict[str, int] = {}
    for sign in signs:
        counts[sign.kind] = counts.get(sign.kind, 0) + 1
        if counts[sign.kind] <= _MAX_SAME:
            yield sign
