"""Text from outside made safe to print: names, comments and rules are hostile data."""

from __future__ import annotations

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2028\u2029\u2060\ufeff")


def clean(text: str) -> str:
    """The text with control characters, escape sequences, text-direction overrides and stray bytes made visible.

    ``\\x1b[2J`` on a terminal would clear the screen; here it reads ``\\x1b[2J``. Newlines and tabs are shown as
    escapes as well: one value never makes two lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_plain(c) else _escape(c) for c in text)


def _is_plain(c: str) -> bool:
    return c.isprintable() and c not in _BIDI and c not in _INVISIBLE


def _escape(c: str) -> str:
    code = ord(c)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, width: int) -> str:
    """At most ``width`` characters, with an ellipsis where some were left out."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def bullet(text: str, width: int) -> list[str]:
    """An item of a list, folded into lines of at most ``width`` characters."""
    first, *rest = fold(text, width - 4)
    return [f"  - {first}", *(f"    {line}" for line in rest)]


def fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters: broken at blanks, and addresses and paths, where they must, at a mark."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while len(line) > width:
            cut = max(line.rfind(mark, width // 2, width) for mark in ".:/,-_") + 1 or width
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line] if line or not lines else lines
