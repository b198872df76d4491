"""Notices on their way: written down together with the run that they are about, and gone when they have been told.

So none is lost where a mail server is away or a process is killed: the next check tells it. It may come twice; it is
never forgotten (but for what nobody could be told a thousand notices ago).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from fwaudit.host.history import History
from fwaudit.host.notify import Hooks, notify
from fwaudit.model.notice import Notice


def addressed(notice: Notice, hooks: Hooks) -> list[tuple[str, str]]:
    """(hook, notice) for ``History.record``."""
    text = json.dumps(asdict(notice), default=str)
    return [(name, text) for name, _ in _each(hooks)]


def deliver(history: History, hooks: Hooks) -> list[str]:
    """Tell each hook what it has not been told, the oldest first; a line on each that failed. What failed stays.
    Raises HistoryError."""
    problems = []
    for name, hook in _each(hooks):
        for number, text in history.untold(name):
            failed = notify(Notice(**json.loads(text)), hook)
            if failed:
                problems += failed
                break  # in order, and a mail server that is away is not asked a thousand times
            history.tell(number)
    return problems


def _each(hooks: Hooks) -> Iterator[tuple[str, Hooks]]:
    for argv in hooks.commands:
        yield json.dumps(argv), Hooks(commands=(argv,))
    for address in hooks.mail:
        yield address, Hooks(mail=(address,))
