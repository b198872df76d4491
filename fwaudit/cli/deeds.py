"""What is done when all has been read and judged: files are written, the run is written down, people are told. It is
all that still needs privileges; the rest gives them up before (``without_privileges``)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pwd

    from fwaudit.host.notify import Hooks
    from fwaudit.model.notice import Notice
    from fwaudit.model.snapshot import Snapshot

METHODS = frozenset({"put", "fail", "record", "tell", "trouble"})


class Deeds:
    """Its methods take and give nothing but text, numbers, lists and mappings of them: another process may do them.

    ``files``: where it may write; ``book``: the history, None where none is kept; ``later``: whoever is to be told is
    told by ``schedule tell``.
    """

    def __init__(self, files: Collection[str], book: Path | None = None, hooks: Hooks | None = None,
                 later: bool = False) -> None:
        self.files = tuple(files)
        self.book = book
        self.hooks = hooks
        self.later = later
        self.taken: Snapshot | None = None
        self._written = False

    def put(self, text: str, path: str, mode: int) -> None:
        """Write one of the files. Raises UsageError."""
        from fwaudit.cli.output import write
        from fwaudit.errors import UsageError

        if path not in self.files:
            raise UsageError(f"not one of the files to write: {path}")
        write(text, path, mode)

    def fail(self, format: str, path: str, why: str) -> None:
        """Have one of the files say that nothing could be found out. Raises UsageError."""
        from fwaudit.cli.monitoring import write_failure

        if path in self.files:
            write_failure(format, path, why)

    def record(self, level: str, complete: bool, opened: Mapping[str, str], state: str,
               notice: Mapping[str, Any] | None) -> None:
        """Write down the run of the snapshot that was taken, and with it what is to be told. Raises HistoryError."""
        from fwaudit.host.history import History
        from fwaudit.host.outbox import addressed
        from fwaudit.model.notice import Notice

        if self.book is None or self.taken is None:
            return
        untold = None
        if self.hooks:
            untold = addressed(Notice(**notice), self.hooks) if notice else []
        History(self.book).record(self.taken, level, complete, opened, state, untold)
        self._written = True

    def tell(self, otherwise: Mapping[str, Any] | None) -> list[str]:
        """Tell what was written down, and where nothing was, this; a line on each who was not told."""
        from fwaudit.errors import HistoryError
        from fwaudit.host.history import History
        from fwaudit.host.notify import notify
        from fwaudit.host.outbox import deliver
        from fwaudit.model.notice import Notice

        if not self.hooks:
            return []
        if not self._written or self.book is None:
            return notify(Notice(**otherwise), self.hooks) if otherwise else []
        try:
            return [] if self.later else deliver(History(self.book), self.hooks)
        except HistoryError as error:
            return [str(error)]

    def trouble(self, why: str, notice: Mapping[str, Any]) -> list[str]:
        """Write down that no check could be made, and tell it, once; a line on each who was not told."""
        from fwaudit.errors import HistoryError
        from fwaudit.host.history import History
        from fwaudit.host.outbox import addressed
        from fwaudit.model.notice import Notice

        if not self.hooks:
            return []
        with suppress(HistoryError):
            if self.book is not None:
                kept = History(self.book)
                kept.upgrade()
                if kept.trouble() != why:
                    kept.set_trouble(why, addressed(Notice(**notice), self.hooks))
                self._written = True
        return self.tell(notice)


def put(deeds: Deeds, text: str, path: str, mode: int) -> None:
    """Write to a file, or to this process' own stdout."""
    if path in ("", "-"):
        from fwaudit.cli.output import write

        write(text, path, mode)
    else:
        deeds.put(text, path, mode)


def as_data(notice: Notice | None) -> dict[str, Any] | None:
    """A notice as ``Deeds`` takes it."""
    return None if notice is None else asdict(notice)


@contextmanager
def failures(doing: Sequence[Deeds]) -> Iterator[None]:
    """An error inside is told to the hooks as well, and goes on. ``doing``: the last is who tells by then."""
    try:
        yield
    except Exception as error:
        with suppress(Exception):  # that error is what the user has to see, not what comes of it
            from fwaudit.cli.telling import say_untold, trouble_of

            why = str(error) or type(error).__name__
            say_untold(doing[-1].trouble(why, as_data(trouble_of(why)) or {}))
        raise


def account_of(name: str | None) -> pwd.struct_passwd | None:
    """Who goes on when all has been read; None: the same. Raises UsageError, before anything is read, where that user
    cannot."""
    if name is None:
        return None
    from fwaudit.errors import UsageError
    from fwaudit.host.privileges import code, unreadable, user

    if os.geteuid() != 0:
        raise UsageError("only root has privileges to drop", "Run it with sudo, or without --drop-privileges.")
    found = user(name.removeprefix("="))
    if folder := unreadable(found, code()):
        raise UsageError(f"{found.pw_name} cannot read the code that is run, in {folder}",
                         "Install fwaudit where everybody can read it, as in /opt or /usr.")
    return found


def without_privileges(deeds: Deeds, account: pwd.struct_passwd | None) -> Deeds:
    """Give up what is not needed any more: everything has been read. Returns who does the deeds from now on: these,
    or a process that keeps the privileges for them. Raises UsageError where another user was asked for in vain."""
    from fwaudit.cli import is_alone
    from fwaudit.errors import UsageError

    if os.geteuid() != 0 or not (is_alone() or account):
        return deeds
    from fwaudit.host.privileges import code, give_up, needed

    others = account is not None or bool(deeds.hooks and not deeds.later)
    writes = [] if others else [*(each for each in deeds.files if each not in ("", "-")),
                                *([str(deeds.book)] if deeds.book else [])]
    try:
        left = () if account else needed(writes, code())
        if others:
            from fwaudit.host.keeper import keep

            deeds = keep(deeds, METHODS)
        give_up(account, left)
    except OSError as error:
        if account is not None:
            raise UsageError(f"cannot become {account.pw_name}: {error.strerror}",
                             "Run it as root, without --drop-privileges.") from error
    return deeds
