"""What scripts/bench measures of other programs that read or ask the same firewall: python-iptables and nmap.

usage: scripts/benchrivals.py read SIZE TIMES | unread SIZE | scan TIMES      in a network namespace of its own

``read``: rules in a kernel's legacy tables, read by python-iptables, and read and answered by fwaudit. ``unread``: what
python-iptables reads of rules that iptables-nft has loaded, and what it leaves behind. ``scan``: a host that drops,
scanned from a neighbour in a second namespace, and asked by ``fwaudit report``; both have to name the same open port.
Each prints what it found as JSON.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
LONGEST = 900.0
"""Seconds after which a scan is given up, and said to take longer."""
OPEN, SHUT = 22, 8080
HOST, NEIGHBOUR = "203.0.113.10", "203.0.113.50"
RULES = f"""\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport {OPEN} -j ACCEPT
COMMIT
"""


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


def scan(times: str) -> None:
    with dropping_host() as neighbour:
        asked = [*FWAUDIT, "report", "--format", "json"]
        told = run(asked, subprocess.PIPE, (0, 3))  # 3 with a report: an engine of this machine that is not running
        verdicts = {each["host_port"]: each["verdict"] for each in json.loads(told)["exposures"]
                    if each["host_port"] in (OPEN, SHUT) and each["family"] == 4 and each["protocol"] == "tcp"}
        assert verdicts == {OPEN: "as-intended", SHUT: "blocked"}, verdicts
        taken = interleaved({"report": lambda: run(asked, codes=(0, 3))}, int(times))
        scanner = ["nsenter", "-t", str(neighbour), "-n", "nmap", "-n", "-Pn", "-sS", "-T4", "-p-", HOST]
        start = time.monotonic()
        try:
            seen = subprocess.run(scanner, capture_output=True, text=True, check=True, timeout=LONGEST).stdout
            assert re.findall(r"^(\d+)/tcp +open", seen, re.MULTILINE) == [str(OPEN)], seen
        except subprocess.TimeoutExpired:
            taken["given up"] = [1.0]
        print(json.dumps({**taken, "scan": [time.monotonic() - start]}))


@contextmanager
def dropping_host() -> Iterator[int]:
    """This namespace as a host that drops what it does not let in; the process that holds the neighbour's."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    listeners = []
    try:
        place = Path(f"/proc/{holder.pid}/ns/net")
        while place.readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        there = ["nsenter", "-t", str(holder.pid), "-n"]
        run(["ip", "link", "set", "lo", "up"])
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid)])
        for where, address in (([], HOST), (there, NEIGHBOUR)):
            run([*where, "ip", "address", "add", f"{address}/24", "dev", "eth0"])
            run([*where, "ip", "link", "set", "eth0", "up"])
        for tool in ("iptables-nft-restore", "ip6tables-nft-restore"):
            subprocess.run([tool], input=RULES, text=True, check=True)
        listeners = [socket.create_server(("", port)) for port in (OPEN, SHUT)]
        yield holder.pid
    finally:
        for each in listeners:
            each.close()
        holder.kill()
        holder.wait()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    {"read": read, "unread": unread, "scan": scan}[sys.argv[1]](*sys.argv[2:])
