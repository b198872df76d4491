"""Recorded hosts for tests of findings: captures, and those that tests/lab/record_hosts.py made (``lab/NAME``)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import captures

from fwaudit.exposure import exposures, inside_of, networks_of
from fwaudit.findings.base import Audited
from fwaudit.model.report import Finding
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine

_ARCHIVE = Path(__file__).parents[2] / "data" / "findings" / "hosts.tar.xz"


@cache
def _recorded() -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(_ARCHIVE) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            host, _, name = member.name.partition("/")
            if stream is not None:
                found.setdefault(host, {})[name] = stream.read()
    return found


def files_of(name: str) -> dict[str, bytes]:
    """The snapshot's files of ``lab/NAME`` or ``ENGINE/SCENARIO``."""
    folder, _, rest = name.partition("/")
    return dict(_recorded()[rest] if folder == "lab" else captures.case(name).files)


@cache
def audited(name: str) -> Audited:
    """What findings are given of a recorded host."""
    return audit_of(files_of(name))


def edited(name: str, edits: Mapping[str, tuple[str, str]]) -> Audited:
    """The same of a host with one thing changed: file → (old text, new text); the old one has to be there."""
    files = files_of(name)
    for file, (old, new) in edits.items():
        text = files[file].decode()
        assert old in text, (file, old)
        files[file] = text.replace(old, new).encode()
    return audit_of(files)


def audit_of(files: dict[str, bytes], missing: Mapping[str, str] | None = None) -> Audited:
    """What findings are given of a snapshot; ``missing``: sources that are not in it, and why."""
    host = parse_host(Snapshot(files, {name: Source(missing=why) for name, why in (missing or {}).items()}))
    engine = Engine(host)
    return Audited(host, engine, exposures(host, engine), networks_of(host), inside_of(host))


def found(id: str, host: str | Audited) -> list[Finding]:
    """What the module of a finding says of a recorded host."""
    module = import_module(f"fwaudit.findings.{id.replace('-', '_')}")
    about: Iterator[Finding] = module.find(audited(host) if isinstance(host, str) else host)
    return list(about)


def one(id: str, host: str | Audited) -> Finding:
    """The one thing that it says."""
    (finding,) = found(id, host)
    return finding
