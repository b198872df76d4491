"""How wide a screen is and whether it has colours. Colour only adds: everything reads without it."""

from __future__ import annotations

from dataclasses import dataclass

_CODES = {"bad": "1;31", "warn": "33", "good": "32", "dim": "2", "bold": "1"}


@dataclass(frozen=True, slots=True)
class Style:
    """``width`` in columns; ``colour`` False prints no escape sequence at all.

    ``snapshot``: the path of the recorded host that the screen is about, for the commands that are suggested.
    """

    width: int = 80
    colour: bool = False
    snapshot: str = ""

    def paint(self, text: str, how: str) -> str:
        """The text in a colour, where there are colours."""
        return f"\x1b[{_CODES[how]}m{text}\x1b[0m" if self.colour and text else text
