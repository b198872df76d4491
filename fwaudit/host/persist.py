"""Keep a confirmed fix: files that load it again after a boot, and derive it anew when ufw or the networks change.

With systemd: one unit that loads the rules before Docker starts, one that derives them after Docker, ufw and every
minute, and one that watches ufw's files. Without: one file for cron. All of them are ours, and removed without trace.
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from fwaudit.errors import FixError
from fwaudit.host import own
from fwaudit.host.checkpoint import FOLDER
from fwaudit.host.write import feed

_SYSTEMD = Path("/etc/systemd/system")
_CRON = Path("/etc/cron.d/fwaudit-fix")
_MARK = "# Written by fwaudit fix --persist; fwaudit fix --revert removes it.\n"


def install(folder: Path = FOLDER, root: Path = Path("/")) -> list[str]:
    """Write the files and switch them on; a line on each. ``folder``: where the checkpoint is. Raises FixError, and
    nothing of them is left."""
    systemd = (root / "run/systemd/system").is_dir()
    files = _units(root, folder) if systemd else {_at(root, _CRON): _cron(folder)}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_MARK + text, encoding="utf-8")
            path.chmod(0o644)
        if systemd:
            feed(("systemctl", "daemon-reload"))
            feed(("systemctl", "enable", "--now", "--no-block", *_ENABLED))
    except (OSError, FixError) as error:
        remove(root)
        raise FixError(f"cannot keep the fix after a reboot: {error}", "It stands until then.") from error
    return [f"written: {path}" for path in files]


def remove(root: Path = Path("/")) -> list[str]:
    """Switch them off and remove them; a line on each that was there."""
    there = [path for path in (*_units(root), _at(root, _CRON)) if path.is_file()]
    if any(path.suffix in (".service", ".path", ".timer") for path in there):
        with contextlib.suppress(FixError):
            feed(("systemctl", "disable", "--now", *_ENABLED))
    for path in there:
        path.unlink(missing_ok=True)
    if any(path.parent == _at(root, _SYSTEMD) for path in there):
        with contextlib.suppress(FixError):
            feed(("systemctl", "daemon-reload"))
    return [f"removed: {path}" for path in there]


def installed(root: Path = Path("/")) -> bool:
    """Whether something keeps the fix."""
    return any(path.is_file() for path in (*_units(root), _at(root, _CRON)))


def _at(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


_ENABLED = ("fwaudit-fix-restore.service", "fwaudit-fix-sync.service", "fwaudit-fix-sync.path",
            "fwaudit-fix-sync.timer")


def _command(option: str, folder: Path) -> str:
    state = [] if folder == FOLDER else ["--state", str(folder.absolute())]
    return shlex.join(own.command("fix", option, *state))


def _units(root: Path, state: Path = FOLDER) -> dict[Path, str]:
    folder = _at(root, _SYSTEMD)
    # /run: iptables-legacy makes its lock there, which is gone after each boot
    hardened = ("ProtectSystem=strict\nReadWritePaths="
                f"{shlex.quote(str(state.absolute()))} /run\nProtectHome=read-only\n"
                "PrivateTmp=yes\nNoNewPrivileges=yes\nRestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6\n")
    return {
        folder / "fwaudit-fix-restore.service": (
            "[Unit]\nDescription=Load the rules of fwaudit fix before the container engine starts\n"
            "After=ufw.service\nBefore=docker.service podman.service\nDefaultDependencies=yes\n\n"
            f"[Service]\nType=oneshot\nExecStart={_command('--restore', state)}\n{hardened}\n"
            "[Install]\nWantedBy=multi-user.target\n"),
        folder / "fwaudit-fix-sync.service": (
            "[Unit]\nDescription=Derive the rules of fwaudit fix anew\nAfter=docker.service ufw.service\n"
            "PartOf=docker.service ufw.service\n\n"
            f"[Service]\nType=oneshot\nExecStart={_command('--sync', state)}\nSuccessExitStatus=1\n{hardened}\n"
            "[Install]\nWantedBy=multi-user.target docker.service ufw.service\n"),
        folder / "fwaudit-fix-sync.path": (
            "[Unit]\nDescription=Watch ufw's rules for fwaudit fix\n\n"
            "[Path]\nPathChanged=/etc/ufw/user.rules\nPathChanged=/etc/ufw/user6.rules\n"
            "PathChanged=/etc/ufw/ufw.conf\nPathChanged=/etc/default/ufw\n\n[Install]\nWantedBy=multi-user.target\n"),
        folder / "fwaudit-fix-sync.timer": (
            "[Unit]\nDescription=Look every minute for new networks for fwaudit fix\n\n"
            "[Timer]\nOnBootSec=30s\nOnUnitInactiveSec=60s\nAccuracySec=5s\n\n[Install]\nWantedBy=timers.target\n"),
    }


def _cron(folder: Path) -> str:
    """cron has no order among services: the rules are loaded at boot, and looked at every minute."""
    return ("SHELL=/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
            f"@reboot root {_command('--restore', folder)} >/dev/null 2>&1\n"
            f"* * * * * root {_command('--sync', folder)} >/dev/null 2>&1\n")
