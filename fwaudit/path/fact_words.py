"""Facts that a snapshot does not tell, in plain words: *whether 6 packets or more came from this source in 30 s*."""

from __future__ import annotations

import shlex

from fwaudit.model.condition import In, Masked, Unknown
from fwaudit.packet.intervals import ALL

_MOST_TEXT = 200


def unknown_words(unknown: Unknown) -> str:
    """What would have to be known: ``whether …``, with the match's name or text."""
    given = _options(unknown.text)
    for name, say in (("recent", _recent), ("limit", _limit), ("connlimit", _connlimit)):
        if unknown.text.startswith(f"-m {name} ") and (words := say(given)):
            return f"whether {words} ({name})"
    text = unknown.text if len(unknown.text) <= _MOST_TEXT else unknown.text[:_MOST_TEXT] + "…"
    return f"whether {text} matches: {unknown.why}" if unknown.why else f"whether {text} matches"


def mark_words(condition: In | Masked, set_by: str) -> str:
    """``whether the packet's mark is 0x1/0xff, which -j HMARK sets``."""
    whose = "connection's" if condition.field == "ct_mark" else "packet's"
    if isinstance(condition, Masked):
        value = f"0x{condition.value:x}" + ("" if condition.mask == 0xFFFFFFFF else f"/0x{condition.mask:x}")
    else:
        ranges = list((condition.values & ALL).ranges(0xFFFFFFFF))[:4]
        value = ", ".join(f"0x{low:x}" if low == high else f"0x{low:x}-0x{high:x}" for low, high in ranges)
    return f"whether the {whose} mark is {value}" + (f", which {set_by} sets" if set_by else "")


def _recent(given: dict[str, str]) -> str:
    if not given.keys() & {"--rcheck", "--update"} or any(name.startswith("!") for name in given):
        return ""
    many = given.get("--hitcount", "1")
    packets = "a packet" if many == "1" else f"{many} packets or more"
    whose = "to this destination" if "--rdest" in given else "from this source"
    when = f" in the last {given['--seconds']} s" if "--seconds" in given else ""
    came = "was seen" if many == "1" else "were seen"
    return f"{packets} {whose} {came}{when}"


def _limit(given: dict[str, str]) -> str:
    rate = given.get("--limit")
    if not rate or any(name.startswith("!") for name in given):
        return ""
    burst = f", with {given['--limit-burst']} at once" if "--limit-burst" in given else ""
    return f"no more than {rate} such packets come{burst}"


def _connlimit(given: dict[str, str]) -> str:
    if any(name.startswith("!") for name in given):
        return ""
    if "--connlimit-above" in given:
        return f"more than {given['--connlimit-above']} connections are open"
    return f"no more than {given['--connlimit-upto']} connections are open" if "--connlimit-upto" in given else ""


def _options(text: str) -> dict[str, str]:
    """``--name value`` pairs; a negated one as ``! --name``."""
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    out: dict[str, str] = {}
    name = ""
    for place, word in enumerate(words):
        if word.startswith("--"):
            name = ("! " if place and words[place - 1] == "!" else "") + word
            out[name] = ""
        elif name and not out[name] and word != "!":
            out[name] = word
    return out
