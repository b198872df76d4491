"""What a bug report needs to say of the machine and of this program: versions and variants, nothing else.

No name of the host, no address, no rule. Nothing is asked where asking would load a part of the kernel: nft,
iptables-nft and ipset open a netfilter socket even for their version (ran, under strace), and the kernel loads
nfnetlink for the first one (``request_module`` in ``netlink_create``, net/netlink/af_netlink.c).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from fwaudit.host.collectors.iptables import is_legacy_program
from fwaudit.host.kernel import is_present
from fwaudit.host.parallel import side_by_side
from fwaudit.host.run import GRACE, Machine

NOT_FOUND = "not found"
PACKAGES = ("docker", "jinja2", "netaddr", "pyyaml", "tabulate", "tomli", "typer")
_NOT_ASKED = "installed; its version is not asked for, that would load {}"
_LONGEST = 200


def about(machine: Machine) -> Iterator[tuple[str, str]]:
    """(what, which) in a fixed order, each found on its own; NOT_FOUND for what is not there or does not answer."""
    found: dict[str, str] = {}
    tasks = {name: (lambda ask=ask: ask(machine)) for name, ask in _ITEMS.items()}
    for name, answer in side_by_side(tasks, machine.left() + GRACE):
        found[name] = "" if isinstance(answer, BaseException) else " ".join(answer.split())
    machine.stop()
    for name in _ITEMS:
        yield name, found.get(name, "")[:_LONGEST] or NOT_FOUND


def _python(machine: Machine) -> str:
    return f"{platform.python_version()}, {sys.executable}"


def _packages(machine: Machine) -> str:
    return ", ".join(f"{name} {version}" for name in PACKAGES if (version := _package(name)))


def _package(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        # Python 3.11 and later read TOML themselves
        return "" if name == "tomli" and sys.version_info >= (3, 11) else NOT_FOUND


def _installed(machine: Machine) -> str:
    return str(Path(__file__).resolve().parents[2])


def _system(machine: Machine) -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "")


def _kernel(machine: Machine) -> str:
    return f"{platform.release()} {platform.machine()}"


def _user(machine: Machine) -> str:
    return "root" if os.geteuid() == 0 else "not root"


def _apparmor(machine: Machine) -> str:
    enabled = (machine.read("/sys/module/apparmor/parameters/enabled").data or b"").strip()
    if enabled != b"Y":
        return "not in this kernel, or off"
    current = machine.read("/proc/self/attr/current").data or b""
    return f"on; fwaudit runs {current.decode('utf-8', 'replace').rstrip(chr(0)).strip() or 'in an unknown profile'}"


def _tool(*argv: str) -> Callable[[Machine], str]:
    """The first line of what a tool says of itself, of which nothing depends on the kernel."""
    return lambda machine: machine.version(*argv)


def _netfilter(module: str, *argv: str) -> Callable[[Machine], str]:
    """The same of a tool that opens a netfilter socket first; ``module``: the part of the kernel that it needs."""

    def ask(machine: Machine) -> str:
        binary = machine.which(argv[0])
        if binary is None:
            return NOT_FOUND
        if not is_legacy_program(binary) and not is_present(machine, module):
            return _NOT_ASKED.format(module)
        return machine.version(*argv)

    return ask


def _iptables(tool: str) -> Callable[[Machine], str]:
    """The default iptables with its backend, and which variants are there beside it."""

    def ask(machine: Machine) -> str:
        said = _netfilter("nf_tables", tool, "-V")(machine)
        variants = [each for each in ("nft", "legacy") if machine.which(f"{tool}-{each}")]
        return f"{said}; there are {' and '.join(f'{tool}-{each}' for each in variants)}" if variants else said

    return ask


def _engine(machine: Machine) -> str:
    from fwaudit.host.collectors.docker import engine_version

    return engine_version(machine)


def _ipset(machine: Machine) -> str:
    said = _netfilter("ip_set", "ipset", "version")(machine)
    return re.sub(r"^ipset v", "v", said)


_ITEMS: Mapping[str, Callable[[Machine], str]] = {
    "installed in": _installed,
    "Python": _python,
    "packages": _packages,
    "system": _system,
    "kernel": _kernel,
    "run by": _user,
    "AppArmor": _apparmor,
    "iptables": _iptables("iptables"),
    "ip6tables": _iptables("ip6tables"),
    "nft": _netfilter("nf_tables", "nft", "--version"),
    "ipset": _ipset,
    "ufw": _tool("ufw", "version"),
    "docker client": _tool("docker", "--version"),
    "podman": _tool("podman", "--version"),
    "engine": _engine,
    "ip": _tool("ip", "-V"),
    "systemd": _tool("systemctl", "--version"),
}
