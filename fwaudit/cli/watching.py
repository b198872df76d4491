"""What ``watch`` does at each turn: audit and compare in a child, print here, tell whoever wants to be told.

The child gives up root's capabilities once it has read, as ``check`` does. What it gives is text and numbers; only
another child without capabilities unpacks the reference that it leaves.
"""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import sys
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fwaudit.records import dataclass

if TYPE_CHECKING:
    from fwaudit.cli.telling import Past
    from fwaudit.exposure.follow import News, Reference
    from fwaudit.host.notify import Hooks
    from fwaudit.host.watch.events import Event
    from fwaudit.host.watch.polls import Sockets
    from fwaudit.model.compliance import Checked, Policy
    from fwaudit.model.notice import Notice
    from fwaudit.model.snapshot import Snapshot
    from fwaudit.render.style import Style

_KEPT_NOTICES = 100
_RETRY = 60.0
"""Seconds until whoever could not be told is told again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. ``history``: None where nothing is to be written down. ``style``: None for a log."""

    policy: Path | None
    history: Path | None
    hooks: Hooks
    timeout: float
    json: bool
    style: Style | None


@dataclass(frozen=True, slots=True)
class Given:
    """What a child gives of one audit. ``text``: to be printed. ``reference``: for the next audit, packed, since nobody
    here looks at it. ``pids``: a process of each container. ``blind``: not everything could be seen that could before.
    ``notice``: what is to be told and is not in the history, as data; ``written``: what is to be told is there.
    ``problems``: what went wrong beside it."""

    text: str
    reference: str
    pids: tuple[int, ...]
    blind: bool
    notice: dict[str, Any] | None = None
    written: bool = False
    problems: tuple[str, ...] = ()


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
        from fwaudit.host.collect import collect

        with without_collector():
            given = _audit(self._asked, self._policy, self._reference, self._lost,
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


def _audit(asked: Asked, policy: Policy, packed: str | None, silent: set[str], taken: Snapshot) -> Given:
    """One audit. ``silent``: sources of events that have been said to be lost, and are not said again."""
    from fwaudit.audit import audit
    from fwaudit.exposure.compliance import check
    from fwaudit.exposure.follow import News, begin, follow
    from fwaudit.render import watch
    from fwaudit.render.check import headline

    problems: list[str] = []
    past = _past(asked.history, taken.host, problems) if packed is None and asked.history is not None else None
    _give_up(asked.history)
    checked = check(audit(taken), policy, datetime.now(timezone.utc).date())
    head, before = headline(checked), _reference(packed, past, problems)
    if before is None:
        after, news = begin(checked, head), News(checked.report, checked.report)
    else:
        after, news = follow(before, checked, head)
    was = before.level if before is not None and before.level != checked.level else ""
    said = packed is None or bool(news) or before is None or before.headline != head
    text = _text(asked, checked, news, silent, head, was, said, before.report.taken_at if before and past else "")
    notice = None
    if asked.hooks and before is not None and (news or was):
        notice = asdict(watch.notice(checked, news, was))
    written = said and asked.history is not None and _remember(asked, checked, taken, notice, problems)
    reference = base64.b64encode(pickle.dumps(after)).decode()
    return Given(text, reference, _pids(taken), bool(after.lost), None if written else notice,
                 written and notice is not None, tuple(problems))


def _past(path: Path, host: str, problems: list[str]) -> Past | None:
    """The latest run that was written down: what changed while nobody watched is told as well."""
    from fwaudit.cli.telling import read_past
    from fwaudit.errors import FwauditError

    try:
        past = read_past(path, host, False)
    except FwauditError as error:
        problems.append(str(error))
        return None
    return past if past.latest is not None and past.latest.host == host else None


def _give_up(history: Path | None) -> None:
    """What follows is made of hostile data: without capabilities, but for those that writing it down needs."""
    from fwaudit.host.privileges import code, give_up, needed

    with suppress(OSError):
        give_up(None, needed([str(history)] if history else [], code()))


def _reference(packed: str | None, past: Past | None, problems: list[str]) -> Reference | None:
    from fwaudit.cli.telling import report_of
    from fwaudit.errors import FwauditError
    from fwaudit.exposure.follow import Reference

    if packed is not None:
        found: Reference = pickle.loads(base64.b64decode(packed))  # noqa: S301 (a child's; and see the head)
        return found
    if past is not None and past.latest is not None:
        try:
            return Reference(report_of(past.latest_packed, past.latest), past.latest.level)
        except FwauditError as error:
            problems.append(f"what was written down cannot be compared with: {error}")
    return None


def _text(asked: Asked, checked: Checked, news: News, silent: set[str], head: str, was: str, state: bool,
          since: str) -> str:
    from dataclasses import replace

    from fwaudit.render import watch

    at = checked.report.taken_at
    shown = replace(news, lost=tuple(each for each in news.lost if each[0] not in silent),
                    back=tuple(each for each in news.back if each != "docker"))
    parts = list(watch.records(at, shown) if asked.json else watch.lines(at, shown, asked.style))
    if parts and since:
        parts.insert(0, watch.record("since", at, since=since) if asked.json
                     else watch.said(at, "since", f"{since}, before this watch began:", asked.style))
    if state:
        parts.append(watch.state_record(at, checked, head, was) if asked.json
                     else watch.state_line(at, head, was, asked.style))
    return "".join(parts)


def _remember(asked: Asked, checked: Checked, taken: Snapshot, notice: dict[str, Any] | None,
              problems: list[str]) -> bool:
    """Write it down as ``check`` does, with what is to be told; False and a problem where that cannot be."""
    from fwaudit.cli.check import breaches_of
    from fwaudit.cli.deeds import Deeds
    from fwaudit.errors import FwauditError
    from fwaudit.render.notice import state

    deeds = Deeds((), asked.history, asked.hooks)
    deeds.taken = taken
    try:
        deeds.record(checked.level, checked.report.complete, breaches_of(checked), state(checked), notice)
    except FwauditError as error:
        problems.append(f"this is not written down: {error}")
        return False
    return True


def _pids(taken: Snapshot) -> tuple[int, ...]:
    """A process of each container that has a network of its own, by what the engine says."""
    from fwaudit.parse.host import parse_host

    return tuple(sorted({each.pid for each in parse_host(taken).engine.containers if each.running and each.pid}))


def _load_everything() -> None:
    """What a child needs is loaded once, here."""
    import docker  # noqa: F401

    import fwaudit.audit
    import fwaudit.exposure.follow
    import fwaudit.host.history
    import fwaudit.render.watch  # noqa: F401


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
