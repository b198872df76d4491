"""Tell a change to whoever asked for it: commands, and e-mail through the sendmail of this host.

``notify(notice, read_hooks(commands, addresses))`` runs every hook and returns what went wrong, a line on each; empty:
all were told. It raises nothing, and a hook that hangs is ended.

A command is an argument list (no shell). On stdin it gets the text for people, and as the last line all of it as JSON;
in its environment ``FWAUDIT_HOST``, ``FWAUDIT_LEVEL``, ``FWAUDIT_WAS``, ``FWAUDIT_HEADLINE`` and ``FWAUDIT_AT``. Names
in a notice come from containers and are hostile: they are never arguments, and never lines of a mail's head.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from fwaudit.errors import UsageError
from fwaudit.host.run import PATH
from fwaudit.model.notice import Notice
from fwaudit.render.text import clean, shorten

TIMEOUT = 30.0
"""Seconds that a hook may take."""

_SENDMAIL = "/usr/sbin/sendmail"
# RFC 5321 without quoted local parts and comments; a name without a host is a user of this one. No leading dash: it
# would be an option to some sendmail.
_ADDRESS = re.compile(r"[A-Za-z0-9_+=.][A-Za-z0-9_+=.%-]{0,63}(@[A-Za-z0-9][A-Za-z0-9.-]{0,253})?")
_LONGEST = 900
_STDERR = 4096


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom to tell: argument lists of commands, and addresses."""

    commands: tuple[tuple[str, ...], ...] = ()
    mail: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commands or self.mail)


def read_hooks(commands: Iterable[str] = (), mail: Iterable[str] = (), here: bool = True) -> Hooks:
    """Hooks as they are typed: a command with its arguments in one text, quoted as for a shell. Raises UsageError, also
    where a program is missing, unless they are for another machine than ``here``."""
    parsed = []
    for each in commands:
        try:
            argv = tuple(shlex.split(each))
        except ValueError as error:
            raise UsageError(f"not a command: {clean(each)}: {error}", "Quote it as for a shell.") from error
        if not argv or "\0" in each:
            raise UsageError("an empty command was given for a notification", "Give it as --notify-command 'CMD ARG'.")
        if here and _which(argv[0]) is None:
            raise UsageError(f"no such command: {clean(argv[0])}", "Give the full path of a program that can be run.")
        # it is run from /, and perhaps by somebody else
        parsed.append((str(Path(argv[0]).absolute()), *argv[1:]) if here and "/" in argv[0] else argv)
    addresses = tuple(mail)
    for address in addresses:
        if _ADDRESS.fullmatch(address) is None:
            raise UsageError(f"not a mail address: {clean(address)}", "Write it as NAME@HOST, one for each option.")
    if here and addresses and _sendmail() is None:
        raise UsageError(f"no {_SENDMAIL} here, so no mail can be sent",
                         "Install one: apt-get install msmtp-mta, or dma, or postfix")
    return Hooks(tuple(parsed), addresses)


def notify(notice: Notice, hooks: Hooks, timeout: float = TIMEOUT) -> list[str]:
    """Run every hook, one after the other; a line on each that failed."""
    environment = {**os.environ, **_variables(notice)}
    problems = [_run(argv, _for_command(notice), environment, timeout) for argv in hooks.commands]
    problems += [_mail(notice, address, environment, timeout) for address in hooks.mail]
    return [each for each in problems if each]


def _variables(notice: Notice) -> dict[str, str]:
    found = {"HOST": notice.host, "LEVEL": notice.level, "WAS": notice.was, "HEADLINE": notice.headline,
             "AT": notice.at}
    return {f"FWAUDIT_{name}": _line(value) for name, value in found.items()}


def _line(text: str) -> str:
    """One line that a locale without UTF-8 can carry, too."""
    return shorten(clean(text), _LONGEST)


def _for_command(notice: Notice) -> bytes:
    data = json.dumps({"schema_version": 1, **asdict(notice)}, ensure_ascii=True, default=str)
    return f"{_text(notice)}\n{data}\n".encode("utf-8", "backslashreplace")


def _text(notice: Notice) -> str:
    """The text, and nothing in it that a terminal or a mail program would obey."""
    return "".join(f"{clean(line)}\n" for line in notice.text.split("\n")).rstrip("\n") + "\n"


def _mail(notice: Notice, address: str, environment: Mapping[str, str], timeout: float) -> str:
    from email.message import EmailMessage
    from email.utils import format_datetime, localtime

    program = _sendmail()
    if program is None:
        return f"mail to {address}: no {_SENDMAIL} here"
    mail = EmailMessage()
    mail["To"] = address
    mail["Subject"] = shorten(_line(f"fwaudit on {notice.host}: {notice.headline}"), 200)
    mail["Date"] = format_datetime(localtime())
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer from those on holiday
    mail["X-Fwaudit-Level"] = _line(notice.level)
    text = _text(notice).encode("utf-8", "backslashreplace").decode()
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    # -oi: a line with one dot is a line; -t: the recipient is in the head, where it has been checked
    problem = _run((program, "-oi", "-t"), mail.as_bytes(), environment, timeout)
    return f"mail to {address}: {problem}" if problem else ""


def _sendmail() -> str | None:
    return _SENDMAIL if os.access(_SENDMAIL, os.X_OK) else shutil.which("sendmail", path=PATH)


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PATH}")


def _run(argv: Sequence[str], stdin: bytes, environment: Mapping[str, str], timeout: float) -> str:
    """What went wrong, empty where nothing did. Its stdout is nobody's: ours has the report."""
    name = clean(Path(argv[0]).name)
    program = _which(argv[0])
    if program is None:
        return f"{name}: no such command"
    # files in memory: a hook that reads nothing blocks nobody, and a child it leaves behind holds no pipe of ours
    with _memory() as given, _memory() as said:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen([program, *argv[1:]], stdin=given, stdout=subprocess.DEVNULL, stderr=said,
                                       env=dict(environment), cwd="/", start_new_session=True)
        except (OSError, ValueError) as error:
            return f"{name}: {getattr(error, 'strerror', None) or error}"
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"{name}: did not end within {timeout:g} s, and was ended"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status == 0:
            return ""
        said.seek(0)
        lines = said.read(_STDERR).decode("utf-8", "replace").strip().splitlines()
    why = f"ended by signal {-status}" if status < 0 else f"exit {status}"
    return f"{name}: {why}" + (f": {shorten(clean(lines[0]), 200)}" if lines else "")


def _memory() -> BinaryIO:
    return cast("BinaryIO", os.fdopen(os.memfd_create("fwaudit"), "w+b", buffering=0))
