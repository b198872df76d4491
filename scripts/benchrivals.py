"""What scripts/bench measures of other programs that read or ask the same firewall: python-iptables and nmap.

usage: scripts/benchrivals.py read SIZE TIMES | unread SIZE | scan TIMES SECONDS   in a network namespace of its own

``read``: rules in a kernel's legacy tables, read by python-iptables, and read and answered by fwaudit. ``unread``: what
python-iptables reads of rules that iptables-nft has loaded, and what it leaves behind. ``scan``: a host that drops,
asked by ``fwaudit report``, and scanned over TCP and UDP, IPv4 and IPv6, at the same time and by a neighbour each; all
have to name the same open ports. A scan that takes more SECONDS is given up, and how far it got is told. Each prints
what it found as JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchtime import FWAUDIT, ROOT, VERDICTS, interleaved, run

DUMP = """\
import json, iptc
if sys.argv[1] == "all":
    print(json.dumps({name: sum(map(len, chains.values())) for name, chains in iptc.easy.dump_all(ipv6=False).items()}))
else:
    print(json.dumps({name: sum(map(len, iptc.easy.dump_table(name, ipv6=False).values())) for name in sys.argv[1:]}))
"""
"""Prints how many rules of each table it has read."""
OPEN, SHUT = {"tcp": 22, "udp": 5300}, 8080
HOST = {4: "203.0.113.10", 6: "2001:db8:113::10"}
SCANS = {("tcp", 4): ("-sS",), ("udp", 4): ("-sU",), ("tcp", 6): ("-6", "-sS"), ("udp", 6): ("-6", "-sU")}
"""By protocol and family: what nmap is told to cover it. They wait for answers that do not come, so one takes as long
beside the others as alone (TCP over IPv4: 87.6 s beside three others, 87.6 s alone)."""
NMAP = ("nmap", "-n", "-Pn", "-T4", "-p-", "--stats-every", "5s")
RULES = f"""\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport {OPEN["tcp"]} -j ACCEPT
-A INPUT -p udp -m udp --dport {OPEN["udp"]} -j ACCEPT
COMMIT
"""
FOUND_BY_NEIGHBOURS = "-A INPUT -p ipv6-icmp -j ACCEPT\n"
"""What IPv6 needs for what ARP does in IPv4."""


def without(program: str) -> str:
    """Why a rival cannot be measured here, in a sentence; empty where it can."""
    if program == "nmap":
        return "" if shutil.which("nmap") else "nmap is not installed here: not measured."
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", "import iptc"], capture_output=True, text=True)
    if not done.returncode:
        return ""
    why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"python-iptables cannot be loaded here (`{why}`): not measured. " \
        "`pip install '.[legacy]'` builds it, with a compiler."


def dump(*tables: str, stdout: int = subprocess.DEVNULL) -> bytes:
    """python-iptables in a process of its own, which reads these tables."""
    return run([sys.executable, "-c", f"import sys\n{DUMP}", *tables], stdout)


def read(size: str, times: str) -> None:
    from benchgen import make

    made = make("mixed", int(size))
    subprocess.run(["iptables-legacy-restore"], input=made.text, text=True, check=True)
    found = json.loads(dump("raw", "nat", "filter", stdout=subprocess.PIPE))
    assert sum(found.values()) == made.rules, f"python-iptables has read {found} of {made.rules} rules"
    saver = "iptables-legacy-save"
    taken = interleaved({"saver": lambda: run([saver]), "dumped": lambda: dump("raw", "nat", "filter"),
                         "fwaudit": lambda: run([*VERDICTS, saver, "published"])}, int(times))
    print(json.dumps({**taken, "rules": [made.rules]}))


def unread(size: str) -> None:
    from benchgen import make

    made = make("mixed", int(size))
    subprocess.run(["iptables-nft-restore"], input=made.text, text=True, check=True)
    before = legacy_tables()
    found = json.loads(dump("all", stdout=subprocess.PIPE))
    print(json.dumps({"rules": [made.rules], "read": [sum(found.values())],
                      "left": [len(legacy_tables() - before)]}))


def legacy_tables() -> set[str]:
    """The legacy tables that this namespace has."""
    path = Path("/proc/net/ip_tables_names")
    return set(path.read_text().split()) if path.exists() else set()


def scan(times: str, seconds: str) -> None:
    with dropping_host(len(SCANS)) as neighbours:
        asked = [*FWAUDIT, "report", "--format", "json"]
        told = run(asked, subprocess.PIPE, (0, 3))  # 3 with a report: an engine of this machine that is not running
        verdicts = {(each["protocol"], each["family"], each["host_port"]): each["verdict"]
                    for each in json.loads(told)["exposures"] if each["host_port"] in (*OPEN.values(), SHUT)}
        assert verdicts == {(of, family, port): said for of, family in SCANS for port, said in (
            (OPEN[of], "as-intended"), (SHUT, "blocked"))}, verdicts
        taken = interleaved({"report": lambda: run(asked, codes=(0, 3))}, int(times))
        print(json.dumps(taken | side_by_side(neighbours, float(seconds))))


def side_by_side(neighbours: Sequence[int], longest: float) -> dict[str, list[float]]:
    """Of each of the SCANS, from a neighbour each, by its name (``tcp4``): its seconds, and how much of it was done by
    then, in per cent."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        told = {scan: Path(folder) / f"{scan[0]}{scan[1]}" for scan in SCANS}
        running = {}
        taken: dict[str, list[float]] = {}
        try:
            for neighbour, (scan, how) in zip(neighbours, SCANS.items(), strict=True):
                argv = ["nsenter", "-t", str(neighbour), "-n", *NMAP, *how, HOST[scan[1]]]
                with told[scan].open("w") as out:
                    running[scan] = subprocess.Popen(argv, stdout=out)
            while running:
                time.sleep(0.02)
                passed = time.monotonic() - start
                for scan, scanner in [*running.items()]:
                    if scanner.poll() is None and passed < longest:
                        continue
                    taken[told[scan].name] = [passed, _done(scan[0], told[scan].read_text(), scanner.poll())]
                    _end(running.pop(scan))
        finally:
            for scanner in running.values():
                _end(scanner)
    return taken


