"""Which files a program opened and started, by strace, and which of them its AppArmor profile does not name.

No kernel here enforces AppArmor, so the profile's rules about files are read and held against what really happens.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from requirements import SBIN

_INCLUDED = ("base", "consoles", "nameservice", "python")
_VARIABLES = {"@{PROC}": "/proc", "@{sys}": "/sys", "@{run}": "/{var/,}run", "@{HOME}": "/{root,home/*}",
              "@{multiarch}": "*-linux-gnu*", "@{etc_ro}": "/etc", "@{pid}": "*", "@{pids}": "*", "@{tid}": "*"}
_RULE = re.compile(r"^\s*(?:owner\s+)?(?P<glob>[/@]\S*)\s+(?P<may>[rwmklaxiPUCucp]+),\s*(?:#.*)?$")
_OPENED = re.compile(r'(?:openat\(AT_FDCWD, |open\()"(?P<path>/[^"]*)", (?P<flags>[^)]*)\) = \d')
_STARTED = re.compile(r'execve\("(?P<path>/[^"]*)", .* = 0$')
_CHILD = re.compile(r"(?:clone3?|v?fork)\(.* = (?P<pid>\d+)$")


@dataclass(frozen=True)
class Rule:
    """A rule about files: which, and what may be done with them (r, w, x)."""

    pattern: re.Pattern[str]
    may: str


def rules(profile: Path, abstractions: Path = Path("/etc/apparmor.d/abstractions")) -> list[Rule]:
    """Those that allow something, also by what the profile includes; not what it denies."""
    lines = profile.read_text(encoding="utf-8").splitlines()
    for name in _INCLUDED:
        lines += (abstractions / name).read_text(encoding="utf-8").splitlines()
    found = [match for line in lines if (match := _RULE.match(line))]
    return [Rule(re.compile(_regex(match["glob"])), match["may"]) for match in found]


def _regex(glob: str) -> str:
    """apparmor.d(5), Globbing: ``*`` stays in a folder, ``**`` does not."""
    for name, value in _VARIABLES.items():
        glob = glob.replace(name, value)
    parts, depth = [], 0
    for token in re.findall(r"\*\*|\[[^]]*\]|\\.|.", glob.replace("//", "/")):
        depth += (token == "{") - (token == "}")
        parts.append({"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}.get(
            token, "|" if token == "," and depth else token if token[0] in "[\\" else re.escape(token)))
    return "".join(parts)


def traced(argv: Sequence[str], folder: Path, leaves: Sequence[Rule], begin: str) -> set[tuple[str, str]]:
    """Run a command under strace, and return (full path, r or w or x) of all that the program ``begin`` opened and
    started, and so did the tools that it started; but not those that leave its profile."""
    folder.mkdir()
    calls = "trace=execve,openat,open,clone,clone3,fork,vfork"
    subprocess.run(["strace", "-ff", "-qq", "-s", "4096", "-e", calls, "-o", str(folder / "of"), *argv],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                   env={"PATH": SBIN, "LC_ALL": "C.UTF-8", "HOME": "/root"}, cwd="/")
    threads = {path.suffix[1:]: path.read_text(errors="replace").splitlines() for path in folder.iterdir()}
    children = {match["pid"] for lines in threads.values() for line in lines if (match := _CHILD.match(line))}
    found: set[tuple[str, str]] = set()
    for first in set(threads) - children:
        _follow(first, threads, leaves, begin, found)
    return found


def _follow(pid: str, threads: Mapping[str, list[str]], leaves: Sequence[Rule], begin: str,
            found: set[tuple[str, str]]) -> None:
    """``begin``: empty once the program has been started."""
    for line in threads.get(pid, ()):
        if match := _CHILD.match(line):
            _follow(match["pid"], threads, leaves, begin, found)
        elif match := _STARTED.match(line):
            begin = "" if match["path"] == begin else begin
            if begin:
                continue
            found.add((match["path"], "x"))
            if any(each.pattern.fullmatch(match["path"]) for each in leaves):
                return
        elif not begin and (match := _OPENED.match(line)):
            folder = "/" if "O_DIRECTORY" in match["flags"] and not match["path"].endswith("/") else ""
            found |= {(match["path"] + folder, may) for may in "rw" if _does(may, match["flags"])}


def _does(may: str, flags: str) -> bool:
    return "O_RDWR" in flags or ("O_WRONLY" in flags) == (may == "w")


def missing(allowed: Iterable[Rule], done: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What no rule allows. Since /bin, /sbin and /lib are links into /usr, the kernel knows what is there by /usr."""
    allowed = list(allowed)
    real = {(re.sub(r"^/(bin|sbin|lib\d*)(?=/)", r"/usr/\1", path), may) for path, may in done}
    return sorted((path, may) for path, may in real
                  if not any(may in each.may and each.pattern.fullmatch(path) for each in allowed))


def leaving(allowed: Iterable[Rule]) -> list[Rule]:
    """The programs that do not run in this profile."""
    return [each for each in allowed if "U" in each.may]
