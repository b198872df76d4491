"""The policy file: exposures that are meant to be, each with a reason, an owner and an end.

TOML (docs/policy.md has every key). A mistake is an error with its line and column, and an unknown key is a mistake: an
entry that is misspelled would accept nothing, or everything.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from fwaudit.errors import ParseError
from fwaudit.model.compliance import SCHEMA_VERSION, Accepted, Policy
from fwaudit.model.report import Severity
from fwaudit.packet.address import parse_address, parse_network
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS
from fwaudit.packet.intervals import EMPTY, IntervalSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Kinds = Callable[[], Collection[str]]

_MAX_SIZE = 1 << 20
_MAX_ENTRIES = 10_000
_TOP = ("schema_version", "check", "accept")
_CHECK = ("strict", "fail_on", "undecided", "findings")
_PORT = ("port", "protocol", "family", "container", "compose", "process", "interface", "address", "from")
_BOTH = ("reason", "owner", "expires")
_FINDING = ("finding", "subject")
_ENTRY = (*_PORT, *_FINDING, *_BOTH)
_WHERE = re.compile(r"(.*?) \(at line (\d+), column (\d+)\)$")
_HEADER = re.compile(r"\s*\[\[\s*accept\s*\]\]")
_SECTION = re.compile(r"\s*\[")


def parse_policy(text: str, source: str, kinds: Kinds = tuple) -> Policy:
    """The policy that a file holds. ``source`` names it in errors. ``kinds``: gives the ids of all findings,
    asked where an entry names one; none: every id is taken. Raises ParseError."""
    if len(text) > _MAX_SIZE:
        raise ParseError(source, 0, f"larger than {_MAX_SIZE} bytes")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _WHERE.match(str(error))
        if found is None:
            raise ParseError(source, 0, str(error)) from None
        raise ParseError(source, int(found[2]), f"column {found[3]}: {found[1]}") from None
    except RecursionError:
        raise ParseError(source, 0, "nested too deep") from None
    return _Reader(text, source, kinds).policy(document)


class _Reader:
    """Reads the values of a document, and finds in the text where each stands."""

    def __init__(self, text: str, source: str, kinds: Kinds) -> None:
        self.kinds = kinds
        self.lines = text.split("\n")
        self.source = source
        self.starts = [number for number, line in enumerate(self.lines, 1) if _HEADER.match(line)]

    def policy(self, document: Mapping[str, Any]) -> Policy:
        self.known(document, _TOP, 0, "")
        version = document.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            self.fail(0, "schema_version", f"schema_version {version!r} is not known here",
                      f"This fwaudit reads {SCHEMA_VERSION}.")
        check = document.get("check", {})
        entries = document.get("accept", [])
        if not isinstance(check, dict):
            self.fail(0, "check", "check has to be a section: [check]")
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            self.fail(0, "accept", "every accepted exposure has to be a section: [[accept]]")
        if len(entries) > _MAX_ENTRIES:
            self.fail(0, "accept", f"more than {_MAX_ENTRIES} entries")
        self.known(check, _CHECK, 0, "[check]")
        return Policy(
            tuple(self.entry(each, number) for number, each in enumerate(entries, 1)),
            self.value(check, "strict", bool, 0, False),
            self.severity(check), self.undecided(check), self.source, self.value(check, "findings", bool, 0, True))

    def entry(self, entry: Mapping[str, Any], number: int) -> Accepted:
        self.known(entry, _ENTRY, number, "[[accept]]")
        if "finding" in entry:
            return self.of_finding(entry, number)
        if "subject" in entry:
            self.fail(number, "subject", "subject goes with finding")
        if "port" not in entry:
            self.fail(number, "", "an entry of [[accept]] needs port, or finding")
        reason = self.reason(entry, number)
        family = self.value(entry, "family", int, number, 0)
        if family not in (0, 4, 6):
            self.fail(number, "family", f"family is 4 or 6, not {family}")
        text = {key: self.value(entry, key, str, number, "") for key in
                ("container", "compose", "process", "interface", "address", "owner")}
        if text["compose"].count("/") not in (0, 1):
            self.fail(number, "compose", "compose is PROJECT/SERVICE")
        if text["address"]:
            try:
                parse_address(text["address"])
            except ValueError as error:
                self.fail(number, "address", str(error))
        return Accepted(
            self.ports(entry, number), self.protocol(entry, number), reason, family, text["container"],
            text["compose"], text["process"], text["interface"], text["address"], self.sources(entry, number),
            text["owner"], self.expires(entry, number), self.line(number, ""))

    def of_finding(self, entry: Mapping[str, Any], number: int) -> Accepted:
        """An entry that accepts a kind of finding."""
        for key in entry:
            if key in _PORT:
                self.fail(number, key, f"{key} goes with port, not with finding",
                          f"With finding there are: {', '.join((*_FINDING[1:], *_BOTH))}.")
        kind = self.value(entry, "finding", str, number, "")
        known = self.kinds()
        if not kind or (known and kind not in known):
            self.fail(number, "finding", f"no such finding: {kind!r}"[:200], "See: fwaudit findings")
        return Accepted(
            EMPTY, 0, self.reason(entry, number), owner=self.value(entry, "owner", str, number, ""),
            expires=self.expires(entry, number), line=self.line(number, ""), finding=kind,
            subject=self.value(entry, "subject", str, number, ""))

    def reason(self, entry: Mapping[str, Any], number: int) -> str:
        if "reason" not in entry:
            self.fail(number, "", "an entry of [[accept]] needs reason")
        reason: str = self.value(entry, "reason", str, number, "")
        if not reason.strip():
            self.fail(number, "reason", "the reason is empty", "Say why it is meant to be so.")
        return reason

    # ---- values ---------------------------------------------------------------------------------------------------

    def ports(self, entry: Mapping[str, Any], number: int) -> IntervalSet:
        found = EMPTY
        values = entry["port"] if isinstance(entry["port"], list) else [entry["port"]]
        for value in values:
            low, dash, high = str(value).partition("-")
            if isinstance(value, bool) or not low.isdigit() or (dash and not high.isdigit()) or len(str(value)) > 11:
                self.fail(number, "port", f"not a port or a range of ports: {value!r}", 'Write 443, or "8000-8010".')
            first, last = int(low), int(high if dash else low)
            if not 0 < first <= last <= MAX_PORT:
                self.fail(number, "port", f"not a port or a range of ports: {value!r}")
            found = found | IntervalSet.range(first, last)
        if not found:
            self.fail(number, "port", "no port")
        return found

    def protocol(self, entry: Mapping[str, Any], number: int) -> int:
        name = self.value(entry, "protocol", str, number, "tcp")
        if name not in ("tcp", "udp", "sctp"):
            self.fail(number, "protocol", f"protocol is tcp, udp or sctp, not {name!r}")
        return PROTOCOLS[name]

    def sources(self, entry: Mapping[str, Any], number: int) -> tuple[tuple[int, IntervalSet], ...] | None:
        if "from" not in entry:
            return None
        values = entry["from"] if isinstance(entry["from"], list) else [entry["from"]]
        found: dict[int, IntervalSet] = {}
        for value in values:
            try:
                family, network = parse_network(value if isinstance(value, str) else "")
            except ValueError:
                self.fail(number, "from", f"not a network: {value!r}", 'Write "10.0.0.0/8" or "2001:db8::/32".')
            found[family] = found.get(family, EMPTY) | network
        return tuple(sorted(found.items(), key=lambda pair: pair[0]))

    def expires(self, entry: Mapping[str, Any], number: int) -> datetime.date | None:
        value = entry.get("expires")
        if value is None:
            return None
        if isinstance(value, datetime.datetime):
            value = value.date()
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = datetime.date.fromisoformat(value)
        if not isinstance(value, datetime.date):
            self.fail(number, "expires", f"not a date: {value!r}", "Write 2027-06-30.")
        return value

    def severity(self, check: Mapping[str, Any]) -> Severity:
        name = self.value(check, "fail_on", str, 0, "high").upper()
        if name not in Severity.__members__:
            self.fail(0, "fail_on", f"fail_on is a severity: {', '.join(each.name.lower() for each in Severity)}")
        return Severity[name]

    def undecided(self, check: Mapping[str, Any]) -> Any:
        name = self.value(check, "undecided", str, 0, "unknown")
        if name not in ("ok", "warn", "unknown", "critical"):
            self.fail(0, "undecided", "undecided is ok, warn, unknown or critical")
        return name

    def value(self, where: Mapping[str, Any], key: str, kind: Callable[..., Any], number: int, default: Any) -> Any:
        found = where.get(key, default)
        if type(found) is not kind:
            words = {str: "a text", int: "a number", bool: "true or false"}
            self.fail(number, key, f"{key} has to be {words[kind]}, not {found!r}"[:200])  # type: ignore[index]
        return found

    # ---- mistakes -------------------------------------------------------------------------------------------------

    def known(self, found: Mapping[str, Any], keys: tuple[str, ...], number: int, where: str) -> None:
        for key in found:
            if key not in keys:
                self.fail(number, key, f"unknown key {key!r}{f' in {where}' if where else ''}",
                          f"There are: {', '.join(keys)}.")

    def line(self, number: int, key: str) -> int:
        """Where a key of an entry (0: of the rest) stands; the entry's own line where it is not found."""
        begin = self.starts[number - 1] if 0 < number <= len(self.starts) else 0
        pattern = re.compile(rf"\s*(?:{re.escape(key)}|[\"']{re.escape(key)}[\"'])\s*[.=]")
        for place in range(begin, len(self.lines)):
            if number and place > begin and _SECTION.match(self.lines[place]):
                break
            if key and pattern.match(self.lines[place]):
                return place + 1
        return begin

    def fail(self, number: int, key: str, message: str, hint: str = "") -> NoReturn:
        line = self.line(number, key)
        text = self.lines[line - 1] if line else ""
        column = text.find(key) + 1 if key else len(text) - len(text.lstrip()) + 1
        where = f"column {column}: " if line and column > 0 else ""
        raise ParseError(self.source, line, where + message, hint)
