"""A snapshot: what one host said, kept as it was said. The files are those of ``docs/snapshot.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from fwaudit.errors import ParseError
from fwaudit.records import dataclass

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Source:
    """How one file of a snapshot came to be, or why it is missing.

    ``exit`` is the command's exit status, None where no command ran. ``missing`` is the reason in words, empty where
    the source was read. ``doubt`` says in words why what was read may not be whole, or not true of one moment: it
    changed while it was read, or a part could not be looked at.
    """

    argv: tuple[str, ...] = ()
    exit: int | None = None
    stderr: str = ""
    version: str = ""
    missing: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The raw facts of one host: ``files`` maps a name such as ``iptables/nft.v4`` to its bytes.

    A name that is absent from ``files`` is a source that is missing; ``sources`` may say why. ``redacted``: its names
    and addresses are replacements.
    """

    files: Mapping[str, bytes]
    sources: Mapping[str, Source] = field(default_factory=dict)
    host: str = ""
    taken_at: str = ""
    fwaudit: str = ""
    schema: int = SCHEMA
    redacted: bool = False

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def text(self, name: str) -> str:
        """The file as text, empty where it is missing. Bytes that are not UTF-8 are kept as surrogates."""
        return self.files.get(name, b"").decode("utf-8", "surrogateescape")

    def json(self, name: str) -> Any:
        """The file as JSON, None where it is missing. Raises ParseError where it is not JSON."""
        raw = self.files.get(name)
        if raw is None:
            return None
        try:
            return json.loads(raw)
        except ValueError as error:
            line = getattr(error, "lineno", 0)
            raise ParseError(name, line, f"not JSON: {error}", "take the snapshot again") from error
        except RecursionError as error:
            raise ParseError(name, 0, "JSON nested too deeply", "take the snapshot again") from error

    def why_missing(self, name: str) -> str:
        """Why ``name`` is not there, in words; empty where it is there."""
        if name in self.files:
            return ""
        for key in (name, name.split("/", 1)[0]):
            source = self.sources.get(key)
            if source is not None and source.missing:
                return source.missing
        return "not in the snapshot"
