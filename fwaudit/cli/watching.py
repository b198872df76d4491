"""What ``watch`` does at each turn: has an audit made in a child, prints what it gives, tells who wants to be told."""

from __future__ import annotations

import itertools
import json
import sys
from collections import deque
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fwaudit.cli.watch_audit import Asked
    from fwaudit.host.watch.events import Event
    from fwaudit.host.watch.polls import Sockets
    from fwaudit.model.compliance import Policy
    from fwaudit.model.notice import Notice

_KEPT_NOTICES = 100
_RETRY = 60.0
"""Seconds until whoever could not be told is told again."""


class Following:
    """The follower of the loop (host/watch/loop.py)."""

    def __init__(self, asked: Asked, sockets: Sockets) -> None:
        from fwaudit.cli.check import read_policy

        self.blind = False
        self._asked = asked
        self._sockets = sockets
        self._policy: Policy = read_policy(asked.policy)
        self._reference: str | None = None
        self._lost: set[str] = set()
        self._untold: deque[tuple[int, Notice]] = deque(maxlen=_KEPT_NOTICES)
        self._numbers = itertools.count(1)
        # notices that were written down, and as many of them as have been told; the first: what an earlier process left
        self._written, self._delivered = int(asked.history is not None and bool(asked.hooks)), 0
        self._again = 0.0
        self._said: dict[str, str] = {}
        _load_everything()

    # ---- in a child -------------------------------------------------------------------------------------------------

    def audit(self) -> bytes:
        from fwaudit.cli.source import without_collector
        from fwaudit.cli.watch_audit import look
        from fwaudit.host.collect import collect

        with without_collector():
            given = look(self._asked, self._policy, self._reference, self._lost,
                         collect(timeout=self._asked.timeout))
            return json.dumps(asdict(given)).encode()

    def tell(self) -> bytes:
        from fwaudit.errors import HistoryError
        from fwaudit.host.history import History
        from fwaudit.host.notify import notify
        from fwaudit.host.outbox import deliver

        last, problems = 0, []
        if self._written > self._delivered and self._asked.history is not None:
            try:
                problems += deliver(History(self._asked.history), self._asked.hooks)
            except HistoryError as error:
                problems.append(str(error))
        for number, notice in self._untold:
            failed = notify(notice, self._asked.hooks)
            problems += failed
            if failed:
                break
            last = number
        return json.dumps([last, self._written, problems]).encode()

    # ---- here -------------------------------------------------------------------------------------------------------

    def audited(self, given: bytes | None, why: str) -> bool:
        from fwaudit.cli.watch_audit import Given
        from fwaudit.host.watch import systemd

        try:
            seen = Given(**json.loads(given)) if given is not None else None
        except (ValueError, TypeError):
            seen, why = None, "what it gave does not read"
        if seen is None:
            return self._failed(f"the audit failed: {why}; what is open now could not be determined")
        self._trouble("audit", "")
        self._trouble("history", "; ".join(seen.problems))
        _print(seen.text)
        self._reference, self.blind, self._sockets.pids = seen.reference, seen.blind, tuple(map(int, seen.pids))
        systemd.notify("READY=1")
        if seen.notice is not None:
            self._keep(seen.notice)
        self._written += seen.written
        return bool(seen.notice or seen.written)

    def _failed(self, why: str) -> bool:
        """Said, and told, when it begins; it is tried again soon."""
        from fwaudit.cli.telling import trouble_of

        self.blind = True
        if not self._trouble("audit", why) or not self._asked.hooks:
            return False
        self._keep(asdict(trouble_of(why)))
        return True

    def _keep(self, notice: dict[str, Any]) -> None:
        """Until it has been told."""
        from fwaudit.model.notice import Notice

        if len(self._untold) == _KEPT_NOTICES:
            self._trouble("dropped", "nobody could be told for so long that old notices are given up")
        self._untold.append((next(self._numbers), Notice(**notice)))

    def told(self, given: bytes | None, why: str) -> bool:
        from fwaudit.host.watch.loop import clock

        failed: list[Any] = [0, self._delivered, [why]]
        last, delivered, problems = failed if given is None else json.loads(given)
        while self._untold and self._untold[0][0] <= last:
            self._untold.popleft()
        if not problems:
            self._delivered = delivered
        self._trouble("notify", f"not told: {'; '.join(problems)}; it is tried again" if problems else "")
        self._again = clock() + _RETRY
        return self._is_untold() and not problems

    def _is_untold(self) -> bool:
        return bool(self._untold) or self._written > self._delivered

    def heard(self, event: Event) -> None:
        from fwaudit.cli.check import read_policy
        from fwaudit.errors import FwauditError

        if event.source == "policy":
            try:
                self._policy = read_policy(self._asked.policy)
                self._trouble("policy", "")
            except FwauditError as error:
                self._trouble("policy", f"{error}; the policy stays what it was")
        elif event.kind == "lost":
            self._lost.add(event.source)
            self._say_source("lost", event)
        elif event.kind == "back":
            self._lost.discard(event.source)
            self._say_source("back", event)

    def alive(self) -> bool:
        from fwaudit.host.watch import systemd
        from fwaudit.host.watch.loop import clock

        systemd.notify("WATCHDOG=1")
        return self._is_untold() and clock() >= self._again

    def _trouble(self, about: str, text: str) -> bool:
        """Said when it is new, and not again while it stays the same. True where it was said."""
        from fwaudit.render import watch

        new = bool(text) and self._said.get(about) != text
        if new:
            _print(watch.record("trouble", _now(), about=about, why=text) if self._asked.json
                   else watch.said(_now(), "trouble", text, self._asked.style))
        self._said[about] = text
        return new

    def _say_source(self, word: str, event: Event) -> None:
        from fwaudit.render import watch

        if self._asked.json:
            more = {"why": event.what} if word == "lost" else {}
            _print(watch.record(word, _now(), source=event.source, **more))
        elif word == "lost":
            _print(watch.unfollowed_line(_now(), event.source, event.what, self._asked.style))
        else:
            _print(watch.followed_line(_now(), event.source, self._asked.style))


def _load_everything() -> None:
    """What a child needs is loaded once, here."""
    import docker  # noqa: F401

    import fwaudit.audit
    import fwaudit.cli.watch_audit
    import fwaudit.exposure.follow
    import fwaudit.host.history
    import fwaudit.render.watch  # noqa: F401


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
