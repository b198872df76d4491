"""How wide a screen is and whether it has colours. Colour only adds: everything reads without it."""

from __future__ import annotations

from fwaudit.records import dataclass

_CODES = {"bad": "1;31", "warn": "33", "good": "32", "dim": "2", "bold": "1"}
_DEEP = {"bad": "1;38;5;160", "warn": "38;5;130", "good": "38;5;28", "dim": "2", "bold": "1"}
"""Of the 256 colours those that are as far from white as from black (a contrast of about 4.5), for light and dark
screens alike; of the eight, yellow is next to nothing on white."""


@dataclass(frozen=True, slots=True)
class Style:
    """``width`` in columns; ``colour`` False prints no escape sequence at all. ``deep``: the screen has 256 colours.

    ``snapshot``: the path of the recorded host that the screen is about, for the commands that are suggested.
    """

    width: int = 80
    colour: bool = False
    snapshot: str = ""
    deep: bool = False

    def paint(self, text: str, how: str) -> str:
        """The text in a colour, where there are colours."""
        if not (self.colour and text):
            return text
        return f"\x1b[{(_DEEP if self.deep else _CODES)[how]}m{text}\x1b[0m"
