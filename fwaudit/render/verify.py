"""A scan held against the verdicts, as a screen and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fwaudit.exposure.verify import Held
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold

SCHEMA_VERSION = 1
_HOW = {"agrees": "good", "tells-nothing": "dim", "in-front": "warn", "hidden": "bad", "changed": "warn"}
_WORDS = {"hidden": "OPEN, verdict says closed", "in-front": "not reached, verdict says open",
          "changed": "another machine's address"}


def render(found: Sequence[Held], style: Style | None = None) -> str:
    """The screen, with a newline at its end."""
    style = style or Style()
    lines = fold(_headline(found), style.width)
    for kind in ("hidden", "in-front", "changed"):
        listed = [each for each in found if each.agreement == kind]
        if not listed:
            continue
        lines += ["", style.paint(f"{_WORDS[kind]}:", _HOW[kind])]
        lines += [f"  {line}" for line in fold(", ".join(_port(each) for each in listed), style.width - 2)]
        lines += [f"  {line}" for line in fold(listed[0].why, style.width - 2)]
    return "\n".join([*lines, ""])


def _headline(found: Sequence[Held]) -> str:
    agrees = sum(each.agreement == "agrees" for each in found)
    nothing = sum(each.agreement == "tells-nothing" for each in found)
    text = f"{len(found)} ports scanned: {agrees} as the verdicts say"
    if nothing:
        text += f", {nothing} of which the scan tells nothing"
    left = len(found) - agrees - nothing
    return f"{text}, {left} otherwise." if left else f"{text}."


def _port(each: Held) -> str:
    seen = each.seen
    address = format_address(seen.family, seen.address)
    return f"{f'[{address}]' if seen.family == 6 else address}:{seen.port}/{PROTOCOL_NAMES.get(seen.proto, seen.proto)}"


def render_json(found: Sequence[Held]) -> str:
    """The same as JSON, with a newline at its end."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "ports": list(map(_json, found))}, indent=2) + "\n"


def _json(each: Held) -> dict[str, object]:
    seen = each.seen
    return {"address": format_address(seen.family, seen.address), "port": seen.port,
            "protocol": PROTOCOL_NAMES.get(seen.proto, str(seen.proto)), "scan": clean(seen.state),
            "expected": each.expected, "agreement": each.agreement, "why": each.why}


def plan(commands: Sequence[Sequence[str]], host: str) -> Iterator[str]:
    """The command lines to run elsewhere, and what to do with what they write."""
    import shlex

    yield f"# Run on another machine, from where strangers come; then bring the files back to {clean(host)}:"
    for argv in commands:
        yield ("sudo " if "-sU" in argv or "-sY" in argv else "") + shlex.join(argv)
    yield "# Then, on this host:"
    for argv in commands:
        yield f"fwaudit verify --nmap {argv[argv.index('-oX') + 1]}"
