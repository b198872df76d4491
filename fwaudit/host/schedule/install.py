"""Put the units, or the file for cron, in place and switch them on; and take exactly these away again.

Each file begins with a line that says whose it is, with a checksum of the rest: a file that is not ours, or that was
edited since, is neither written over nor removed without ``force``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from fwaudit.errors import FixError, ScheduleError, UsageError
from fwaudit.host.schedule import cron
from fwaudit.host.schedule.plan import Plan
from fwaudit.host.schedule.units import ENABLED, FOLLOW, RECHECK, SERVICE, TIMER, WATCH, units
from fwaudit.host.write import feed

SYSTEMD = Path("/etc/systemd/system")
CRON = Path("/etc/cron.d/fwaudit")
_UNITS = (SERVICE, TIMER, RECHECK, WATCH, FOLLOW)
_MARK = "# Written by fwaudit schedule install; fwaudit schedule remove takes it away. Checksum: "
_HOW = "# To change it: systemctl edit {name}, or install it anew with other options.\n"
_LIMIT = 1 << 20

Whose = Literal["absent", "ours", "edited", "foreign"]


def has_systemd(root: Path = Path("/")) -> bool:
    """Whether systemd runs here; of a tree that is no running system, whether it is installed there."""
    if root == Path("/"):
        return Path("/run/systemd/system").is_dir()
    return any(os.access(root / each, os.X_OK) for each in ("lib/systemd/systemd", "usr/lib/systemd/systemd"))


def texts(plan: Plan, by_cron: bool, host: str, root: Path = Path("/")) -> dict[Path, str]:
    """What would be written where. Raises UsageError for what a unit or a crontab cannot hold."""
    if by_cron:
        if plan.watch:
            raise UsageError("only systemd keeps a watch going, and this schedule is cron's",
                             "Leave out --watch, or start `fwaudit watch` by what starts services here.")
        return {_at(root, CRON): _marked(cron.crontab(plan, host))}
    return {_at(root, SYSTEMD / name): _marked(_HOW.format(name=name) + text) for name, text in units(plan).items()}


def check_calendar(every: str) -> None:
    """Raises UsageError where systemd does not understand when. It is asked, where it can be."""
    try:
        feed(("systemd-analyze", "calendar", "--", every))
    except FixError as error:
        if "not installed" not in str(error):
            raise UsageError(f"systemd does not understand when: {every}",
                             "Say hourly, daily, weekly, or as in: --every 'Mon..Fri 06:30' (systemd.time(7))"
                             ) from error


def install(files: Mapping[Path, str], *, root: Path = Path("/"), force: bool = False) -> list[str]:
    """Write what ``texts`` gives, switch it on, and remove what an earlier install left of the other kind; a line on
    each file. Raises ScheduleError: then everything is as it was before."""
    others = [path for path in known(root) if path not in files]
    for path in (*files, *others):
        if not force and (found := whose(path)) in ("edited", "foreign"):
            raise ScheduleError(_refusal(path, found), "Move your changes away, or write over them with --force.")
    lines = [f"{'unchanged' if _read(path) == text else 'written'}: {path}" for path, text in files.items()]
    before = {path: _read(path) for path in files}
    try:
        for path, text in files.items():
            _write(path, text)
        if any(path.suffix for path in files):
            _systemctl(root, "daemon-reload")
            _systemctl(root, "enable", *(path.name for path in files if path.name in ENABLED))
            _systemctl(root, "restart", TIMER, WATCH)
    except (OSError, FixError) as error:
        new = [path.name for path, old in before.items() if old is None and path.name in ENABLED]
        if new:
            with contextlib.suppress(FixError):
                _systemctl(root, "disable", *new)
        for path, old in before.items():
            _restore(path, old)
        with contextlib.suppress(FixError):
            _systemctl(root, "daemon-reload")
        raise ScheduleError(f"cannot schedule the check: {error}", "Nothing is left of it.") from error
    return lines + _take_away([path for path in others if whose(path) in ("ours", "edited")], root)


def start(plan: Plan) -> None:
    """Have systemd begin now: the first check, and the watch (anew, where one runs with other options). Nobody waits
    for them. Raises ScheduleError."""
    for verb, unit, what in (("start", SERVICE, "the first check"), ("restart", FOLLOW, "the watch")):
        if unit == FOLLOW and not plan.watch:
            continue
        try:
            feed(("systemctl", verb, "--no-block", unit))
        except FixError as error:
            raise ScheduleError(f"it is scheduled, but {what} did not start: {error}",
                                f"See: systemctl status {unit}") from error


def remove(*, root: Path = Path("/"), force: bool = False) -> tuple[list[str], list[str]]:
    """Switch it off and take it away: (a line on each file that is gone, a line on each that was left because it is not
    as it was written; it is switched off as well). Raises ScheduleError."""
    found = {path: whose(path) for path in known(root)}
    gone = [path for path, state in found.items() if state == "ours" or (force and state == "edited")]
    left = {path: state for path, state in found.items() if path not in gone and state != "absent"}
    edited = [path for path, state in left.items() if state == "edited"]
    return _take_away(gone, root, edited), [_refusal(path, state) for path, state in left.items()]


def known(root: Path = Path("/")) -> tuple[Path, ...]:
    """Every file that an install may have written."""
    return (*(_at(root, SYSTEMD / name) for name in _UNITS), _at(root, CRON))


def whose(path: Path) -> Whose:
    """Whether a file is there, and is as ``install`` wrote it."""
    if not path.is_symlink() and not path.exists():
        return "absent"
    text = _read(path)
    first, newline, rest = (text or "").partition("\n")
    if path.is_symlink() or not newline or not first.startswith(_MARK):
        return "foreign"
    return "ours" if first == _mark(rest) else "edited"


def _take_away(paths: Sequence[Path], root: Path, stay: Sequence[Path] = ()) -> list[str]:
    """``stay``: switched off, and left there."""
    enabled = [path.name for path in (*paths, *stay) if path.name in ENABLED]
    try:
        if enabled:
            _systemctl(root, "disable", *enabled)
            _systemctl(root, "stop", *enabled)
        if TIMER in enabled and root == Path("/"):
            with contextlib.suppress(FixError):  # when it ran last: Persistent= of a timer (systemd 243)
                feed(("systemctl", "clean", "--what=state", TIMER))
        for path in paths:
            path.unlink()
        if any(path.suffix for path in paths):
            _systemctl(root, "daemon-reload")
        for name in (path.name for path in paths if path.suffix == ".service"):
            with contextlib.suppress(FixError):  # one that never failed is not known any more
                _systemctl(root, "reset-failed", name)
    except (OSError, FixError) as error:
        raise ScheduleError(f"cannot remove the scheduled check: {error}", "Run it again as root.") from error
    return [f"removed: {path}" for path in paths]


def _systemctl(root: Path, verb: str, *units: str) -> None:
    """Of a tree that is no running system, only what is enabled can be changed."""
    if root == Path("/"):
        feed(("systemctl", verb, *units))
    elif verb in ("enable", "disable"):
        feed(("systemctl", f"--root={root}", verb, *units))


def _refusal(path: Path, state: Whose) -> str:
    return f"{path} was edited since it was written" if state == "edited" else f"{path} is not of fwaudit schedule"


def _at(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _marked(text: str) -> str:
    return f"{_mark(text)}\n{text}"


def _mark(text: str) -> str:
    return _MARK + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _read(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read(_LIMIT)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and readable by everybody as the others beside it are. A link is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # systemd and cron read no name that begins with a dot
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fwaudit-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _restore(path: Path, old: str | None) -> None:
    with contextlib.suppress(OSError):
        if old is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, old)
