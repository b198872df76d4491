"""Typed reading of JSON that programs printed: a wrong type is a ParseError that names the source, never a surprise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from fwaudit.errors import ParseError
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import parse_address

NAME_LIMIT = 255
TEXT_LIMIT = 4096
_MOST_KEPT, _LONGEST_KEPT = 2000, 1000
ABSENT = "not installed"
"""A source whose reason begins so is missing because there is nothing to read: that is an answer, not a gap."""

# What tools and the kernel say where a protocol family or a file of it does not exist at all.
_NO_FAMILY = ("address family not supported", "no such file or directory: '/proc/net/", "no such file: /proc/net/")


_Found = TypeVar("_Found")
_Said = TypeVar("_Said", "str", "Record")
_About = ParamSpec("_About")


class Record:
    """A JSON object of one source. A getter's default is for an absent key or null; a wrong type is a ParseError."""

    __slots__ = ("fields", "source")

    def __init__(self, source: str, fields: Mapping[str, Any]) -> None:
        self.source = source
        self.fields = fields

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def wrong(self, key: str, wanted: str) -> ParseError:
        """The error for a value that is not what it should be; the value itself is cut short."""
        return ParseError(self.source, 0, f"{key!r} is not {wanted}: {str(self.fields.get(key))[:60]!r}")

    def text(self, key: str, limit: int = TEXT_LIMIT) -> str:
        """A string, cut at ``limit`` characters; a number as text; empty where absent."""
        value = self.fields.get(key)
        if isinstance(value, str):
            return value[:limit]
        if value is None:
            return ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)[:limit]
        raise self.wrong(key, "text")

    def number(self, key: str, default: int = 0, top: int = 0xFFFFFFFF) -> int:
        """A whole number from 0 to ``top``, also where it is written as text (decimal, or hex with 0x)."""
        found = self.maybe_number(key, top)
        return default if found is None else found

    def maybe_number(self, key: str, top: int = 0xFFFFFFFF) -> int | None:
        """Like ``number``; None where absent or empty."""
        value = self.fields.get(key)
        if value is None or value == "":
            return None
        if value.__class__ is int and 0 <= value <= top:
            return value
        if isinstance(value, str) and len(value) < 24 and value.isascii():
            try:
                value = int(value, 0 if value[:2].lower() == "0x" else 10)
            except ValueError:
                raise self.wrong(key, "a number") from None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= top:
            raise self.wrong(key, f"a number up to {top}")
        return value

    def flag(self, key: str) -> bool:
        """A boolean; false where absent."""
        value = self.fields.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return bool(value)

    def values(self, key: str) -> list[Any]:
        """A list of anything; empty where absent."""
        value = self.fields.get(key)
        if value is not None and not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value or []

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        found = self.values(key)
        if not all(isinstance(value, str) for value in found):
            raise self.wrong(key, "a list of text")
        return tuple(value[:TEXT_LIMIT] for value in found)

    def records(self, key: str) -> list[Record]:
        """A list of objects."""
        return as_records(self.source, self.values(key), key)

    def record(self, key: str) -> Record:
        """An object; an empty one where absent."""
        value = self.fields.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Record(self.source, value or {})

    def address(self, key: str) -> tuple[int, int] | None:
        """``(family, value)``; None where absent, empty, or Docker's word for an address it did not give out."""
        text = self.text(key)
        if text in ("", "invalid IP", "<nil>"):
            return None
        try:
            return parse_address(text.split("/", 1)[0])
        except ValueError:
            raise self.wrong(key, "an address") from None


def read_once(read: Callable[Concatenate[_Said, _About], _Found]) -> Callable[Concatenate[_Said, _About], _Found]:
    """Decorator for a pure reader of a text or a Record whose result is immutable: what many hosts of a fleet have in
    common is read once. At most `_MOST_KEPT` short ones are kept of each reader; what raises is not."""
    kept: dict[tuple[object, ...], _Found] = {}

    @wraps(read)
    def look(said: _Said, /, *about: _About.args, **named: _About.kwargs) -> _Found:
        try:
            text = said if isinstance(said, str) else f"{said.source} {said.fields!r}"
        except RecursionError:
            return read(said, *about, **named)
        key = (text, *about, *named.items())
        if key in kept:
            return kept[key]
        found = read(said, *about, **named)
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        if len(text) <= _LONGEST_KEPT:
            kept[key] = found
        return found

    return look


def as_records(source: str, values: Iterable[Any], what: str = "an entry") -> list[Record]:
    """Each value as a Record. Raises ParseError where one is not an object."""
    out = []
    for value in values:
        if not isinstance(value, dict):
            raise ParseError(source, 0, f"{what} holds what is not an object: {str(value)[:60]!r}")
        out.append(Record(source, value))
    return out


def read_list(snapshot: Snapshot, name: str) -> list[Record]:
    """A source that is a JSON array of objects. Blank counts as empty: some ``ip`` versions print nothing for nothing.

    Where a key comes twice, the first counts: ``ip -j route`` prints ``dst`` again for an ``encap`` route.
    """
    text = snapshot.text(name)
    if not text.strip():
        return []
    try:
        document = json.loads(text, object_pairs_hook=_first_wins)
    except (ValueError, RecursionError) as error:
        raise ParseError(name, getattr(error, "lineno", 0), f"not JSON: {error}", "take the snapshot again") from error
    if not isinstance(document, list):
        raise ParseError(name, 0, "not a JSON array")
    return as_records(name, document)


def read_object(snapshot: Snapshot, name: str) -> Record:
    """A source that is a JSON object; an empty record where it is missing."""
    document = snapshot.json(name)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ParseError(name, 0, "not a JSON object")
    return Record(name, document)


def gap(snapshot: Snapshot, name: str) -> str:
    """Why ``name`` could not be looked at, in words; empty where it was read, or where there is nothing to read.

    A file that is there but blank while its command failed is a gap too.
    """
    source = snapshot.sources.get(name)
    failed = source is not None and source.exit not in (0, None)
    if name in snapshot.files and (snapshot.files[name].strip() or not failed):
        return ""
    reason = snapshot.why_missing(name)
    if name in snapshot.files and source is not None:
        reason = source.missing or f"the command failed with {source.exit}: {source.stderr.strip()[:200]}"
    said = f"{reason} {source.stderr if source is not None else ''}".lower()
    if reason.startswith(ABSENT) or any(words in said for words in _NO_FAMILY):
        return ""
    return reason


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))
