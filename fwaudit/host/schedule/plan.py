"""What is to be run, and how often: the same for systemd and cron."""

from __future__ import annotations

from pathlib import Path

from fwaudit.errors import UsageError
from fwaudit.records import dataclass
from fwaudit.render.text import clean


@dataclass(frozen=True, slots=True)
class Plan:
    """A scheduled check. ``command``: what starts fwaudit, an argument list with a full path in front. ``every``:
    hourly, daily, weekly, or an expression of systemd's OnCalendar (for cron: its five fields). ``policy``: a full
    path, None for the usual place. ``outputs``: (format, full path). ``foreign``: a folder that they
    are in is not root's. ``notify``: commands as they are typed; ``mail``: addresses. ``watch``: a service follows the
    host between the checks."""

    command: tuple[str, ...] = ("/usr/bin/fwaudit",)
    every: str = "daily"
    policy: Path | None = None
    outputs: tuple[tuple[str, Path], ...] = ()
    foreign: bool = False
    notify: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    watch: bool = False

    @property
    def hooks(self) -> tuple[str, ...]:
        """The options that name whom to tell."""
        return (*(word for each in self.notify for word in ("--notify-command", each)),
                *(word for each in self.mail for word in ("--notify-mail", each)))

    @property
    def check(self) -> tuple[str, ...]:
        """The command that checks, without whom to tell."""
        return (*self.command, "check", "--quiet", *self._held_to,
                *(word for format, path in self.outputs for word in ("-o", f"{format}={path}")))

    @property
    def follow(self) -> tuple[str, ...]:
        """The command that follows the host."""
        return (*self.command, "watch", *self._held_to, *self.hooks)

    @property
    def _held_to(self) -> tuple[str, ...]:
        return ("--policy", str(self.policy)) if self.policy else ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where it writes besides its own state."""
        return tuple(dict.fromkeys(path.parent for _, path in self.outputs))


def one_line(words: tuple[str, ...]) -> None:
    """Raises UsageError for a word that a line of a unit or of a crontab cannot hold."""
    for word in words:
        if not word.isprintable():
            raise UsageError(f"control characters cannot be scheduled: {clean(word)}", "Give it without them.")
