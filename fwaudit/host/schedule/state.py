"""How the scheduled check stands: who runs it, whether that is switched on, when it ran and when it will."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

from fwaudit.errors import FixError, ScheduleError
from fwaudit.host.schedule.install import CRON, SYSTEMD, has_systemd, known, whose
from fwaudit.host.schedule.units import FOLLOW, RECHECK, SERVICE, TIMER, WATCH
from fwaudit.host.write import feed
from fwaudit.records import dataclass

_LIMIT = 1 << 20
_SHIPPED = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))


@dataclass(frozen=True, slots=True)
class State:
    """``by``: systemd, cron, or empty where nothing is scheduled. ``on``: it will run. ``when``: in the words of who
    runs it. ``next``: when it runs next, empty where that is not known; ``running``: it does now. ``command``: what is
    run. ``again``: it also runs after Docker or ufw have started, or ufw's rules have changed. ``watch``: how the
    service that follows the host stands (``active``, ``activating``, ``failed``, …), empty where there is none.
    ``problems``: (what is not as it should be, the command that mends it)."""

    by: str = ""
    on: bool = False
    when: str = ""
    next: str = ""
    running: bool = False
    command: str = ""
    again: bool = False
    watch: str = ""
    problems: tuple[tuple[str, str], ...] = ()


def state() -> State:
    """Of this host. Raises ScheduleError where systemd does not answer."""
    found = {path: whose(path) for path in known()}
    edited = [(f"{path} was edited since it was written", "fwaudit schedule install --force")
              for path, each in found.items() if each == "edited"]
    units = any(each != "absent" for path, each in found.items() if path.parent == SYSTEMD)
    if found[CRON] != "absent":
        return _cron(edited)
    if units or any((folder / TIMER).exists() for folder in _SHIPPED):
        return _systemd(edited)
    return State(problems=(("nothing is scheduled", "fwaudit schedule install"),))


def _systemd(problems: list[tuple[str, str]]) -> State:
    if not has_systemd():
        return State("systemd", problems=(*problems, ("systemd does not run here", "fwaudit schedule install --cron")))
    timer = _show(TIMER, "UnitFileState", "ActiveState", "NextElapseUSecRealtime", "TimersCalendar")
    again = [_show(name, "UnitFileState").get("UnitFileState") for name in (RECHECK, WATCH)]
    service = _show(SERVICE, "ActiveState", "Result", "ExecStart", "ExecMainStatus")
    on = timer.get("UnitFileState") == "enabled" and timer.get("ActiveState") == "active"
    if not on:
        problems.append(("the timer is switched off", f"systemctl enable --now {TIMER}"))
    if on and again != ["enabled", "enabled"]:
        problems.append(("no check follows when Docker or ufw change",
                         f"systemctl enable {RECHECK} && systemctl enable --now {WATCH}"))
    running = service.get("ActiveState") == "activating"
    status = service.get("ExecMainStatus", "0")
    if service.get("Result", "success") not in ("success", "") and not running:
        why = f"exit {status}" if service["Result"] == "exit-code" else service["Result"]
        if why in ("exit 0", "exit 1"):  # what runs behind the check has failed
            problems.append(("somebody could not be told of a change", f"journalctl -u {SERVICE} -n 50"))
        elif why != "exit 2":
            problems.append((f"the last run did not end well: {why}", f"journalctl -u {SERVICE} -n 50"))
    watch = _watch(problems)
    calendar = re.search(r"OnCalendar=([^;]*?) ;", timer.get("TimersCalendar", ""))
    command = re.search(r"argv\[\]=(.*?) ;", service.get("ExecStart", ""))
    return State("systemd", on, calendar[1] if calendar else "", timer.get("NextElapseUSecRealtime", "") if on else "",
                 running, command[1] if command else "", again == ["enabled", "enabled"], watch, tuple(problems))


def _watch(problems: list[tuple[str, str]]) -> str:
    """How the watch stands, where somebody has asked for one: empty where it is not switched on."""
    found = _show(FOLLOW, "UnitFileState", "ActiveState")
    ours = whose(SYSTEMD / FOLLOW) != "absent"
    stands = found.get("ActiveState", "inactive")
    if not ours and found.get("UnitFileState") != "enabled" and stands == "inactive":
        return ""
    if stands not in ("active", "activating", "reloading"):
        problems.append(("the watch does not run", f"systemctl enable --now {FOLLOW}; journalctl -u {FOLLOW} -n 50"))
    return stands


def _show(unit: str, *names: str) -> dict[str, str]:
    try:
        said = feed(("systemctl", "show", unit, *(f"--property={name}" for name in names)))
    except FixError as error:
        raise ScheduleError(f"systemd does not say how {unit} stands: {error}", f"Try: systemctl status {unit}"
                            ) from error
    return dict(line.partition("=")[::2] for line in said.splitlines())


def _cron(problems: list[tuple[str, str]]) -> State:
    try:
        with CRON.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LIMIT)
    except OSError as error:
        raise ScheduleError(f"cannot read {CRON}: {error.strerror}", "Run it as root.") from error
    entry = re.search(r"^((?:\S+[ \t]+){5})root (.*)$", text, re.MULTILINE)
    on = cron_runs()
    if not on:
        problems.append(("no cron runs here", "systemctl enable --now cron, or: service cron start"))
    if entry is None:
        problems.append((f"{CRON} has no entry", "fwaudit schedule install --cron --force"))
        return State("cron", problems=tuple(problems))
    when = " ".join(entry[1].split())
    return State("cron", on, when, next_time(when, datetime.datetime.now().astimezone()) if on else "", False, entry[2],
                 problems=tuple(problems))


def cron_runs() -> bool:
    """Whether a cron is running, of whatever make."""
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            if name.read_text(encoding="ascii", errors="replace").strip() in ("cron", "crond", "cronie"):
                return True
        except OSError:
            continue
    return False


# ---- when cron runs it next (crontab(5)) -----------------------------------------------------------------------------

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DAYS = 366 * 5
_NAMES = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))} | {
    name: number for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}


def next_time(fields: str, now: datetime.datetime) -> str:
    """When five fields are true next, after ``now`` and in its time zone; empty where they never are."""
    words = fields.split()
    try:
        minutes, hours, days, months, weekdays = (_values(word, low, high) for word, (low, high) in
                                                  zip(words, _RANGES, strict=True))
    except ValueError:
        return ""
    weekdays = {day % 7 for day in weekdays}
    either = words[2][0] != "*" and words[4][0] != "*"  # both are named: one of them is enough
    for later in range(_DAYS):
        day = now.date() + datetime.timedelta(days=later)
        on_day, on_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        if day.month not in months or not ((on_day or on_weekday) if either else (on_day and on_weekday)):
            continue
        for hour, minute in ((hour, minute) for hour in sorted(hours) for minute in sorted(minutes)):
            when = datetime.datetime.combine(day, datetime.time(hour, minute), now.tzinfo)
            if when > now:
                return when.strftime("%a %Y-%m-%d %H:%M:%S %Z")
    return ""


def _values(word: str, low: int, high: int) -> set[int]:
    return {value for part in word.split(",") for value in _part(part, low, high)}


def _part(part: str, low: int, high: int) -> Iterator[int]:
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    lowest, highest = low, high
    if span != "*":
        low, high = _number(first), _number(last) if dash else (high if step else _number(first))
    if not lowest <= low <= high <= highest:
        raise ValueError(part)
    yield from range(low, high + 1, int(step) if step else 1)


def _number(word: str) -> int:
    return _NAMES.get(word.lower()) or int(word) if word.lower() != "sun" else 0
