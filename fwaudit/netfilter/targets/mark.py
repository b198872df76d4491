"""MARK and CONNMARK: writing the packet's and the connection's mark (xt_mark.c, xt_connmark.c).

How the words become value and mask is libxt_MARK.c's and libxt_CONNMARK.c's: ``--set-mark v/m`` is a mask of ``v|m``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fwaudit.model.ruleset import CopyMark, SetMark, Target, Undecidable
from fwaudit.netfilter.matches._option import Option, mark_and_mask, number
from fwaudit.netfilter.targets._target import TargetKind, only, text_of

_ALL = 0xFFFFFFFF
_SET = {"--set-xmark": 1, "--set-mark": 1, "--and-mark": 1, "--or-mark": 1, "--xor-mark": 1}
_MASKS = {"--mask": 1, "--nfmask": 1, "--ctmask": 1}
_COPY = {"--save-mark": 0, "--restore-mark": 0}
_SHIFT = {"--left-shift-mark": 1, "--right-shift-mark": 1}


def _set_mark(field: Literal["mark", "ct_mark"], option: str, text: str) -> SetMark:
    if option == "--set-xmark":
        return SetMark(field, *mark_and_mask(text))
    if option == "--set-mark":
        value, mask = mark_and_mask(text)
        return SetMark(field, value, value | mask)
    bits = number(text)
    if option == "--and-mark":
        return SetMark(field, 0, bits ^ _ALL)
    return SetMark(field, bits, bits if option == "--or-mark" else 0)


def _mark(options: Sequence[Option], family: int) -> Target:
    found = only(options, _SET)
    if len(found) != 1:
        raise ValueError("one value is needed")
    name, arguments = next(iter(found.items()))
    return _set_mark("mark", name, arguments[0])


def _connmark(options: Sequence[Option], family: int) -> Target:
    if any(option.name in _SHIFT for option in options):
        return Undecidable(text_of("CONNMARK", options), "the mark is shifted", terminal=False)
    found = only(options, [*_SET, *_MASKS, *_COPY])
    actions = [name for name in found if name not in _MASKS]
    if len(actions) != 1:
        raise ValueError("one action is needed")
    if actions[0] in _SET:
        return _set_mark("ct_mark", actions[0], found[actions[0]][0])
    both = number(found["--mask"][0]) if "--mask" in found else _ALL
    packet = number(found["--nfmask"][0]) if "--nfmask" in found else both
    connection = number(found["--ctmask"][0]) if "--ctmask" in found else both
    if actions[0] == "--save-mark":
        return CopyMark("ct_mark", to_mask=connection, from_mask=packet)
    return CopyMark("mark", to_mask=packet, from_mask=connection)


MARK = TargetKind(_SET, _mark)
CONNMARK = TargetKind({**_SET, **_MASKS, **_COPY, **_SHIFT}, _connmark)
