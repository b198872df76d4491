"""One audit of ``watch``, made in a child: compared with the one before, put into words, written down.

Root's capabilities are given up once the host has been read, as ``check`` does. What goes to the parent is text and
numbers; only another child without capabilities unpacks the reference that is left for it.
"""

from __future__ import annotations

import base64
import pickle
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fwaudit.records import dataclass

if TYPE_CHECKING:
    from fwaudit.cli.telling import Past
    from fwaudit.exposure.follow import News, Reference
    from fwaudit.host.notify import Hooks
    from fwaudit.model.compliance import Checked, Policy
    from fwaudit.model.snapshot import Snapshot
    from fwaudit.render.style import Style


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


def look(asked: Asked, policy: Policy, packed: str | None, silent: set[str], taken: Snapshot) -> Given:
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
    unsaid = before.unsaid if before is not None else ()
    went = news.lost if before is not None else checked.report.unread
    after = replace(after, unsaid=tuple(sorted(
        {*unsaid} - {*news.back} | {source for source, _ in went} & silent)))
    was = before.level if before is not None and before.level != checked.level else ""
    said = packed is None or bool(news) or before is None or before.headline != head
    shown = replace(news, lost=tuple(each for each in news.lost if each[0] not in silent),
                    back=tuple(each for each in news.back if each not in unsaid))
    text = _text(asked, checked, shown, head, was, said, before.report.taken_at if before and past else "")
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


def _text(asked: Asked, checked: Checked, news: News, head: str, was: str, state: bool, since: str) -> str:
    from fwaudit.render import watch

    at = checked.report.taken_at
    parts = list(watch.records(at, news) if asked.json else watch.lines(at, news, asked.style))
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
