"""``fwaudit schedule``: the check that runs by itself; put in place, looked at, taken away."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor

if TYPE_CHECKING:
    from fwaudit.host.history import Run
    from fwaudit.host.schedule.plan import Plan
    from fwaudit.host.schedule.state import State
    from fwaudit.render.style import Style

_HELP = """Have the host checked regularly, and soon after Docker or ufw restart; by systemd, or by cron.

install puts it in place, status says how it stands, remove takes exactly that away. tell tells what
check --notify-later has left.

Examples:

  fwaudit schedule install

  fwaudit schedule install --every hourly --notify-mail ops@example.org

  fwaudit schedule install --watch

  fwaudit schedule install --dry-run -o prometheus=/var/lib/prometheus/node-exporter/fwaudit.prom

  fwaudit schedule status
"""
_WHAT = ("install", "status", "remove", "tell")


def schedule(
    what: Annotated[str, typer.Argument(metavar="|".join(_WHAT), help="What to do.")],
    every: Annotated[str, typer.Option(
        "--every", metavar="WHEN", help="hourly, daily, weekly, or an OnCalendar expression of systemd; for cron: five "
        "fields.")] = "daily",
    policy: Annotated[Path | None, typer.Option(
        "--policy", metavar="FILE", help="The policy file; /etc/fwaudit/policy.toml where there is one.")] = None,
    output: Annotated[list[str] | None, typer.Option(
        "--output", "-o", metavar="FORMAT=FILE", help="Write this format to a file as well; may be repeated.")] = None,
    notify_command: Annotated[list[str] | None, typer.Option(
        "--notify-command", metavar="COMMAND", help="Run this when something has changed; may be repeated.")] = None,
    notify_mail: Annotated[list[str] | None, typer.Option(
        "--notify-mail", metavar="ADDRESS", help="Mail this when something has changed; may be repeated.")] = None,
    watch: Annotated[bool, typer.Option(
        "--watch", help="A service as well that says what opens and closes, seconds after it does.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="By cron, although systemd runs here.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the files, and write none.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over, or remove, files that were edited.")] = False,
    root: Annotated[Path, typer.Option(
        "--root", metavar="DIR", help="For a tree that is no running system, as when an image is built.")] = Path("/"),
    history: Annotated[Path | None, typer.Option(
        "--history", metavar="FILE", help="Where runs are written down; /var/lib/fwaudit/history.db.")] = None,
    no_color: NoColor = False,
) -> int:
    from dataclasses import replace

    from fwaudit.errors import UsageError

    if what == "install":
        plan = _plan(every, policy, output or [], notify_command or [], notify_mail or [], root)
        return _install(replace(plan, watch=watch), cron, dry_run, force, root)
    if what == "status":
        return _status(history, no_color)
    if what == "remove":
        return _remove(dry_run, force, root)
    if what == "tell":
        return _tell(history, notify_command or [], notify_mail or [])
    raise UsageError(f"schedule {what}: there is {', '.join(_WHAT)}", "See: fwaudit schedule --help")


schedule.__doc__ = _HELP


def _plan(every: str, policy: Path | None, output: list[str], notify: list[str], mail: list[str], root: Path) -> Plan:
    """What was asked for, with every mistake found that would else show in the night. Raises UsageError."""
    from fwaudit.cli.check import read_outputs
    from fwaudit.cli.policy import read
    from fwaudit.errors import UsageError
    from fwaudit.host.notify import read_hooks
    from fwaudit.host.own import command
    from fwaudit.host.schedule.plan import Plan

    here = root == Path("/")
    hooks = read_hooks(notify, mail, here=here)
    if policy is not None and here:
        read(policy)
    outputs = []
    for format, name in read_outputs(output):
        path = Path(name).absolute() if here else Path(name)
        if not path.is_absolute():
            raise UsageError(f"not a full path: {name}", "With --root, give paths as they will be there.")
        if here and not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", "Make it first, or give another file.")
        outputs.append((format, path))
    foreign = any(path.parent.stat().st_uid != 0 for _, path in outputs if path.parent.is_dir())
    return Plan(command(), every, policy.absolute() if policy else None, tuple(outputs), foreign,
                tuple(map(shlex.join, hooks.commands)), hooks.mail)


def _install(plan: Plan, cron: bool, dry_run: bool, force: bool, root: Path) -> int:
    import socket

    from fwaudit.cli import OK, say
    from fwaudit.cli.policy import DEFAULT
    from fwaudit.host.schedule.install import check_calendar, has_systemd, install, start, texts
    from fwaudit.host.schedule.state import cron_runs
    from fwaudit.host.schedule.units import is_temporary

    by_cron = cron or not has_systemd(root)
    if not by_cron:
        check_calendar(plan.every)
    files = texts(plan, by_cron, socket.gethostname(), root)
    if dry_run:
        sys.stdout.write("\n".join(f"# {path}\n{text}" for path, text in files.items()))
        return OK
    _needs_root()
    for line in install(files, root=root, force=force):
        print(line)
    here = root == Path("/")
    if here and not by_cron:
        start(plan)
    again = "half a minute after Docker or ufw start or ufw's rules change" if not by_cron else "after each boot"
    print(f"The host is checked {_in_words(plan.every, by_cron)}, and {again}."
          + (" The first check runs now." if here and not by_cron else ""))
    if plan.watch:
        print("In between it is watched: journalctl -fu fwaudit-watch")
    if here:
        print("See: fwaudit schedule status")
        if (place := _others_can_write(plan.command)) is not None:
            say(f"fwaudit: {place} can be written by others than root, and root runs it from now on")
            say("  Install fwaudit where root alone can write, as in /opt or /usr.")
        if is_temporary(plan.command):
            say("fwaudit: it lies among temporary files, which are emptied one day, and the check ends then")
            say("  Put it where it can stay, as in /opt, and install the schedule from there.")
        if by_cron and not cron_runs():
            say("fwaudit: no cron runs here, so nothing will be checked until one does")
            say("  Start it: systemctl enable --now cron, or: service cron start")
        if plan.policy is None and not DEFAULT.exists():
            say(f"fwaudit: there is no {DEFAULT}, so the check holds this host to ufw's rules alone")
            say("  Write down what is meant to be open: fwaudit policy init")
    return OK


def _others_can_write(command: tuple[str, ...]) -> Path | None:
    """The first of the program, the folders above it, and the package, that others than root can change."""
    import stat

    import fwaudit

    words = [Path(word.removeprefix("PYTHONPATH=")) for word in command if "/" in word]
    for path in [*words, Path(fwaudit.__file__).parent]:
        for each in (path, *path.resolve().parents):
            try:
                found = each.stat()
            except OSError:
                continue
            loose = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
            if found.st_uid != 0 or loose:
                return each
    return None


def _in_words(every: str, by_cron: bool) -> str:
    words = {"hourly": "every hour", "daily": "every day", "weekly": "every week"}
    return words.get(every, f"at {every}" if not by_cron else f"when cron says {every}")


def _remove(dry_run: bool, force: bool, root: Path) -> int:
    from fwaudit.cli import OK, WARNING, say
    from fwaudit.host.schedule.install import known, remove, whose

    if dry_run:
        for path in known(root):
            if whose(path) == "ours" or (force and whose(path) == "edited"):
                print(f"would be removed: {path}")
        return OK
    _needs_root()
    gone, left = remove(root=root, force=force)
    for line in gone or ([] if left else ["Nothing was scheduled, and nothing is removed."]):
        print(line)
    if gone and root == Path("/"):
        print("Kept: the policy file and the history of checks.")
    for line in left:
        say(f"fwaudit: left as it is: {line}")
    if left:
        say("  It is switched off. What was edited is removed as well with: fwaudit schedule remove --force")
    return WARNING if left else OK


def _tell(history: Path | None, notify: list[str], mail: list[str]) -> int:
    from fwaudit.cli import OK, UNKNOWN
    from fwaudit.cli.telling import say_untold
    from fwaudit.errors import UsageError
    from fwaudit.host.history import PATH, History
    from fwaudit.host.notify import read_hooks
    from fwaudit.host.outbox import deliver

    hooks = read_hooks(notify, mail)
    if not hooks:
        raise UsageError("nobody to tell", "Name somebody: --notify-command or --notify-mail")
    kept = History(history or PATH)
    problems = deliver(kept, hooks) if kept.path.exists() else []
    say_untold(problems)
    return UNKNOWN if problems else OK


def _status(history: Path | None, no_color: bool) -> int:
    from fwaudit.cli import OK, WARNING
    from fwaudit.cli.output import screen
    from fwaudit.errors import HistoryError
    from fwaudit.host.history import PATH, History
    from fwaudit.host.schedule.state import state

    found = state()
    kept, last, trouble = History(history or PATH), None, ""
    try:
        if kept.path.exists():
            last, trouble = next(iter(kept.runs(1)), None), kept.trouble()
    except PermissionError:
        trouble = "only root can read the history"
    except HistoryError as error:
        trouble = str(error)
    sys.stdout.write(_screen(found, last, trouble, screen(no_color)))
    return WARNING if found.problems or not found.on else OK


def _screen(found: State, last: Run | None, trouble: str, style: Style) -> str:
    """Plain words, a line each; what is wrong stands first, with the command that mends it."""
    from fwaudit.render.text import clean, fold

    head = {True: f"Scheduled by {found.by}, and switched on.", False: f"Scheduled by {found.by}, but switched off."}
    lines = [style.paint(head[found.on] if found.by else "Nothing is scheduled.",
                         "good" if found.on and not found.problems else "warn")]
    for problem, mend in found.problems:
        said = [] if not found.by else fold(f"{problem[:1].upper()}{clean(problem[1:])}.", style.width)
        lines += [*(style.paint(line, "warn") for line in said), f"    {mend}"]
    rows = [("When", _when(found))] if found.when else []
    rows += [("Last run", _last(last, trouble, found.running)), *([("Next run", found.next)] if found.next else []),
             *([("Runs", found.command)] if found.command else []),
             *([("Watch", _watch(found))] if found.watch else [])]
    for name, text in rows:
        first, *rest = fold(clean(text), style.width - 11) or [""]
        lines += [f"{name + ':':<11}{first}", *(" " * 11 + line for line in rest)]
    return "\n".join([*lines, ""])


def _when(found: State) -> str:
    when = {"*-*-* *:00:00": "every hour", "*-*-* 00:00:00": "every day", "Mon *-*-* 00:00:00": "every week"}
    again = "; and half a minute after Docker or ufw start, or ufw's rules change" if found.again else ""
    return f"{when.get(found.when, found.when)}{again}"


def _watch(found: State) -> str:
    return "it runs: journalctl -fu fwaudit-watch" if found.watch == "active" else f"it is {found.watch}"


def _last(last: Run | None, trouble: str, running: bool) -> str:
    now = "it runs now" if running else ""
    if last is None:
        return now or (trouble or "none is written down")
    counted = "nothing is open" if not last.breaches else f"{last.breaches} open"
    whole = "" if last.complete else "; not everything could be read"
    text = f"{last.taken_at} (run {last.id}): {last.level}, {counted} that nobody answers for{whole}"
    if trouble:
        text = f"could not check: {trouble.rstrip('.')}. The last that could: {text}"
    return f"{text}; {now}" if now else text


def _needs_root() -> None:
    from fwaudit.errors import UsageError
    from fwaudit.host.collect import is_root

    if not is_root():
        raise UsageError("only root can do that", "Run it with sudo; --dry-run shows what it would do.")
