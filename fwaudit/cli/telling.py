"""Whom ``check`` tells of a change, and when: a change since they were told last, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.host.history import History
    from fwaudit.host.notify import Hooks
    from fwaudit.model.compliance import Checked
    from fwaudit.model.notice import Notice

_NO_HISTORY = "No history is kept, so it is not known whether this is a change; this is told at every check."
_FIRST = "This is the first check of this host that is written down; from now on changes are told."


class Telling:
    """The hooks of one check. ``later``: what is to be told is left in the history, for ``schedule tell``."""

    def __init__(self, hooks: Hooks, later: bool = False) -> None:
        self._hooks = hooks
        self._later = later
        self._kept: History | None = None

    def notices(self, kept: History, checked: Checked) -> list[tuple[str, str]] | None:
        """(hook, notice) of what is new, to be written down with the run; None: nobody is to be told. Raises
        HistoryError."""
        if not self._hooks:
            return None
        from fwaudit.host.outbox import addressed

        notice = self._notice(kept, checked)
        return addressed(notice, self._hooks) if notice is not None else []

    def _notice(self, kept: History, checked: Checked) -> Notice | None:
        from fwaudit.audit import audit
        from fwaudit.errors import SnapshotError
        from fwaudit.render.notice import first, news

        run = kept.told(checked.report.host)
        if run is None:
            return first(checked, _FIRST)
        try:
            before = audit(kept.snapshot(run.id))
        except SnapshotError as error:
            return first(checked, f"Run {run.id} cannot be read any more, so it is not known what has changed: {error}")
        return news(checked, before, "unknown" if kept.trouble() else run.level, run.state)

    def written(self, kept: History) -> None:
        """What ``notices`` gave is in the history."""
        self._kept = kept

    def tell(self, checked: Checked) -> list[str]:
        """Tell it; a line on each that was not told."""
        if not self._hooks:
            return []
        from fwaudit.render.notice import first

        return self._told(lambda: first(checked, _NO_HISTORY))

    @contextmanager
    def failures(self, path: Path | None) -> Iterator[None]:
        """An error inside is told as well, once, and goes on. ``path``: of the history, None where there is none."""
        try:
            yield
        except Exception as error:
            if self._hooks:
                with suppress(Exception):  # that error is what the user has to see, not what comes of it
                    self._tell_trouble(str(error) or type(error).__name__, path)
            raise

    def _tell_trouble(self, why: str, path: Path | None) -> None:
        import socket
        from datetime import datetime, timezone

        from fwaudit.errors import HistoryError
        from fwaudit.host.history import History
        from fwaudit.host.outbox import addressed
        from fwaudit.model.notice import Notice
        from fwaudit.render.text import clean

        host, at = socket.gethostname(), datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = f"UNKNOWN: the check could not be made: {clean(why)}"
        notice = Notice(host, at, "unknown", "", head, f"{head}\n\n{clean(host)}, {at}", {"error": why})
        with suppress(HistoryError):
            if path is not None:
                kept = History(path)
                if kept.trouble() == why:
                    return
                kept.set_trouble(why, addressed(notice, self._hooks))
                self._kept = kept
        say_untold(self._told(lambda: notice))

    def _told(self, otherwise: Callable[[], Notice]) -> list[str]:
        """``otherwise``: what to tell where nothing could be written down."""
        from fwaudit.errors import HistoryError
        from fwaudit.host.notify import notify
        from fwaudit.host.outbox import deliver

        if self._kept is None:
            return notify(otherwise(), self._hooks)
        if self._later:
            return []
        try:
            return deliver(self._kept, self._hooks)
        except HistoryError as error:
            return [str(error)]


def say_untold(problems: Sequence[str]) -> None:
    """On stderr, that somebody was not told."""
    from fwaudit.cli import say

    for each in problems:
        say(f"fwaudit: not told: {each}")
    if problems:
        say("  It is told again with the next check.")
