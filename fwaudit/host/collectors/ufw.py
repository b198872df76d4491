"""ufw: its files, and what ``ufw status verbose`` says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator

from fwaudit.host.collectors.iptables import is_nft, may_be_asked
from fwaudit.host.netlink import NetlinkError, Nftables
from fwaudit.host.run import NOT_INSTALLED, RUN_AS_ROOT, Collected, Machine, missing, reason_of
from fwaudit.model.snapshot import Source

STATUS = "ufw/status"
FILES = {
    "ufw/default": "/etc/default/ufw",
    **{f"ufw/{name}": f"/etc/ufw/{name}" for name in (
        "ufw.conf", "user.rules", "user6.rules", "before.rules", "before6.rules", "after.rules", "after6.rules",
        "sysctl.conf")},
}
_OPTIONAL = frozenset({"ufw/sysctl.conf"})
HOOKS = ("/etc/ufw/before.init", "/etc/ufw/after.init")
PROFILES = "/etc/ufw/applications.d"
_PROFILE_LIMIT, _PROFILES_LIMIT = 1 << 16, 500
_PROFILE_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,63}")
_PROGRAM_LIMIT = 1 << 16
_PROGRAM_VERSION = re.compile(rb'^version = "([0-9][\w.+~-]*)"$', re.MULTILINE)
# Seen to list a chain without making its table (ran, in a fresh namespace); some older ones make it.
_LISTS_WITHOUT_MAKING = (1, 8, 9)


def collect(machine: Machine) -> Iterable[Collected]:
    """The ``ufw/*`` files; one source ``ufw`` that is "not installed" where there is neither a program nor a folder."""
    installed = machine.which("ufw") is not None
    if not installed and not machine.path("/etc/ufw").is_dir():
        yield missing(f"{NOT_INSTALLED}: no ufw command and no /etc/ufw").named("ufw")
        return
    for name, path in FILES.items():
        yield from _file(machine, name, path)
    yield from _profiles(machine)
    yield _hooks(machine)
    yield _status(machine) if installed else missing("the ufw command is not installed").named(STATUS)


def _file(machine: Machine, name: str, path: str) -> Iterator[Collected]:
    answer = machine.read(path)
    if answer.data is None and name.endswith(".rules") and answer.source.missing.startswith("no such file"):
        older = machine.read(path.replace("/etc/ufw/", "/lib/ufw/"))  # user rules lived there up to ufw 0.34
        answer = older if older.data is not None else answer
    if answer.data is not None or name not in _OPTIONAL:
        yield answer.named(name)


def _profiles(machine: Machine) -> Iterator[Collected]:
    """Application profiles. Hidden files and names that no package would choose are passed over, as ufw does."""
    try:
        names = sorted(os.listdir(machine.path(PROFILES)))  # noqa: PTH208 (names are wanted, not paths)
    except FileNotFoundError:
        return
    except OSError as error:
        yield missing(reason_of(error, PROFILES)).named("ufw/applications.d")
        return
    for name in [name for name in names if _PROFILE_NAME.fullmatch(name)][:_PROFILES_LIMIT]:
        yield machine.read(f"{PROFILES}/{name}", _PROFILE_LIMIT).named(f"ufw/applications.d/{name}")


def _hooks(machine: Machine) -> Collected:
    """``{"before.init": {"executable": true}, …}``: scripts that ufw runs if they are executable, and that may change
    anything (ufw-framework(8))."""
    found = {}
    for path in HOOKS:
        name = path.rpartition("/")[2]
        try:
            found[name] = {"executable": bool(machine.path(path).stat().st_mode & 0o111)}
        except FileNotFoundError:
            continue
        except OSError as error:
            return missing(reason_of(error, path)).named("ufw/hooks.json")
    return Collected("ufw/hooks.json", json.dumps(found, sort_keys=True).encode() + b"\n", Source())


def _status(machine: Machine) -> Collected:
    """``ufw status verbose``. It lists its chains with the default iptables, so it is asked only where that cannot
    make a table. Its only trace is its own empty lock file /run/ufw.lock."""
    if os.geteuid() != 0:
        return missing(RUN_AS_ROOT).named(STATUS)
    obstacle = _obstacle(machine)
    if obstacle:
        return missing(obstacle).named(STATUS)
    return machine.run(["ufw", "status", "verbose"]).named(STATUS, _program_version(machine))


def _program_version(machine: Machine) -> str:
    """``ufw 0.36.2``, as ``ufw version`` says it. The program is a script that names it, and to run it takes 50 ms."""
    program = machine.read(machine.which("ufw") or "", _PROGRAM_LIMIT).data or b""
    named = _PROGRAM_VERSION.search(program)
    return f"ufw {named.group(1).decode()}" if named else machine.version("ufw", "version")


def _obstacle(machine: Machine) -> str:
    """Why asking would change something, empty where it would not."""
    not_asked = "not asked: the kernel has no filter table, and asking would make one; ufw's chains are not loaded"
    if not may_be_asked(machine, "iptables"):
        return not_asked
    said = machine.version("iptables", "-V")
    if not said:
        return "iptables is not installed, which ufw needs"
    if not is_nft(said):
        names = [machine.read(f"/proc/net/{name}").data or b"" for name in ("ip_tables_names", "ip6_tables_names")]
        return "" if all(b"filter" in each.split() for each in names) else not_asked
    return "" if _version(said) >= _LISTS_WITHOUT_MAKING or _has_filter_tables() else not_asked


def _has_filter_tables() -> bool:
    try:
        with Nftables() as nftables:
            found = {(table.family, table.name) for table in nftables.tables()}
    except (NetlinkError, OSError):
        return False
    return found >= {("ip", "filter"), ("ip6", "filter")}


def _version(said: str) -> tuple[int, ...]:
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, match.groups())) if match else (0,)
