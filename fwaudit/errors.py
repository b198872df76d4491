"""The exception tree. Each error says what, where, and (``hint``) what to do next, in one line each.

    FwauditError
    ├── UsageError          the command line asks for something that cannot be done
    ├── SnapshotError       a snapshot cannot be read: not an archive, refused member, too large
    ├── ParseError          a source inside a snapshot does not read: names the source and the line
    ├── CollectError        the host cannot be asked at all (no root, no such platform)
    ├── PreviewError        what would be cannot be told: an engine whose way of writing rules is not known
    ├── HistoryError        the database of earlier checks cannot be read or written
    ├── ScheduleError       the scheduled check cannot be put in place, or taken away
    └── FixError            a change of the firewall that is refused, or failed; the message says what the host is now

Everything below the command line raises only these; anything else is a bug.
"""

from __future__ import annotations


class FwauditError(Exception):
    """Base of all errors that a user may meet. ``str(error)`` is one line; ``hint`` is the next thing to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(FwauditError):
    """The command line asks for something that cannot be done."""


class SnapshotError(FwauditError):
    """A snapshot as a whole cannot be read."""


class ParseError(FwauditError):
    """One source does not read. ``source`` is its name in the snapshot, ``line`` is 1-based, 0 where unknown."""

    def __init__(self, source: str, line: int, message: str, hint: str = "") -> None:
        where = f"{source} line {line}" if line else source
        super().__init__(f"{where}: {message}", hint)
        self.source = source
        self.line = line


class CollectError(FwauditError):
    """The host cannot be asked at all."""


class PreviewError(FwauditError):
    """What a Compose file would make of the host cannot be told at all."""


class HistoryError(FwauditError):
    """The database of earlier checks cannot be read or written."""


class ScheduleError(FwauditError):
    """The scheduled check cannot be put in place, or taken away."""


class FixError(FwauditError):
    """A fix that was refused, or failed. The message says whether anything was changed, and whether it was taken back.

    ``reverted``: True where something was loaded and has been taken back; None where nothing was loaded.
    """

    def __init__(self, message: str, hint: str = "", reverted: bool | None = None) -> None:
        super().__init__(message, hint)
        self.reverted = reverted
