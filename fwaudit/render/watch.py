"""What ``watch`` says: a line for people, or an object for programs, on each thing that is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fwaudit.exposure.diff import Effect
from fwaudit.exposure.follow import Change, News
from fwaudit.model.compliance import Checked
from fwaudit.model.notice import Notice
from fwaudit.model.report import Finding, Report
from fwaudit.render.diff import alike, changes_json
from fwaudit.render.notice import headed, named, names_of_breaches
from fwaudit.render.rows import VERDICTS
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold

SCHEMA_VERSION = 1

_WORDS: dict[Effect, str] = {
    "against": "OPENED", "perhaps": "PERHAPS OPEN", "opened": "opened", "closed": "closed", "neutral": "changed"}
_HOW = {"OPENED": "bad", "FOUND OPEN": "bad", "PERHAPS OPEN": "warn", "opened": "warn", "found open": "warn",
        "closed": "good", "lost": "warn", "back": "good", "trouble": "warn", "finding": "warn",
        "CRITICAL": "bad", "WARNING": "warn", "UNKNOWN": "warn", "OK": "good"}
_INDENT = " " * 6
_UNSEEN = "until it is back, nothing that only it can tell is determined, and nothing is taken for closed"


def said(at: str, word: str, text: str, style: Style | None) -> str:
    """One line, with a newline at its end. ``style`` None: as long as it is, for a log; else folded, for a screen."""
    text = clean(text)
    if style is None:
        return f"{at}  {word}  {text}\n"
    place = "x" * (len(at) + len(word) + 3)  # what stands before the text, as one word
    first, *more = fold(f"{place} {text}", style.width)
    rest = fold(" ".join(more), style.width - len(_INDENT)) if more else []
    head = f"{style.paint(at, 'dim')}  {style.paint(word, _HOW.get(word, 'dim'))}  {first[len(place) + 1:]}"
    return "\n".join([head.rstrip(), *(f"{_INDENT}{line}" for line in rest), ""])


def record(event: str, at: str, **more: Any) -> str:
    """One object of JSON on a line of its own."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "event": event, "at": at, **more}) + "\n"


def state_line(at: str, headline: str, was: str, style: Style | None) -> str:
    """How the host stands. ``was``: its level before, empty where that is the same or not known."""
    level, _, rest = headline.partition(": ")
    return said(at, level, f"{f'was {was.upper()}: ' if was else ''}{rest}", style)


def state_record(at: str, checked: Checked, headline: str, was: str) -> str:
    """The same as JSON."""
    report = checked.report
    return record("state", at, host=report.host, level=checked.level, was=was, headline=headline,
                  complete=report.complete, unread=_unread(report.unread))


def lines(at: str, news: News, style: Style | None) -> Iterator[str]:
    """Everything that is new, the worst first."""
    for source, why in news.lost:
        yield said(at, "lost", f"{source}: could not be looked at: {why}; {_UNSEEN}", style)
    for source in news.back:
        yield said(at, "back", f"{source}: can be looked at again", style)
    for (word, end), changes in _groups(news).items():
        for ports, words in alike(news.old, news.new, [each.difference for each in changes]):
            yield said(at, word, f"{ports}: {words}{end}", style)
    for word, findings in (("finding", news.appeared), ("finding gone", news.gone)):
        for each in findings:
            yield said(at, word, _finding(each), style)


def unfollowed_line(at: str, source: str, why: str, style: Style | None) -> str:
    """A source of events tells nothing more."""
    return said(at, "lost", f"{source}: cannot be followed: {why}; {_UNSEEN}", style)


def followed_line(at: str, source: str, style: Style | None) -> str:
    """It does again."""
    return said(at, "back", f"{source}: is followed again", style)


def records(at: str, news: News) -> Iterator[str]:
    """The same as JSON, every family of its own."""
    yield from (record("lost", at, source=source, why=why) for source, why in news.lost)
    yield from (record("back", at, source=source) for source in news.back)
    found = changes_json(news.old, news.new, [each.difference for each in news.changes])
    for change, fields in zip(news.changes, found, strict=True):
        accepted = change.judged.by if change.judged else ()
        yield record("change", at, **fields, standing=change.judged.standing if change.judged else "",
                     accepted=[{"reason": each.reason, "owner": each.owner} for each in accepted],
                     findings=[each.id for each in change.findings], seen_late=change.seen_late)
    for state, findings in (("new", news.appeared), ("gone", news.gone)):
        for each in findings:
            yield record("finding", at, state=state, id=each.id, subject=each.subject,
                         severity=each.severity.name.lower(), title=each.title)


def notice(checked: Checked, news: News, was: str) -> Notice:
    """The same for whoever is told of changes: as ``check`` tells them (render/notice.py), but of these news alone."""
    report = checked.report
    head = headed(checked, was)
    said = [line for each in lines(report.taken_at, news, None) for line in each.splitlines()]
    text = "\n".join([head, "", *said, *([""] if said else []), f"{clean(report.host)}, {clean(report.taken_at)}",
                      "Why, and what to do: fwaudit report    The runs: fwaudit history"])
    data = {"since": news.old.taken_at, "complete": report.complete,
            "changes": changes_json(news.old, news.new, [each.difference for each in news.changes]),
            "findings_new": named(news.appeared), "findings_gone": named(news.gone),
            "breaches": names_of_breaches(checked)}
    return Notice(report.host, report.taken_at, checked.level, was or checked.level, head, text, data)


def _groups(news: News) -> dict[tuple[str, str], list[Change]]:
    """(word, end of the line) → what is said so."""
    found: dict[tuple[str, str], list[Change]] = {}
    for each in news.changes:
        found.setdefault((_word(each), _end(news.new, each)), []).append(each)
    return found


def _word(change: Change) -> str:
    word = _WORDS[change.difference.effect]
    if change.seen_late and change.difference.effect in ("against", "opened"):
        word = "FOUND OPEN" if word.isupper() else "found open"
    return word.lower() if word.isupper() and change.judged and change.judged.standing == "accepted" else word


def _end(report: Report, change: Change) -> str:
    """The verdict, who answers for it, and the findings."""
    after, judged = change.difference.after, change.judged
    if after is None or change.difference.effect in ("closed", "neutral"):
        return ""
    policy = "ufw" if report.policy == "ufw" else "the INPUT chain"
    parts = [f"; {VERDICTS[after.verdict].format(policy=policy)}"]
    if judged is not None and judged.standing == "accepted" and judged.by:
        entry = judged.by[0]
        parts.append(f"; accepted: {clean(entry.reason)}" + (f" ({clean(entry.owner)})" if entry.owner else ""))
    parts += [f" [{each.id}]" for each in change.findings if each.explains]
    return "".join(parts)


def _finding(each: Finding) -> str:
    return f"{each.severity.name.lower()} {each.title}: {each.subject} [{each.id}]"


def _unread(unread: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"source": source, "why": why} for source, why in unread]
