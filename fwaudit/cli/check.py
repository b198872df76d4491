"""``fwaudit check``: hold the host to the policy; for a timer, a monitoring system, a pipeline."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import DropPrivileges, NoColor, Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.cli.deeds import Deeds
    from fwaudit.cli.telling import Past
    from fwaudit.errors import FwauditError
    from fwaudit.model.compliance import Checked, Policy
    from fwaudit.model.notice import Notice

_HELP = """Hold the host to the firewall policy, and to what is accepted in the policy file.

Exit codes, as monitoring plugins have them: 0 as intended; 1 warnings; 2 something is reached that nobody answers for;
3 it could not look. A run that could not look is never 0.

Examples:

  fwaudit check

  fwaudit check --policy policy.toml --format nagios

  fwaudit check --compliance cis-docker

  fwaudit check -o prometheus=/var/lib/node_exporter/fwaudit.prom -o sarif=fwaudit.sarif
"""


def check(
    policy: Annotated[Path | None, typer.Option(
        "--policy", metavar="FILE", help="The policy file; /etc/fwaudit/policy.toml where there is one.")] = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="What goes to stdout.")] = "table",
    output: Annotated[list[str] | None, typer.Option(
        "--output", "-o", metavar="FORMAT=FILE", help="Write this format to a file as well; may be repeated.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where all is well.")] = False,
    history: Annotated[Path | None, typer.Option(
        "--history", metavar="FILE", help="Where runs are written down; /var/lib/fwaudit/history.db for root.")] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Do not write this run down.")] = False,
    compliance: Annotated[str, typer.Option(
        "--compliance", metavar="BENCHMARK", help="Show the table of a benchmark as well: cis-docker.")] = "",
    notify_command: Annotated[list[str] | None, typer.Option(
        "--notify-command", metavar="COMMAND", help="Run this when something has changed; may be repeated.")] = None,
    notify_mail: Annotated[list[str] | None, typer.Option(
        "--notify-mail", metavar="ADDRESS", help="Mail this when something has changed; may be repeated.")] = None,
    notify_later: Annotated[bool, typer.Option(
        "--notify-later", help="Leave what is to be told in the history, for `fwaudit schedule tell`.")] = False,
    snapshot: Recorded = None,
    timeout: Timeout = 30.0,
    drop_privileges: DropPrivileges = None,
    no_color: NoColor = False,
) -> int:
    import time
    from dataclasses import replace

    from fwaudit.audit import audit, with_benchmark
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, complain
    from fwaudit.cli.deeds import Deeds, account_of, as_data, failures, without_privileges
    from fwaudit.cli.monitoring import failures_told
    from fwaudit.cli.source import load, without_collector, working
    from fwaudit.cli.telling import say_untold
    from fwaudit.errors import UsageError
    from fwaudit.exposure.compliance import check as judge
    from fwaudit.host.notify import read_hooks

    wanted = read_outputs([f"{format}=-", *(output or [])])
    if compliance not in ("", "cis-docker"):
        raise UsageError(f"no such benchmark: {compliance}", "There is: cis-docker.")
    account = account_of(drop_privileges)
    book = None if no_history or (history is None and snapshot is not None) else _book(history)
    hooks = read_hooks(notify_command or (), notify_mail or ())
    doing = [Deeds([path for _, path in wanted[1:]], book, hooks, notify_later)]
    start = time.monotonic()
    with without_collector(), failures_told(wanted, doing):
        with failures(doing):
            held_to = read_policy(policy)
            taken = doing[0].taken = load(snapshot, timeout)
            past = _past(book, taken.host, bool(hooks))
            doing.append(without_privileges(doing[0], account))
            with working("working out who can reach what"):
                checked = judge(audit(taken), held_to, datetime.datetime.now(datetime.timezone.utc).date())
                checked = with_benchmark(checked, taken) if compliance else checked
            checked = replace(checked, seconds=time.monotonic() - start, since=past.since if past else None)
            code = code_of(checked)
            unwritten = _files(checked, wanted[1:], doing[-1], code == CRITICAL)
        silent = quiet and code == OK
        notice = _remember(checked, past, doing[-1], bool(hooks), silent)
        if not silent:
            _write(checked, wanted[:1], doing[-1], no_color)
    for error in unwritten:
        complain(error)
    untold = doing[-1].tell(as_data(notice)) if hooks else []
    say_untold(untold)
    return UNKNOWN if untold and code != CRITICAL else code  # a change that nobody hears of is no success


check.__doc__ = _HELP


def _book(path: Path | None) -> Path | None:
    """Where runs are written down; None: nowhere."""
    from fwaudit.host.collect import is_root
    from fwaudit.host.history import PATH

    return path or (PATH if is_root() else None)


def _past(book: Path | None, host: str, hooks: bool) -> Past | None:
    """What earlier checks found; None where nobody writes them down. A history that is damaged, locked or on a full
    disk is no reason not to check: it is said, and the check goes on."""
    from fwaudit.cli.telling import read_past
    from fwaudit.errors import HistoryError

    if book is None:
        return None
    try:
        return read_past(book, host, hooks)
    except HistoryError as error:
        _not_written(error)
        return None


def _remember(checked: Checked, past: Past | None, deeds: Deeds, hooks: bool, silent: bool) -> Notice | None:
    """Say what opened and closed since the last run, and write this one down; what there is to tell."""
    from fwaudit.cli import say
    from fwaudit.cli.deeds import as_data
    from fwaudit.cli.telling import notice_of, report_of
    from fwaudit.errors import FwauditError
    from fwaudit.exposure.diff import compare
    from fwaudit.render.diff import headline
    from fwaudit.render.notice import state

    if past is None:
        return notice_of(None, checked) if hooks else None
    before = None
    try:
        if past.latest is not None and not silent:
            before = report_of(past.latest_packed, past.latest)
            found = compare(before, checked.report)
            if found:
                said, _ = headline(before, checked.report, found)
                say(f"fwaudit: since {past.latest.taken_at}: {said} See: fwaudit history")
    except FwauditError as error:
        say(f"fwaudit: what has changed since run {past.latest.id if past.latest else 0} is not known: {error}")
    notice = notice_of(past, checked, before) if hooks else None
    try:
        deeds.record(checked.level, checked.report.complete, breaches_of(checked), state(checked), as_data(notice))
    except FwauditError as error:
        _not_written(error)
        return notice_of(None, checked) if hooks else None
    return notice


def breaches_of(checked: Checked) -> dict[str, str]:
    """Identity → name of every port that nobody answers for, as the history has them."""
    from fwaudit.render.check import short_name
    from fwaudit.render.places import exposure_identity

    open_now = [each.exposure for each in checked.judged if each.standing == "breach"]
    return {exposure_identity(checked.report, each): f"{short_name(each)} IPv{each.family}" for each in open_now}


def _not_written(error: FwauditError) -> None:
    from fwaudit.cli import say

    say(f"fwaudit: this run is not written down: {error}")
    if error.hint:
        say(f"  {error.hint}")


def code_of(checked: Checked) -> int:
    """The exit code of a level."""
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING

    return {"ok": OK, "warning": WARNING, "critical": CRITICAL, "unknown": UNKNOWN}[checked.level]


def read_policy(path: Path | None) -> Policy:
    """The policy file that was named, or the usual one where it is there; else one that accepts nothing."""
    from fwaudit.cli.policy import DEFAULT, read
    from fwaudit.model.compliance import Policy

    if path is None and not DEFAULT.exists():
        return Policy()
    return read(path or DEFAULT)


def read_outputs(outputs: Iterable[str]) -> list[tuple[str, str]]:
    """(format, file) of all that is to be written; ``-`` is stdout. Raises UsageError, before anything is read."""
    from fwaudit.errors import UsageError
    from fwaudit.render.checked import FORMATS

    wanted = []
    for each in outputs:
        name, sign, path = each.partition("=")
        if not sign or not path:
            raise UsageError(f"not a format and a file: {each}", "Write it as sarif=FILE.")
        wanted.append((name, path))
    for name, _ in wanted:
        if name != "table" and name not in FORMATS:
            raise UsageError(f"no such format: {name}", f"There are: {', '.join(('table', *FORMATS))}.")
    return wanted


def _files(checked: Checked, wanted: list[tuple[str, str]], deeds: Deeds, critical: bool) -> list[FwauditError]:
    """Write all files; those that could not be are no reason to leave out the others. Where the host itself is
    critical, that is what has to be said, so that errors are returned; else the first is raised."""
    from fwaudit.cli.monitoring import told
    from fwaudit.errors import FwauditError

    errors = []
    for each in wanted:
        try:
            _write(checked, [each], deeds)
        except FwauditError as error:
            errors.append(error)
            if critical:
                told(each, error, deeds)
    if errors and not critical:
        raise errors[0]
    return errors


def _write(checked: Checked, wanted: list[tuple[str, str]], deeds: Deeds, no_color: bool = False) -> None:
    from fwaudit.cli.deeds import put
    from fwaudit.cli.output import READABLE, SECRET, screen
    from fwaudit.render.check import render
    from fwaudit.render.checked import FORMATS
    from fwaudit.render.style import Style

    for name, path in wanted:
        if name == "table":
            put(deeds, render(checked, screen(no_color) if path == "-" else Style()), path, SECRET)
        else:
            put(deeds, FORMATS[name](checked), path, READABLE if name == "prometheus" else SECRET)
