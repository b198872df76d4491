"""What ``watch`` does at each turn: audit and compare in a child, print here, tell whoever wants to be told."""

from __future__ import annotations

import pickle
import sys
from collections import deque
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from fwaudit.records import dataclass

if TYPE_CHECKING:
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
    ``problems``: what went wrong beside it."""

    text: str
    reference: bytes
    pids: tuple[int, ...]
    blind: bool
    notice: Notice | None = None
    problems: tuple[str, ...] = ()


class Following:
    """The follower of the loop (host/watch/loop.py)."""

    def __init__(self, asked: Asked, sockets: Sockets) -> None:
        from fwaudit.cli.policy import held_to

        self.blind = False
        self._asked = asked
        self._sockets = sockets
        self._policy: Policy = held_to(asked.policy)
        self._reference: bytes | None = None
        self._lost: set[str] = set()
        self._untold: deque[Notice] = deque(maxlen=_KEPT_NOTICES)
        self._again = 0.0
        self._said: dict[str, str] = {}
        _load_everything()

    # ---- in a child -------------------------------------------------------------------------------------------------

    def audit(self) -> bytes:
        from fwaudit.cli.source import without_collector
        from fwaudit.host.collect import collect

        with without_collector():
            return pickle.dumps(_audit(self._asked, self._policy, self._reference, self._lost,
                                       collect(timeout=self._asked.timeout)))

    def tell(self) -> bytes:
        from fwaudit.host.notify import notify

        told, problems = 0, []
        for each in self._untold:
            problems = notify(each, self._asked.hooks)
            if problems:
                break
            told += 1
        return pickle.dumps((told, problems))

    # ---- here -------------------------------------------------------------------------------------------------------

    def audited(self, given: bytes | None, why: str) -> bool:
        from fwaudit.host.watch import systemd

        if given is None:
            self.blind = True
            self._trouble("audit", f"the audit failed: {why}; what is open now could not be determined")
            return False
        seen: Given = pickle.loads(given)  # noqa: S301 (from our own child, over a pipe that nobody else has)
        self._trouble("audit", "")
        self._trouble("history", "; ".join(seen.problems))
        _print(seen.text)
        self._reference, self.blind, self._sockets.pids = seen.reference, seen.blind, seen.pids
        systemd.notify("READY=1")
        if seen.notice is not None and self._asked.hooks:
            if len(self._untold) == _KEPT_NOTICES:
                self._trouble("dropped", "nobody could be told for so long that old notices are given up")
            self._untold.append(seen.notice)
        return bool(self._untold)

    def told(self, given: bytes | None, why: str) -> bool:
        from fwaudit.host.watch.loop import clock

        count, problems = pickle.loads(given) if given is not None else (0, [why])  # noqa: S301 (as above)
        for _ in range(count):
            self._untold.popleft()
        self._trouble("notify", f"not told: {'; '.join(problems)}; it is tried again" if problems else "")
        self._again = clock() + _RETRY
        return bool(self._untold) and not problems

    def heard(self, event: Event) -> None:
        from fwaudit.cli.policy import held_to
        from fwaudit.errors import FwauditError

        if event.source == "policy":
            try:
                self._policy = held_to(self._asked.policy)
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
        return bool(self._untold) and clock() >= self._again

    def _trouble(self, about: str, text: str) -> None:
        """Said when it is new, and not again while it stays the same."""
        from fwaudit.render import watch

        if text and self._said.get(about) != text:
            _print(watch.record("trouble", _now(), about=about, why=text) if self._asked.json
                   else watch.said(_now(), "trouble", text, self._asked.style))
        self._said[about] = text

    def _say_source(self, word: str, event: Event) -> None:
        from fwaudit.render import watch

        if self._asked.json:
            more = {"why": event.what} if word == "lost" else {}
            _print(watch.record(word, _now(), source=event.source, **more))
        elif word == "lost":
            _print(watch.lost_line(_now(), event.source, event.what, self._asked.style))
        else:
            _print(watch.back_line(_now(), event.source, self._asked.style))


def _audit(asked: Asked, policy: Policy, packed: bytes | None, silent: set[str], taken: Snapshot) -> Given:
    """One audit. ``silent``: sources of events that have been said to be lost, and are not said again."""
    from fwaudit.audit import audit
    from fwaudit.exposure.compliance import check
    from fwaudit.exposure.follow import News, begin, follow
    from fwaudit.render.check import headline

    checked = check(audit(taken), policy, datetime.now(timezone.utc).date())
    head = headline(checked)
    before: Reference | None = pickle.loads(packed) if packed is not None else None  # noqa: S301 (a child of ours)
    since = ""
    problems: list[str] = []
    if before is None and asked.history is not None:
        before, since = _earlier(asked.history, checked.report.host, problems)
    if before is None:
        after, news = begin(checked, head), News(checked.report, checked.report)
    else:
        after, news = follow(before, checked, head)
    was = before.level if before is not None and before.level != checked.level else ""
    changed = before is None or bool(news) or before.headline != head
    text = _text(asked, checked, news, silent, head, was, changed or packed is None, since)
    if asked.history is not None and (changed or packed is None):
        problems += _remember(asked.history, checked, taken)
    notice = _notice(checked, head, news, was) if before is not None and (news or was) else None
    return Given(text, pickle.dumps(after), _pids(taken), bool(after.lost), notice, tuple(problems))


def _earlier(path: Path, host: str, problems: list[str]) -> tuple[Reference | None, str]:
    """The latest run that was written down, and when: what changed while nobody watched is told as well."""
    from fwaudit.audit import audit
    from fwaudit.errors import FwauditError
    from fwaudit.exposure.follow import Reference
    from fwaudit.host.history import History

    try:
        kept = History(path)
        runs = [each for each in (kept.runs(1) if path.exists() else ()) if each.host == host]
        if runs:
            return Reference(audit(kept.snapshot(runs[0].id)), runs[0].level), runs[0].taken_at
    except FwauditError as error:
        problems.append(f"what was written down cannot be compared with: {error}")
    return None, ""


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


def _notice(checked: Checked, head: str, news: News, was: str) -> Notice:
    import json

    from fwaudit.model.notice import Notice
    from fwaudit.render import watch

    report = checked.report
    lines = [line for each in watch.lines(report.taken_at, news, None) for line in each.splitlines()]
    text = "\n".join([head, "", *lines, "", f"{report.host}, {report.taken_at}",
                      "Why, and what to do: fwaudit report"])
    data = {"changes": [json.loads(each) for each in watch.records(report.taken_at, news)]}
    return Notice(report.host, report.taken_at, checked.level, was or checked.level, head, text, data)


def _remember(path: Path, checked: Checked, taken: Snapshot) -> list[str]:
    """Write it down as ``check`` does; what went wrong."""
    from fwaudit.errors import FwauditError
    from fwaudit.host.history import History
    from fwaudit.render.check import short_name
    from fwaudit.render.places import exposure_identity

    open_now = [each.exposure for each in checked.judged if each.standing == "breach"]
    breaches = {exposure_identity(checked.report, each): f"{short_name(each)} IPv{each.family}" for each in open_now}
    try:
        History(path).record(taken, checked.level, checked.report.complete, breaches)
    except FwauditError as error:
        return [f"this is not written down: {error}"]
    return []


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
