"""Variables in Compose files: ``$VAR``, ``${VAR}``, ``${VAR:-default}``, ``${VAR-default}``, ``${VAR:?error}``,
``${VAR?error}``, ``${VAR:+other}``, ``${VAR+other}``, ``$$``; and ``.env`` files.

Source: the Compose Specification, "Interpolation", and compose-go's template package; for ``.env`` its dotenv package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fwaudit.errors import ParseError
from fwaudit.model.compose import Mark

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_MOST_TEXT = 64 << 10
_DEEPEST = 20
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)", re.S)


@dataclass
class Variables:
    """The environment that variables are looked up in."""

    values: Mapping[str, str] = field(default_factory=dict)

    def fill(self, text: str, mark: Mark) -> tuple[str, tuple[str, ...]]:
        """The text with its variables filled in, and the names of those that are not set and have no default.

        Raises ParseError for a ``${VAR:?…}`` that is not set, and for what is no variable.
        """
        if "$" not in text:
            return text, ()
        unset: dict[str, None] = {}
        return self._filled(text, mark, unset, 0), tuple(unset)

    def _filled(self, text: str, mark: Mark, unset: dict[str, None], depth: int) -> str:
        if depth > _DEEPEST:
            raise ParseError(mark.file, mark.line, "variables nested too deeply")
        out: list[str] = []
        at, size = 0, 0
        while (sign := text.find("$", at)) >= 0:
            out.append(text[at:sign])
            value, at = self._one(text, sign + 1, mark, unset, depth)
            out.append(value)
            size += len(value)
            if size > _MOST_TEXT:
                raise ParseError(mark.file, mark.line, "variables make too long a text of it")
        return "".join([*out, text[at:]])

    def _one(self, text: str, at: int, mark: Mark, unset: dict[str, None], depth: int) -> tuple[str, int]:
        """The value of the variable behind a ``$``, and where it ends."""
        if text.startswith("$", at):
            return "$", at + 1
        braced = text.startswith("{", at)
        name = _NAME.match(text, at + braced)
        if name is None:
            raise ParseError(mark.file, mark.line, f"not a variable: {text[at - 1:at + 20]!r}",
                             "Write $$ where a dollar sign is meant.")
        if not braced:
            return self._value(name[0], unset), name.end()
        end = _closing(text, name.end())
        operator = _OPERATOR.match(text, name.end())
        if end < 0 or (operator is None and end != name.end()):
            raise ParseError(mark.file, mark.line, f"not a variable: {text[at - 1:at + 40]!r}",
                             "Write $$ where a dollar sign is meant.")
        if operator is None:
            return self._value(name[0], unset), end + 1
        word = text[operator.end():end]
        return self._operated(name[0], operator[0], word, mark, unset, depth), end + 1

    def _operated(self, name: str, operator: str, word: str, mark: Mark, unset: dict[str, None], depth: int) -> str:
        value = self.values.get(name)
        there = value is not None and (value != "" or operator[0] != ":")
        if operator[-1] == "+":
            return self._filled(word, mark, unset, depth + 1) if there else ""
        if value is not None and there:
            return value
        if operator[-1] == "?":
            said = self._filled(word, mark, unset, depth + 1)
            raise ParseError(mark.file, mark.line, f"variable {name} has to be set{f': {said}' if said else ''}"[:300],
                             "Set it, or name the file that does with --env-file.")
        return self._filled(word, mark, unset, depth + 1)

    def _value(self, name: str, unset: dict[str, None]) -> str:
        if name not in self.values:
            unset[name] = None
        return self.values.get(name, "")


def _closing(text: str, at: int) -> int:
    """Where the brace that is open at ``at`` closes; -1 where it does not."""
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return -1


def parse_dotenv(text: str, file: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a ``.env`` file sets. Values may ask for ``environment`` and for what stands above them, but not where they
    are in single quotes."""
    found: dict[str, str] = {}
    lines = enumerate(text.removeprefix("\ufeff").splitlines(), 1)
    for number, raw in lines:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            continue  # a bare NAME asks for the environment's own value, which stands already
        name, value = match[1], match[2]
        quote = value[:1]
        if quote in ("'", '"'):
            while (end := _closing_quote(value, quote)) < 0:
                following = next(lines, None)
                if following is None:
                    raise ParseError(file, number, "a quote that is not closed")
                value += "\n" + following[1]
            value = value[1:end]
        else:
            value = re.sub(r"(^|\s+)#.*", "", value).strip()
        if quote == '"':
            value = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r", "t": "\t"}.get(m[1], m[1]) if m[1] != "$"
                           else "$$", value, flags=re.S)
        if quote != "'":
            value, _ = Variables({**found, **environment}).fill(value, Mark(file, number))
        found[name] = value
    return found


def _closing_quote(value: str, quote: str) -> int:
    at = 1
    while at < len(value):
        if value[at] == "\\" and quote == '"':
            at += 1
        elif value[at] == quote:
            return at
        at += 1
    return -1
