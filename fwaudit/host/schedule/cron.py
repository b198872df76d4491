"""The check for hosts without systemd: one file in /etc/cron.d. cron mails what is printed, so it prints nothing where
all is well."""

from __future__ import annotations

import re
import shlex
import zlib

from fwaudit.errors import UsageError
from fwaudit.host.run import PATH
from fwaudit.host.schedule.plan import Plan, one_line
from fwaudit.render.text import clean

LOCK = "/run/lock/fwaudit-check.lock"
_FIELD = r"[0-9A-Za-z*/,-]+"
_FIVE = re.compile(rf"{_FIELD}(?:[ \t]+{_FIELD}){{4}}")


def crontab(plan: Plan, host: str = "") -> str:
    """The file. ``host``: its name, so that many hosts do not all check in the same minute. Raises UsageError."""
    one_line((*plan.command, *plan.check, *plan.hooks, plan.every))
    # who is told by hooks is told of changes alone, and not by cron of every run
    line = f"{shlex.join((*plan.check, *plan.hooks))}{' >/dev/null' if plan.hooks else ''}"
    # two never run at once; % would be a newline (crontab(5))
    command = f"flock -n {LOCK} {line}".replace("%", "\\%")
    return (f"SHELL=/bin/sh\nPATH={PATH}\n"
            f"{_when(plan.every, host)} root {command}\n"
            f"@reboot root sleep 60; {command}\n")


def _when(every: str, host: str) -> str:
    number = zlib.crc32(host.encode("utf-8", "backslashreplace"))
    minute, hour, day = number % 60, number // 60 % 6, number // 360 % 7
    known = {"hourly": f"{minute} * * * *", "daily": f"{minute} {hour} * * *", "weekly": f"{minute} {hour} * * {day}"}
    if every in known:
        return known[every]
    if _FIVE.fullmatch(every) is None:
        raise UsageError(f"cron does not know {clean(every)}",
                         "Say hourly, daily, weekly, or five fields: --every '*/15 * * * *'")
    return every
