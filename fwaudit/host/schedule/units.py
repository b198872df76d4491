"""The units for systemd, as text. Pure: a package can ship them as well as ``fwaudit schedule install`` writes them.

    fwaudit-check.service   one check, hardened
    fwaudit-check.timer     starts it every hour, day, …
    fwaudit-recheck.timer   starts it half a minute after docker.service or ufw.service has started; while one starts
                            again and again, the half minute begins anew (PartOf), so that one check sees the end of it
    fwaudit-recheck.path    starts that timer when ufw's files change: ``ufw enable`` and ``ufw allow`` start no unit
    fwaudit-watch.service   says what opens and closes as it does, where that was asked for; hardened as the check

docker.service pulls the timer in when it starts and restarts (WantedBy; systemd.unit(5)), whoever restarts it. Nothing
of this is a dependency of Docker or ufw: they start and stop the same when the check fails.

What the services may do was measured: with less, a snapshot lacks something that it has without any of this
(tests/lab/test_schedule_live.py compares them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fwaudit.host.schedule.plan import Plan, one_line

SERVICE, TIMER = "fwaudit-check.service", "fwaudit-check.timer"
RECHECK, WATCH = "fwaudit-recheck.timer", "fwaudit-recheck.path"
FOLLOW = "fwaudit-watch.service"
ENABLED = (TIMER, RECHECK, WATCH, FOLLOW)
"""What ``systemctl enable`` is told, of what there is."""

NEEDED = {
    "CAP_NET_ADMIN": "the rules, over netlink: iptables-save, nft, ipset",
    "CAP_NET_RAW": "iptables-legacy-save opens a raw socket",
    "CAP_DAC_READ_SEARCH": "compose files in home folders; /proc/PID/fd of other users",
    "CAP_SYS_PTRACE": "whose socket it is, and which network namespace a container is in: links below /proc/PID",
}
_OVERRIDE = "CAP_DAC_OVERRIDE"
_SPREAD = {"hourly": "5min", "daily": "1h", "weekly": "6h"}
_TELL = """\
# Telling others is not sandboxed: a mail program has users and folders of its own. It reads nothing but the words that
# the check has left in its history. What a mail program goes on to do in the background (exim delivers so) is not ended
# with this unit.
KillMode=process
"""
_NO_NETWORK = """\
# it talks to the kernel and to the engine's socket, and to nobody else
IPAddressDeny=any
"""
_FREE = """\
# Whom it tells, it tells from here, and a mail program has users and folders of its own: so no sandbox. Each audit
# gives up root's capabilities by itself, once it has read.
"""
_PRIVATE_TMP = "PrivateTmp=yes\n"
_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - where programs should not lie
_SAFE = re.compile(r"[A-Za-z0-9_./:@=+,-]+")


def units(plan: Plan) -> dict[str, str]:
    """File name → text. Raises UsageError for what a unit cannot hold."""
    one_line((*plan.command, *plan.check, *plan.hooks, plan.every))
    return {SERVICE: _service(plan), TIMER: _timer(plan), RECHECK: _recheck(), WATCH: _watch(),
            **({FOLLOW: _follow(plan)} if plan.watch else {})}


def is_temporary(command: Sequence[str]) -> bool:
    """Whether the program lies in a folder that a unit with PrivateTmp= does not see, and that is emptied one day."""
    return any(part.startswith(_TEMPORARY) for word in command for part in word.split("="))


def quoted(words: tuple[str, ...]) -> str:
    """Words as ExecStart has them (systemd.service(5), COMMAND LINES): neither variables nor specifiers are meant."""
    return " ".join(each if _SAFE.fullmatch(each) else _quote(each) for each in words)


def _quote(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("%", "%%")
    return f'"{escaped}"'


def _path(path: object) -> str:
    """A path in a list of paths, where only specifiers have a meaning beside the quotes."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _service(plan: Plan) -> str:
    capabilities = [*NEEDED, *([_OVERRIDE] if plan.foreign else [])]
    writes = "".join(f"ReadWritePaths={_path(each)}\n" for each in plan.folders)
    sandbox = _sandbox(plan, capabilities, "" if plan.hooks else _NO_NETWORK)  # a hook counts as part of this unit
    later = ("--notify-later", *plan.hooks) if plan.hooks else ()
    tell = f"{_TELL}ExecStopPost=+{quoted((*plan.command, 'schedule', 'tell', *plan.hooks))}\n" if plan.hooks else ""
    return f"""\
[Unit]
Description=Check which ports the firewall lets in
After=docker.service podman.service ufw.service network.target

[Service]
Type=oneshot
ExecStart={quoted((*plan.check, *later))}
{tell}# 1 is a warning; 2 (something is open) and 3 (it could not look) mark the unit as failed
SuccessExitStatus=1
TimeoutStartSec=15min
Nice=5
UMask=0077
StateDirectory=fwaudit
StateDirectoryMode=0700
{writes}
{sandbox}"""


def _follow(plan: Plan) -> str:
    sandbox = _FREE if plan.hooks else _sandbox(plan, list(NEEDED), _NO_NETWORK)
    return f"""\
[Unit]
Description=Say what the firewall opens and closes
After=docker.service podman.service ufw.service network.target

[Service]
Type=notify
ExecStart={quoted(plan.follow)}
# it reads the policy file again
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1min
TimeoutStartSec=15min
WatchdogSec=5min
UMask=0077
StateDirectory=fwaudit
StateDirectoryMode=0700

{sandbox}
[Install]
WantedBy=multi-user.target
"""


def _sandbox(plan: Plan, capabilities: list[str], network: str) -> str:
    return f"""\
{_needed(capabilities)}CapabilityBoundingSet={' '.join(capabilities)}
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
{network}RestrictNamespaces=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# to give up its capabilities once it has read, and to ask other processes' sockets for their options
SystemCallFilter=capset pidfd_open pidfd_getfd
SystemCallErrorNumber=EPERM
ProtectSystem=strict
# compose files lie in home folders
ProtectHome=read-only
{'' if is_temporary(plan.command) else _PRIVATE_TMP}PrivateDevices=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
# in the place of ProtectKernelTunables, which would hide /proc/kallsyms: what is built into the kernel stands there,
# and may be asked without loading anything
ReadOnlyPaths=/proc/sys /sys
# CAP_SYS_PTRACE sees through this; it is for afterwards, when the capabilities are gone
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
KeyringMode=private
"""


def _needed(capabilities: list[str]) -> str:
    why: Mapping[str, str] = {**NEEDED, _OVERRIDE: "a folder that it writes to belongs to somebody else"}
    return "".join(f"# {each}: {why[each]}\n" for each in capabilities)


def _timer(plan: Plan) -> str:
    return f"""\
[Unit]
Description=Check regularly which ports the firewall lets in

[Timer]
OnCalendar={plan.every.replace('%', '%%')}
RandomizedDelaySec={_SPREAD.get(plan.every, '1min')}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _recheck() -> str:
    return f"""\
[Unit]
Description=Check again soon after Docker or ufw has started
PartOf=docker.service ufw.service

[Timer]
OnActiveSec=30s
AccuracySec=1s
RemainAfterElapse=no
Unit={SERVICE}

[Install]
WantedBy=docker.service ufw.service
"""


def _watch() -> str:
    return f"""\
[Unit]
Description=Check again soon after the rules of ufw have changed

[Path]
PathChanged=/etc/ufw/ufw.conf
PathChanged=/etc/ufw/user.rules
PathChanged=/etc/ufw/user6.rules
PathChanged=/etc/default/ufw
Unit={RECHECK}

[Install]
WantedBy=paths.target
"""
