"""A throw-away machine with a real ufw and a real Docker Engine, and two hosts outside it (docs/testing.md).

    pub  203.0.113.50/24, 198.51.100.7, 10.9.8.7     2001:db8:1::50/64, 2001:db8:99::7
      |  eth0
    machine  eth0 203.0.113.10/24 2001:db8:1::10/64  eth1 192.168.50.10/24 fd00:50::10/64
      |  eth1
    lan  192.168.50.20/24, 10.77.0.5                 fd00:50::20/64

Nothing in it has a name outside. Its pid 1 dies with this process, and the kernel takes the rest down with it:
dockerd, containers, interfaces, rules and mounts. Both hosts outside route everything to the machine, even
127.0.0.0/8, as a neighbour on the link can. Needs root.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from dockerd import Dockerd
from netns import Namespace
from requirements import SBIN, give_up, requires

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYTHON = "/usr/bin/python3"
"""The system's, which containers see, too; svc.py and probe.py need no more than its standard library."""

_ASKS_BACK = ("enable", "reset", "delete")
_PATIENCE = 60.0
_numbers = itertools.count()


@dataclass(frozen=True)
class Outside:
    """A host outside: the machine's interface that it is at, and its addresses (the first has the network)."""

    name: str
    iif: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    gateways: tuple[str, str]

    def sources(self, family: int) -> tuple[str, ...]:
        """Its addresses without prefix lengths."""
        return tuple(address.partition("/")[0] for address in (self.ipv4 if family == 4 else self.ipv6))


PUB = Outside("pub", "eth0", ("203.0.113.50/24", "198.51.100.7/32", "10.9.8.7/32"),
              ("2001:db8:1::50/64", "2001:db8:99::7/128"), ("203.0.113.10", "2001:db8:1::10"))
LAN = Outside("lan", "eth1", ("192.168.50.20/24", "10.77.0.5/32"),
              ("fd00:50::20/64",), ("192.168.50.10", "fd00:50::10"))
ADDRESSES = ("203.0.113.10", "192.168.50.10", "2001:db8:1::10", "fd00:50::10")
"""The machine's own."""

# A new namespace starts with some of the first one's IPv4 settings, so everything that matters is set. Without
# duplicate address detection nobody has to wait a second for each IPv6 address.
_NETWORK = """
sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.route_localnet=0 net.ipv4.conf.default.route_localnet=0 \
  net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
  net.ipv4.conf.eth1.rp_filter=0 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
  net.ipv6.conf.default.dad_transmits=0
ip addr add 203.0.113.10/24 dev eth0
ip addr add 2001:db8:1::10/64 dev eth0 nodad
ip addr add 192.168.50.10/24 dev eth1
ip addr add fd00:50::10/64 dev eth1 nodad
ip link set eth0 up
ip link set eth1 up
ip route add default via 203.0.113.50
ip -6 route add default via 2001:db8:1::50
ip route add 10.77.0.0/24 via 192.168.50.20
"""