def _done(protocol: str, told: str, status: int | None) -> float:
    """Per cent of a scan, by its own words; the whole is only one that has found the one open port."""
    if status is None:
        return max([0.0, *map(float, re.findall(r"About ([\d.]+)% done", told))])
    found = re.findall(rf"^(\d+)/{protocol} +open ", told, re.MULTILINE)
    assert status == 0 and found == [str(OPEN[protocol])], told
    return 100.0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextmanager
def dropping_host(count: int) -> Iterator[list[int]]:
    """This namespace as a host that drops what it does not let in, at a switch with so many neighbours; the processes
    that hold the neighbours' namespaces."""
    holders = [subprocess.Popen(["unshare", "-n", "sleep", "infinity"]) for _ in range(count + 1)]
    listeners = []
    try:
        for holder in holders:
            while Path(f"/proc/{holder.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                time.sleep(0.01)
        switch, *neighbours = ([str(holder.pid)] for holder in holders)
        there = ["nsenter", "-t", *switch, "-n"]
        run([*there, "ip", "link", "add", "switch", "type", "bridge"])
        run([*there, "ip", "link", "set", "switch", "up"])
        run(["ip", "link", "set", "lo", "up"])
        for number, holder in enumerate([None, *neighbours]):
            end = ["nsenter", "-t", *holder, "-n"] if holder else []
            run([*there, "ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns",
                 *(holder or [str(os.getpid())])])
            run([*there, "ip", "link", "set", f"port{number}", "master", "switch", "up"])
            own = HOST if not holder else {4: f"203.0.113.{50 + number}", 6: f"2001:db8:113::{50 + number}"}
            run([*end, "ip", "address", "add", f"{own[4]}/24", "dev", "eth0"])
            run([*end, "ip", "address", "add", f"{own[6]}/64", "dev", "eth0", "nodad"])
            run([*end, "ip", "link", "set", "eth0", "up"])
        for tool, rules in (("iptables-nft-restore", RULES),
                            ("ip6tables-nft-restore", RULES.replace("COMMIT", f"{FOUND_BY_NEIGHBOURS}COMMIT"))):
            subprocess.run([tool], input=rules, text=True, check=True)
        for port in (OPEN["tcp"], SHUT):
            listeners.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
        for port in (OPEN["udp"], SHUT):
            listeners.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            listeners[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listeners[-1].bind(("::", port))
            threading.Thread(target=echo, args=(listeners[-1],), daemon=True).start()
        yield [holder.pid for holder in holders[1:]]
    finally:
        for each in listeners:
            each.close()
        for holder in holders:
            _end(holder)


def echo(listener: socket.socket) -> None:
    """Answer every datagram: a scanner takes a UDP port that is silent for one that may be filtered."""
    with suppress(OSError):  # it is closed when all is measured
        while True:
            listener.sendto(b"here", listener.recvfrom(2048)[1])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    {"read": read, "unread": unread, "scan": scan}[sys.argv[1]](*sys.argv[2:])
