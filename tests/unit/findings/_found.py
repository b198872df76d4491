"""The findings of recorded hosts: `ENGINE/SCENARIO` of the captures, or a name in tests/data/findings."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import captures

from fwaudit.audit import audit
from fwaudit.model.report import Finding, Report
from fwaudit.model.snapshot import Snapshot

_ARCHIVE = Path(__file__).parents[2] / "data" / "findings" / "exposed.tar.xz"
Edit = Callable[[Any], Any]


@cache
def _recorded() -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(_ARCHIVE) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            host, _, name = member.name.partition("/")
            found.setdefault(host, {})[name] = stream.read()
    return found


def files_of(name: str) -> dict[str, bytes]:
    """The files of one recorded host."""
    return dict(captures.case(name).files if "/" in name else _recorded()[name])


@cache
def report_of(name: str) -> Report:
    return audit(Snapshot(files_of(name)))


def edited(name: str, **edits: Edit) -> Report:
    """A recorded host with one of Docker's answers changed: ``containers=…``, ``info=…``, ``networks=…``."""
    files = files_of(name)
    for part, edit in edits.items():
        path = f"docker/{part}.json"
        value = json.loads(files[path])
        files[path] = json.dumps(edit(value) or value).encode()
    return audit(Snapshot(files))


def found(report: Report | str, id: str) -> list[Finding]:
    """The findings of one kind, in order."""
    report = report_of(report) if isinstance(report, str) else report
    return [each for each in report.findings if each.id == id]


def subjects(report: Report | str, id: str) -> list[str]:
    return [each.subject for each in found(report, id)]
