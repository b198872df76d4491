"""Whom ``check`` tells of a change, and when: a change since they were told last, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from fwaudit.records import dataclass

if TYPE_CHECKING:
    from fwaudit.host.history import Run
    from fwaudit.model.compliance import Checked
    from fwaudit.model.notice import Notice
    from fwaudit.model.report import Report

_NO_HISTORY = "No history is kept, so it is not known whether this is a change; this is told at every check."
_FIRST = "This is the first check of this host that is written down; from now on changes are told."


@dataclass(frozen=True, slots=True)
class Past:
    """What a check wants to know of earlier ones, read while it still may. ``latest``: the run before this one;
    ``told``: the one that whoever wants to be told was told of last; each with its snapshot, not unpacked yet: those
    who are hostile had a hand in it. ``trouble``: why the last check could not be made. ``since``: identity
    of what was a breach then → when a check first found it."""

    latest: Run | None = None
    latest_packed: bytes = b""
    told: Run | None = None
    told_packed: bytes = b""
    trouble: str = ""
    since: Mapping[str, str] = field(default_factory=dict)


def read_past(path: Path, host: str, hooks: bool) -> Past:
    """Raises HistoryError."""
    from fwaudit.host.history import History

    kept = History(path)
    kept.upgrade()
    latest = next(iter(kept.runs(1)), None)
    told = kept.told(host) if hooks else None
    return Past(latest, kept.packed(0) if latest else b"", told, kept.packed(told.id) if told else b"", kept.trouble(),
                kept.open_since())


def report_of(packed: bytes, run: Run) -> Report:
    """Raises SnapshotError."""
    from fwaudit.audit import audit
    from fwaudit.host.snapshot_file import unpack

    return audit(unpack(packed, f"run {run.id}"))


def notice_of(past: Past | None, checked: Checked, latest: Report | None = None) -> Notice | None:
    """What is new; None: nothing. ``past`` None: nobody knows. ``latest``: that run's report, where it is known."""
    from fwaudit.errors import SnapshotError
    from fwaudit.render.notice import first, news

    if past is None:
        return first(checked, _NO_HISTORY)
    run = past.told
    if run is None:
        return first(checked, _FIRST)
    try:
        same = past.latest is not None and past.latest.id == run.id
        before = latest if latest is not None and same else report_of(past.told_packed, run)
    except SnapshotError as error:
        return first(checked, f"Run {run.id} cannot be read any more, so it is not known what has changed: {error}")
    return news(checked, before, "unknown" if past.trouble else run.level, run.state)


def trouble_of(why: str) -> Notice:
    """The notice where no check could be made."""
    import socket
    from datetime import datetime, timezone

    from fwaudit.model.notice import Notice
    from fwaudit.render.text import clean

    host, at = socket.gethostname(), datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    head = f"UNKNOWN: the check could not be made: {clean(why)}"
    return Notice(host, at, "unknown", "", head, f"{head}\n\n{clean(host)}, {at}", {"error": why})


def say_untold(problems: Sequence[str]) -> None:
    """On stderr, that somebody was not told."""
    from fwaudit.cli import say

    for each in problems:
        say(f"fwaudit: not told: {each}")
    if problems:
        say("  It is told again with the next check.")
