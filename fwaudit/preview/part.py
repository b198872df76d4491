"""The part of a report that a Compose project brings about: its own containers, and what else is reached otherwise."""

from __future__ import annotations

from dataclasses import replace

from fwaudit.model.preview import WouldBe
from fwaudit.model.report import Exposure, Finding, Report, Service
from fwaudit.packet.fields import PROTOCOL_NAMES

_MOST_GONE = 8

Key = tuple[str, int, int, str, str, int]


def part(before: Report, after: Report, found: WouldBe, files: str, *, everything: bool = False) -> Report:
    """``after`` with only what is new or other than ``before``; with ``everything``, all of it.

    Doubts stand in ``unread``, so that every format, and the exit code, says that not all could be told.
    """
    mine = {box.name for box in found.boxes}
    old = {_key(each): each for each in before.exposures}
    exposures = tuple(each for each in after.exposures
                      if everything or each.service.container in mine or _differs(old.get(_key(each)), each))
    kept = {id(each) for each in exposures}
    known = {(each.id, each.subject) for each in before.findings}
    findings = tuple(each for each in after.findings
                     if everything or _is_new(each, kept, known) or mine & set(each.subject.split()))
    unread = tuple((str(doubt.mark), doubt.why) for doubt in found.doubts)
    left = len(after.exposures) - len(exposures)
    notes = [*after.notes, *found.notes, *_replaced(before, after, found)]
    if left:
        notes.append(f"nothing changes for {'1 other port' if left == 1 else f'{left:,} other ports'} of this host: "
                     "fwaudit report, or --all")
    return replace(after, exposures=exposures, findings=findings, unread=(*unread, *after.unread), notes=tuple(notes),
                   preview=files)


def _is_new(finding: Finding, exposures: set[int], known: set[tuple[str, str]]) -> bool:
    if finding.exposure is not None:
        return id(finding.exposure) in exposures
    return (finding.id, finding.subject) not in known


def _key(exposure: Exposure) -> Key:
    service = exposure.service
    return (service.kind, service.proto, service.port, service.bound, service.container or service.process,
            exposure.family)


def _differs(old: Exposure | None, new: Exposure) -> bool:
    return old is None or (old.verdict, old.certain) != (new.verdict, new.certain)


def _replaced(before: Report, after: Report, found: WouldBe) -> list[str]:
    """Ports that containers of the project have now and would have no more."""
    there = {_key(each) for each in after.exposures}
    gone = [each.service for each in before.exposures
            if each.service.kind == "published" and _key(each) not in there]
    names = list(dict.fromkeys(map(_in_words, gone)))
    notes = [f"made anew, as compose would: {', '.join(sorted(found.replaced))[:200]}"] if found.replaced else []
    if names:
        more = f" and {len(names) - _MOST_GONE} more" if len(names) > _MOST_GONE else ""
        notes.append(f"published now, and no more then: {', '.join(names[:_MOST_GONE])}{more}")
    return notes


def _in_words(service: Service) -> str:
    return f"{service.port}/{PROTOCOL_NAMES.get(service.proto, service.proto)} of {service.container}"
