"""What writes to DOCKER-USER at boot: of the files that do, the commands that name the chain, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from fwaudit.host.run import Collected, Machine
from fwaudit.model.snapshot import Source

FILE = "boot/docker-user.json"
# Globs below /. Units and scripts that packages install do not write to DOCKER-USER, so /usr/lib is not read.
PATTERNS = (
    "etc/iptables/*", "etc/sysconfig/ip*tables", "etc/nftables.conf", "etc/rc.local", "etc/init.d/*",
    "etc/systemd/system/*.service", "etc/systemd/system/*.d/*.conf", "usr/local/lib/systemd/system/*.service",
    "etc/crontab", "etc/cron.d/*", "var/spool/cron/crontabs/*",
    "etc/network/interfaces", "etc/network/interfaces.d/*", "etc/network/if-*.d/*", "etc/networkd-dispatcher/*/*",
    "etc/NetworkManager/dispatcher.d/*", "usr/local/sbin/*", "usr/local/bin/*",
)
_LIMIT = 1 << 16
_MOST_FILES, _MOST_SCRIPTS, _MOST_LINES, _LONGEST = 500, 50, 200, 400
_EXEC = re.compile(r"^Exec\w+=(.*)$", re.MULTILINE)
_PATH = re.compile(r"(?:/[\w.+-]+){2,}")
# From the command that names the chain to its end; the rest of a line is nobody's business.
_COMMAND = re.compile(r"""(?:ip6?tables[\w-]*[^;&|]*?\s|^\s*(?:-\w|--\w+|:)\s*|-j\s+|\w+=["']?)?DOCKER-USER\b[^;&|]*"""
                      r"|\bfwaudit fix --\w+")


def collect(machine: Machine) -> Iterable[Collected]:
    """``boot/docker-user.json``: ``[{"path": "/etc/rc.local", "lines": ["iptables -I DOCKER-USER …"]}, …]``."""
    found = []
    for path, text in _files(machine):
        lines = [said.group(0).strip()[:_LONGEST] for line in text.splitlines() if not line.lstrip().startswith("#")
                 for said in _COMMAND.finditer(line)]
        if lines:
            found.append({"path": path, "lines": lines[:_MOST_LINES]})
    yield Collected(FILE, json.dumps(found, sort_keys=True).encode() + b"\n", Source())


def _files(machine: Machine) -> Iterator[tuple[str, str]]:
    """(path, text) of all that are text, and of the scripts that units start."""
    seen: set[str] = set()
    scripts: dict[str, None] = {}
    for pattern in PATTERNS:
        for each in sorted(machine.root.glob(pattern)):
            path = f"/{each.relative_to(machine.root)}"
            text = _text(machine, path) if path not in seen and len(seen) < _MOST_FILES else ""
            seen.add(path)
            if text:
                yield path, text
                for started in _EXEC.findall(text):
                    scripts |= dict.fromkeys(_PATH.findall(started))
    for path in [path for path in scripts if path not in seen][:_MOST_SCRIPTS]:
        text = _text(machine, path)
        if text:
            yield path, text


def _text(machine: Machine, path: str) -> str:
    data = machine.read(path, _LIMIT).data or b""
    return "" if b"\0" in data[:1024] else data.decode("utf-8", "replace")
