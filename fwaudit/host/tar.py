"""Read the members of a tar stream with every size bounded, trusting nothing in it.

Not the standard library's tarfile: it reads extended headers and sparse maps as large as the archive says they are,
before anybody can look at them. Format: POSIX.1-2017 pax, "ustar Interchange Format"; GNU's long names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from fwaudit.errors import SnapshotError

MEMBER_LIMIT = 256 << 20
TOTAL_LIMIT = 1 << 30
COUNT_LIMIT = 10_000
_HEADER_LIMIT = 1 << 16
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CHUNK = 1 << 20
_REGULAR, _FOLDER, _PAX, _PAX_GLOBAL, _LONG_NAME = (b"0", b"\0", b"7"), b"5", b"x", b"g", b"L"
_PLAIN = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)*")
_REFUSED = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a fifo",
            b"S": "a sparse file", b"K": "a link with a long name"}

HINT = "take the snapshot again with `fwaudit snapshot`"


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


class _Stream:
    """A stream that counts what it gave, and stops at the limit."""

    def __init__(self, raw: Readable) -> None:
        self._raw = raw
        self._given = 0

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only where the stream ends."""
        self._given += size
        if self._given > TOTAL_LIMIT:
            raise SnapshotError(f"the snapshot unpacks to more than {TOTAL_LIMIT >> 20} MB", HINT)
        data = self._raw.read(min(size, _CHUNK))
        if len(data) == size:  # as nearly always
            return data
        parts, left = [data], size - len(data)
        while left and data:
            data = self._raw.read(min(left, _CHUNK))
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def need(self, size: int) -> bytes:
        """Exactly ``size`` bytes, past the rest of their last block. Raises SnapshotError where the stream ends."""
        data = self.take(size + -size % _BLOCK)
        if len(data) < size:
            raise SnapshotError("the snapshot is cut off in the middle", HINT)
        return data[:size]


def members(raw: Readable) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of each regular member. Raises SnapshotError for what may not be in a snapshot."""
    stream, count = _Stream(raw), 0
    extended: dict[str, str] = {}
    while True:
        header = stream.take(_BLOCK)
        if len(header) < _BLOCK or header == _ZEROS:
            if header and len(header) < _BLOCK:
                raise SnapshotError("the snapshot is cut off in the middle", HINT)
            return
        count += 1
        if count > COUNT_LIMIT:
            raise SnapshotError(f"the snapshot has more than {COUNT_LIMIT} members", HINT)
        name, size, kind = _parse(header)
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME):
            if size > _HEADER_LIMIT:
                raise SnapshotError(f"a header of the snapshot is larger than {_HEADER_LIMIT} bytes", HINT)
            text = stream.need(size)
            if kind != _PAX_GLOBAL:
                extended = _records(text) if kind == _PAX else {**extended, "path": _text(text)}
            continue
        name, size, extended = extended.get("path", name), _number(extended.get("size", str(size)), 10), {}
        if kind in _REGULAR:
            if size > MEMBER_LIMIT:
                raise SnapshotError(f"{name[:100]!r} is larger than {MEMBER_LIMIT >> 20} MB", HINT)
            yield safe_name(name), stream.need(size)
        elif kind == _FOLDER:
            safe_name(name.rstrip("/") or ".")
        else:
            raise SnapshotError(f"{name[:100]!r} is {_REFUSED.get(kind, 'of an unknown type')}, which no snapshot has",
                                HINT)


def safe_name(name: str) -> str:
    """The name without a leading ``./``. Raises SnapshotError where it could lead out of the snapshot."""
    if _PLAIN.fullmatch(name):  # as nearly all are, told in a fifth of the time
        return name
    parts = [part for part in name.split("/") if part != "."]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise SnapshotError(f"{name[:100]!r} leads out of the snapshot", HINT)
    return "/".join(part for part in parts if part)


def is_header(block: bytes) -> bool:
    """True where a tar archive may begin: a block with the right checksum."""
    if len(block) < _BLOCK:
        return False
    try:
        return int(block[148:156].strip(b"\0 ") or b"-", 8) == sum(block[:148]) + 8 * 32 + sum(block[156:_BLOCK])
    except ValueError:
        return False


def _parse(header: bytes) -> tuple[str, int, bytes]:
    if not is_header(header):
        raise SnapshotError("the snapshot is damaged: a tar header does not add up", HINT)
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and header[345:500] != _ZEROS[345:500]:
        name = f"{_text(header[345:500])}/{name}"
    return name, _number(header[124:136].strip(b"\0 ").decode("ascii", "replace") or "0", 8), header[156:157]


def _number(text: str, base: int) -> int:
    try:
        value = int(text, base)
    except ValueError:
        value = -1
    if value < 0:
        raise SnapshotError("the snapshot is damaged: a size is no number", HINT)
    return value


def _records(raw: bytes) -> dict[str, str]:
    """The records of a pax header: ``<length> <key>=<value>\\n``."""
    found = {}
    while raw:
        length, space, _ = raw.partition(b" ")
        size = int(length) if space and length.isdigit() and len(length) < 8 else 0
        key, equals, value = raw[len(length) + 1:size].partition(b"=")
        if size <= len(length) + 1 or not equals:
            raise SnapshotError("the snapshot is damaged: an extended header does not read", HINT)
        if key.startswith(b"GNU.sparse"):
            raise SnapshotError("a member of the snapshot is a sparse file, which no snapshot has", HINT)
        found[_text(key)] = _text(value.rstrip(b"\n"))
        raw = raw[size:]
    return found


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