class Machine:
    """The machine. ``outside``: the namespaces of pub and lan. ``docker``: its engine, not started yet. ``init``: the
    name of its first process."""

    namespaces: tuple[str, ...] = ("-m", "-p", "-n", "-u", "-i")
    init = "sleep"

    def __init__(self) -> None:
        requires("unshare", "nsenter", "setpriv", "ip", "sysctl", "nft", "iptables", "ufw", "dockerd", root=True)
        self.name = f"fwaudit-lab-{os.getpid()}-{next(_numbers)}"
        self.env = {"PATH": SBIN, "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        self.outside: dict[str, Namespace] = {}
        self.services: list[tuple[str, int]] = []
        self._children: list[subprocess.Popen[str]] = []
        self.pid = 0
        try:
            self._boot()
            for host in (PUB, LAN):
                self._connect(host)
            self.sh("set -e" + _NETWORK)
        except BaseException:
            self.close()
            raise
        self.docker = Dockerd(self)

    def _boot(self) -> None:
        # setpriv: should this process be killed, pid 1 is killed, too
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *self.namespaces, "--fork", "--kill-child", "--",
                "bash", str(HERE / "holder.sh"), str(HERE / "share"), *_visible()]
        holder = subprocess.Popen(self.wrapped(argv), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  start_new_session=True)
        self._children.append(holder)
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and holder.poll() is None:
            first = children.read_text().split()[:1]
            if first and Path(f"/proc/{first[0]}/comm").read_text() == f"{self.init}\n":
                self.pid = int(first[0])
                return
            time.sleep(0.005)
        holder.kill()
        assert holder.stderr is not None
        give_up(f"no machine could be made here: {holder.stderr.read().strip()}")

    def wrapped(self, argv: list[str]) -> list[str]:
        """What starts the holder; for machines that need more than namespaces."""
        return argv

    def _connect(self, host: Outside) -> None:
        space = self.outside[host.name] = Namespace()
        link = ["ip", "link", "add", host.iif, "netns", str(self.pid), "type", "veth", "peer", "name", "eth0",
                "netns", f"/proc/{os.getpid()}/fd/{space.fd}"]
        subprocess.run(link, check=True)
        join(space, host)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End everything that is in it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)  # first: the others need their parents alive, to be waited for
            self.pid = 0
        for child in self._children:
            child.communicate()
        self._children.clear()
        for space in self.outside.values():
            space.close()
        for group in Path("/sys/fs/cgroup").glob(f"**/{self.name}"):
            for folder in [*sorted(group.glob("**/"), reverse=True)]:
                folder.rmdir()

    # ---- running things -----------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The machine's root folder, seen from outside."""
        return Path(f"/proc/{self.pid}/root")

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` on the machine."""
        return ["nsenter", "-t", str(self.pid), *self.namespaces, "--", *argv]

    def run(self, *argv: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as root on the machine, from its root folder."""
        return subprocess.run(self.command(argv), input=stdin, env={**self.env, **env}, capture_output=True, text=True,
                              timeout=_PATIENCE, check=False)

    def sh(self, script: str) -> str:
        """Run a shell script as root on the machine; its output. It has to succeed."""
        done = self.run("bash", "-c", script)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def spawn(self, *argv: str, stdout: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command on the machine that runs until the machine is closed."""
        child = subprocess.Popen(self.command(argv), env=self.env, stdin=subprocess.DEVNULL, stdout=stdout,
                                 stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self._children.append(child)
        return child

    def fwaudit(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run fwaudit on the machine, as its administrator would."""
        return self.run(sys.executable, "-m", "fwaudit", *arguments, stdin=stdin, PYTHONPATH=str(REPOSITORY), **env)

    # ---- what an administrator does -----------------------------------------------------------------------------

    def ufw(self, *commands: str, enable: bool = True) -> None:
        """Run ``ufw COMMAND`` for each, and switch it on."""
        for each in (*commands, *(["enable"] if enable else [])):
            self.sh(f"ufw {'--force ' if each.split()[0] in _ASKS_BACK else ''}{each}")

    def listen(self, *specs: str) -> None:
        """Services of the machine itself: ``tcp:22``, ``tcp:22:127.0.0.1``. They answer as HOST."""
        child = self.spawn(PYTHON, "/lab/svc.py", "HOST", *specs)
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said == "ready\n", said + child.stdout.read()
        for spec in specs:
            proto, port = spec.split(":")[:2]
            self.services.append((proto, int(port)))


def join(space: Namespace, host: Outside) -> None:
    """Give a host outside its addresses, and routes for everything by way of the machine.

    127.0.0.1 is taken away from its loopback: else its own kernel drops an answer from there as a martian.
    """
    for key in ("all/route_localnet", "default/route_localnet"):
        space.write(f"net/ipv4/conf/{key}", "1")
    space.write("net/ipv4/conf/all/rp_filter", "0")
    space.write("net/ipv6/conf/all/disable_ipv6", "0")
    lines = ["link set lo up", "addr del 127.0.0.1/8 dev lo", *(f"addr add {each} dev eth0" for each in host.ipv4),
             *(f"addr add {each} dev eth0 nodad" for each in host.ipv6), "link set eth0 up",
             f"route add default via {host.gateways[0]}", f"route add ::/0 via {host.gateways[1]}",
             f"route add 127.0.0.0/8 via {host.gateways[0]} src {host.sources(4)[0]}"]
    space.run(["ip", "-batch", "-"], "\n".join(lines) + "\n")


def _visible() -> list[str]:
    """Folders that the machine has to see although they may be on another disk than /, or below /tmp."""
    wanted = {str(REPOSITORY), sys.prefix, sys.base_prefix}
    if Path("/usr").is_mount():
        wanted.add("/usr")
    wanted = {each for each in wanted if each == "/usr" or not each.startswith("/usr")}
    return sorted(wanted)

