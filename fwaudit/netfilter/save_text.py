"""The text of a dump of iptables-save as it comes, in parts of some lines; what is no such text is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from fwaudit.errors import ParseError

RUN_SAVE: Final = "Give the output of iptables-save -c (or ip6tables-save -c): it alone is complete and exact."
_BEGIN = 400  # characters that tell what a text is
_PART = 1 << 14  # characters of a part, and the rest of a line: they stay in the processor's memory while they are read


def whole_lines(pieces: Iterable[str], source: str) -> Iterator[str]:
    """The text in parts that end where a line does, without that line break. Raises ParseError for what is no dump."""
    begin, number, text = "", 1, ""
    for piece in pieces:
        if len(begin) < _BEGIN:
            begin = (begin + piece[:_BEGIN]).lstrip()
            _refuse_other_formats(begin, source)
        if "\0" in piece:
            raise ParseError(source, number + piece.count("\n", 0, piece.index("\0")), "binary data", RUN_SAVE)
        number += piece.count("\n")
        text, at = text + piece, 0
        while True:
            end = text.find("\n", at + _PART)
            if end < 0:
                end = text.rfind("\n", at)
            if end < 0:
                break
            yield text[at:end]
            at = end + 1
        text = text[at:]
    yield text


def _refuse_other_formats(begin: str, source: str) -> None:
    """Raise the error that helps most where a text that begins so is no dump at all."""
    if re.match(r"Chain \S+ \((?:policy|\d+ references)", begin):
        raise ParseError(source, 1, "this is the listing of iptables -L, which leaves out interfaces and more",
                         RUN_SAVE)
    if begin.startswith(("table ", "{")):
        raise ParseError(source, 1, "this is nftables' own format",
                         "Give it as nft/ruleset.json (nft -j list ruleset).")
