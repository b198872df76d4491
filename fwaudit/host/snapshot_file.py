"""Snapshots on disk: written whole or not at all, and read with suspicion."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from fwaudit.errors import SnapshotError
from fwaudit.host import tar
from fwaudit.model.snapshot import SCHEMA, Snapshot, Source

META = "meta.json"
MODE = 0o600  # rules and addresses are the host's own business

_KNOWN = frozenset({
    *(f"iptables/{kind}.v{version}" for kind in ("nft", "legacy", "names") for version in (4, 6)),
    "nft/ruleset.json", "nft/tables.json", "ipset/save", "sysctl", "boot/docker-user.json",
    *(f"ufw/{name}" for name in ("default", "ufw.conf", "user.rules", "user6.rules", "before.rules", "before6.rules",
                                 "after.rules", "after6.rules", "status", "sysctl.conf", "hooks.json")),
    *(f"docker/{name}.json" for name in ("version", "info", "containers", "networks", "listeners", "compose",
                                         "daemon")),
    *(f"net/{name}.json" for name in ("link", "addr", "route.v4", "route.v6", "rule.v4", "rule.v6", "tc")),
    *(f"sockets/{name}" for name in ("tcp", "tcp6", "udp", "udp6", "owners.json")),
})
_PROFILES = "ufw/applications.d"
_PROFILE = re.compile(r"ufw/applications\.d/[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,63}")
_GZIP = b"\x1f\x8b"
_TEXT_LIMIT = 64 << 20
_PADDING_READS = 16
_SMALL_PACKED, _SMALL = 1 << 20, 8 << 20
"""Bytes of a small archive, packed and unpacked: a host with some thousand rules."""


def write_snapshot(snapshot: Snapshot, path: str | Path) -> None:
    """Write ``.tar.gz`` to ``path``, readable by its owner alone; ``-`` is standard output.

    The same snapshot gives the same bytes. An existing file is replaced in one step or stays as it was. Raises
    SnapshotError where it cannot be written.
    """
    if str(path) == "-":
        sys.stdout.buffer.write(pack(snapshot))
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    try:
        _replace(target.resolve(), pack(snapshot))
    except OSError as error:
        reason = error.strerror or error
        raise SnapshotError(f"cannot write {target}: {reason}", "choose another place with -o") from error


def pack(snapshot: Snapshot) -> bytes:
    """A snapshot as the bytes of a ``.tar.gz``: sorted, without times and owners."""
    import tarfile  # here and below: a report reads snapshots and writes none

    sources = {name: _shown(source) for name, source in snapshot.sources.items()}
    meta = {"schema": snapshot.schema, "host": snapshot.host, "taken_at": snapshot.taken_at,
            "fwaudit": snapshot.fwaudit, "sources": sources, **({"redacted": True} if snapshot.redacted else {})}
    files = {**snapshot.files, META: json.dumps(meta, indent=1, sort_keys=True).encode() + b"\n"}
    buffer = io.BytesIO()
    with (gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as packed,
          tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(files[name]), MODE
            archive.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def unpack(data: bytes, where: str) -> Snapshot:
    """The snapshot that `pack` made bytes of. ``where`` names it in errors. Raises SnapshotError."""
    return _from_stream(io.BytesIO(data), where)


def read_snapshot(path: str | Path) -> Snapshot:
    """Read a ``.tar.gz``, a plain ``.tar``, a folder, or one bare text (see ``pasted``); ``-`` is standard input.

    Unknown files are dropped. Raises SnapshotError, with a hint, for everything that is none of these, is damaged, is
    too large, or has members that could lead out of it.
    """
    where = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            return _from_stream(sys.stdin.buffer, where)
        mode = os.stat(path).st_mode  # noqa: PTH116 (a fleet opens many, and a Path costs as much as the file)
        if stat.S_ISDIR(mode):
            return _snapshot(_folder(Path(path)), where)
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):  # a shell's <(command) is a fifo
            raise SnapshotError(f"{where} is no file", "give a snapshot file, or - for standard input")
        with open(path, "rb") as stream:  # noqa: PTH123
            return _from_stream(stream, where)
    except OSError as error:
        raise SnapshotError(f"cannot read {where}: {error.strerror or error}", _advice(error)) from error


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "it is readable by its owner alone: run as that user or as root"
    return "take one with `fwaudit snapshot -o host.tar.gz`"


def _from_stream(stream: BinaryIO, where: str) -> Snapshot:
    raw = io.BufferedReader(stream, 1 << 16) if not isinstance(stream, io.BufferedReader) else stream  # type: ignore[type-var]
    begin = raw.peek(2)[:2]
    try:
        if begin == _GZIP:
            whole = _inflated(raw)
            if whole is not None:
                return _snapshot(_archive(io.BytesIO(whole), where), where)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _snapshot(_archive(unpacked, where), where)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = "is cut off in the middle" if isinstance(error, EOFError) else "is damaged"
        raise SnapshotError(f"{where} {what}: {error}", tar.HINT) from error
    if tar.is_header(raw.peek(512)[:512]):
        return _snapshot(_archive(raw, where), where)
    data = raw.read(_TEXT_LIMIT + 1)
    if len(data) > _TEXT_LIMIT:
        raise SnapshotError(f"{where} is larger than {_TEXT_LIMIT >> 20} MB and no archive", tar.HINT)
    from fwaudit.host.pasted import read_text

    return Snapshot(read_text(data, where))


def _inflated(raw: BinaryIO) -> bytes | None:
    """A small archive, unpacked at once in half of the time. None, and nothing is taken, where it is not small, or
    anything is wrong with it: the stream tells what."""
    if not raw.seekable():
        return None
    begin = raw.tell()
    packed = raw.read(_SMALL_PACKED + 1)
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    if len(packed) <= _SMALL_PACKED:
        with contextlib.suppress(zlib.error):
            whole = inflater.decompress(packed, _SMALL)
            if inflater.eof and not inflater.unused_data:
                return whole
    raw.seek(begin)
    return None


def _archive(stream: tar.Readable, where: str) -> dict[str, bytes]:
    """The known files of an archive; a folder around all of them (``tar czf x.tar.gz folder``) is taken off."""
    known: dict[str, bytes] = {}
    inner: dict[str, bytes] = {}
    for name, data in tar.members(stream):
        below = name.partition("/")[2]
        if _is_known(name):
            known[name] = data
        elif _is_known(below):
            inner[below] = data
    for _ in range(_PADDING_READS):  # to the end, where gzip's checksum is
        if not stream.read(1 << 16):
            break
    if not (known or inner):
        raise SnapshotError(f"{where} is an archive without any file of a snapshot", tar.HINT)
    return known or inner


def _folder(root: Path) -> dict[str, bytes]:
    """The known files below a folder. Links are refused, as in an archive."""
    names = [*_KNOWN, META]
    profiles = root / _PROFILES
    if profiles.is_dir() and not profiles.is_symlink():
        names += [f"{_PROFILES}/{each.name}" for each in profiles.iterdir()]
    files: dict[str, bytes] = {}
    os.scandir(root).close()  # a folder that may not be looked into is an error, not an empty one
    total = 0
    for name in sorted(filter(_is_known, names))[:tar.COUNT_LIMIT]:
        data = _file(root, name)
        if data is not None:
            total += len(data)
            files[name] = data
        if total > tar.TOTAL_LIMIT:
            raise SnapshotError(f"the snapshot is larger than {tar.TOTAL_LIMIT >> 20} MB", tar.HINT)
    if not files:
        raise SnapshotError(f"{root} is a folder without any file of a snapshot",
                            "put the output of `iptables-save -c` into it as iptables/nft.v4")
    return files


def _file(root: Path, name: str) -> bytes | None:
    path = root / name
    for part in (path.parent, path) if path.parent != root else (path,):
        if part.is_symlink():
            raise SnapshotError(f"{part} is a symbolic link, which no snapshot has", "copy the file in its place")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb") as stream:  # noqa: PTH123 (it is open already)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SnapshotError(f"{path} is no regular file, which no snapshot has", "copy the file in its place")
        data = stream.read(tar.MEMBER_LIMIT + 1)
    if len(data) > tar.MEMBER_LIMIT:
        raise SnapshotError(f"{path} is larger than {tar.MEMBER_LIMIT >> 20} MB", tar.HINT)
    return data


def _is_known(name: str) -> bool:
    return name in _KNOWN or name == META or _PROFILE.fullmatch(name) is not None


def _snapshot(files: dict[str, bytes], where: str) -> Snapshot:
    raw = files.pop(META, None)
    if raw is None:
        return Snapshot(files)
    try:
        meta = json.loads(raw)
        if not isinstance(meta, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        return Snapshot(files, {META: Source(missing=f"not JSON: {error}")})
    schema = meta.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise SnapshotError(f"{where} was written by a newer fwaudit (schema {schema}, known is {SCHEMA})",
                            "read it with that version")
    return Snapshot(files, dict(_sources(meta.get("sources"))), _text(meta, "host"), _text(meta, "taken_at"),
                    _text(meta, "fwaudit"), schema if isinstance(schema, int) else SCHEMA,
                    meta.get("redacted") is True)


def _sources(value: Any) -> Iterable[tuple[str, Source]]:
    for name, each in value.items() if isinstance(value, dict) else ():
        if isinstance(each, dict):
            argv, status = each.get("argv"), each.get("exit")
            yield str(name), Source(
                tuple(str(word) for word in argv) if isinstance(argv, list) else (),
                status if isinstance(status, int) else None,
                _text(each, "stderr"), _text(each, "version"), _text(each, "missing"), _text(each, "doubt"))


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _shown(source: Source) -> dict[str, Any]:
    return {key: list(value) if key == "argv" else value
            for key, value in asdict(source).items() if value not in ("", (), None)}


def _replace(target: Path, data: bytes) -> None:
    """Put the bytes there in one step. What is no regular file (/dev/null, a fifo) is written to, never replaced."""
    if target.exists() and not target.is_file():
        with open(target, "wb") as stream:  # noqa: PTH123 (a folder raises here, in words)
            stream.write(data)
        return
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)  # with mode 0600
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, target)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name, too, is on the disk
    finally:
        os.close(folder)
