"""``trace --batch``: one JSON object a line in, one a line out, in order. docs/snapshot.md is the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TextIO

from fwaudit.errors import UsageError
from fwaudit.model.verdict import Query
from fwaudit.packet.address import format_address, parse_address
from fwaudit.packet.fields import MAX_PORT, PORT_PROTOCOLS, PROTOCOLS
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.alike import Alike
from fwaudit.path.engine import Engine
from fwaudit.render.trace import trace_json

_MAX_LINE = 65536
_MOST_KEPT = 100_000
_encode = json.JSONEncoder(separators=(",", ":")).encode


def answers(engine: Engine, lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """(answer, whether the query was good) for every line that is not blank."""
    book = _Book(engine)
    for line in lines:
        if not line.strip():
            continue
        identity: object = None
        try:
            raw = _object(line)
            identity = raw.get("id")
            query = query_of(raw)
            _check_interface(engine, query)
            yield f'{{"id":{_encode(identity)},{book.answer(query)}', True
        except (UsageError, ValueError) as error:
            yield _encode({"id": identity, "error": str(error)}), False


def bounded(lines: TextIO) -> Iterator[str]:
    """The lines of a stream; of one that is too long so much as shows that it is."""
    while line := lines.readline(_MAX_LINE + 1):
        rest = line
        while len(rest) > _MAX_LINE and not rest.endswith("\n"):
            rest = lines.readline(_MAX_LINE + 1)
        yield line


def _check_interface(engine: Engine, query: Query) -> None:
    """Raise UsageError for an interface that the host does not have. A hook's chains may name others."""
    interfaces = engine.host.interfaces
    if query.iif and not query.hook and interfaces and query.iif not in interfaces:
        raise UsageError(f"in: this host has no interface {query.iif[:60]!r}")


class _Book:
    """Answers as they are written, behind the id, kept for the questions that have the same: a host is asked about
    65,536 ports and its rules tell a few dozen ranges apart. A hit costs a tenth of a walk (docs/performance.md).

    ``_shared``: decided answers by `Alike.key`. Those that name a port of the question are right for that port alone,
    and so are those that say what an answer depends on: they are in ``_exact``, with the ports in the key.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._alike: dict[int, Alike] = {}
        self._shared: dict[tuple[object, ...], str] = {}
        self._exact: dict[tuple[object, ...], str] = {}

    def answer(self, query: Query) -> str:
        """The answer's JSON without its opening brace. Raises ValueError."""
        alike = self._alike.get(query.family)
        if alike is None:
            alike = self._alike[query.family] = Alike(self._engine.host, self._engine.tables, query.family)
        source = None if query.sources is ALL else query.sources.lowest()
        key = (query.family, alike.key(query, source))
        found = self._shared.get(key)
        if found is not None:
            return found
        exact = (*key, query.dport, query.sport)
        found = self._exact.get(exact)
        if found is not None:
            return found
        trace = self._engine.trace(query)
        found = _encode(trace_json(trace))[1:]
        named = any(port is not None and str(port) in found for port in (query.dport, query.sport))
        if source is not None and format_address(query.family, source) in found:
            return found
        kept = self._exact if named or alike.ports_apart or trace.disposition == "undecided" else self._shared
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[exact if kept is self._exact else key] = found
        return found


def _object(line: str) -> dict[str, Any]:
    if len(line) > _MAX_LINE:
        raise UsageError("the line is longer than 65,536 characters")
    try:
        raw = json.loads(line, parse_constant=_refuse)
    except RecursionError as error:
        raise UsageError("not JSON: nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"not JSON: {str(error)[:200]}") from error
    if not isinstance(raw, dict):
        raise UsageError("not a JSON object")
    return raw


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def query_of(raw: dict[str, Any]) -> Query:
    """The question that a batch line asks. Raises UsageError naming the field that is wrong."""
    family, dst = _address(raw, "dst")
    hook = _hook(raw)
    iif = raw.get("in")
    if iif is not None and not isinstance(iif, str):
        raise UsageError("in: an interface's name, or null for a packet that the host sends")
    iif = "" if iif in (None, "lo") else iif
    if raw.get("src") is None:
        if iif or hook:
            raise UsageError("src is missing")
        sources = ALL
    else:
        source_family, source = _address(raw, "src")
        if source_family != family:
            raise UsageError("src and dst are of different families")
        sources = IntervalSet((source, source + 1))
    proto = _proto(raw)
    dport = _number(raw, "dport", MAX_PORT)
    if dport is None and proto in PORT_PROTOCOLS:
        raise UsageError("dport is missing")
    out = raw.get("out")
    if out is not None and not isinstance(out, str):
        raise UsageError("out: an interface's name")
    return Query(family, iif, dst, proto, dport or 0, sources, _number(raw, "sport", MAX_PORT), hook, out or "")


def _address(raw: dict[str, Any], name: str) -> tuple[int, int]:
    value = raw.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{name} is missing" if value is None else f"{name}: not an address")
    try:
        return parse_address(value)
    except ValueError:
        raise UsageError(f"{name}: not an address: {value[:60]!r}") from None


def _hook(raw: dict[str, Any]) -> Literal["", "input", "forward"]:
    hook = raw.get("hook")
    if hook is None:
        return ""
    if hook == "input":
        return "input"
    if hook == "forward":
        return "forward"
    raise UsageError("hook: input or forward")


def _proto(raw: dict[str, Any]) -> int:
    value = raw.get("proto")
    if isinstance(value, str):
        number = PROTOCOLS.get(value.lower())
        if number is not None:
            return number
        if value.isascii() and value.isdigit() and int(value) < 256:
            return int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 256:
        return value
    raise UsageError("proto is missing" if value is None else f"proto: not a protocol: {str(value)[:40]!r}")


def _number(raw: dict[str, Any], name: str, top: int) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
        raise UsageError(f"{name}: not a number from 0 to {top}")
    return value
