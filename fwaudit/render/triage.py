"""What triage found, as a screen and as JSON; and the steps to take, as commands that nobody runs but the reader."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fwaudit.model.triage import Looked
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold

SCHEMA_VERSION = 1

CANNOT_SEE = (
    "what runs outside of containers; a rootkit in the kernel; what was cleaned up before; malware by another name "
    "that idles; data that was read or changed. No sign is no proof that nothing happened.")


def render(host: str, found: Sequence[Looked], seconds: float, style: Style | None = None) -> str:
    """The screen, with a newline at its end."""
    style = style or Style()
    strong = sum(each.level == "strong" for each in found)
    weak = sum(each.level == "weak" for each in found)
    lines = [style.paint(line, "bad" if strong else "warn" if weak else "good")
             for line in fold(_headline(len(found), strong, weak), style.width)]
    lines.append(f"{clean(host)}, watched for {seconds:g} seconds")
    for each in found:
        if each.signs or each.facts.blind:
            lines += ["", *_container(each, style)]
    for each in found:
        if each.level == "strong":
            lines += ["", *_steps(each)]
    lines += ["", *fold(f"It cannot see: {CANNOT_SEE}", style.width)]
    return "\n".join([*lines, ""])


def _headline(count: int, strong: int, weak: int) -> str:
    looked = f"{count} container{'' if count == 1 else 's'} looked at"
    if strong:
        return f"{strong} of {looked}: somebody else is at work there, by all signs."
    if weak:
        return f"{weak} of {looked}: signs that may have an innocent reason. Look at them."
    return f"{looked}: no sign of a miner or an intruder."


def _container(each: Looked, style: Style) -> Iterator[str]:
    yield style.paint(f"{clean(each.facts.name)} ({each.facts.cpu:.0f}% of a processor)", "bold")
    for sign in each.signs:
        weight = "STRONG" if sign.strong else "weak"
        text = f"{weight}: {clean(sign.what)} [{sign.kind}, ATT&CK {sign.technique}]"
        first, *rest = fold(text, style.width - 4)
        yield style.paint(f"  - {first}", "bad" if sign.strong else "warn")
        yield from (f"    {line}" for line in rest)
        yield from (f"      {line}" for line in fold(clean(sign.evidence), style.width - 6))
    for why in each.facts.blind:
        yield from (f"  not seen: {line}" for line in fold(clean(why), style.width - 12))


def _steps(each: Looked) -> Iterator[str]:
    """The steps of somebody who has been through it; none of them is taken here."""
    name = shlex.quote(each.facts.name)
    yield f"What to do about {clean(each.facts.name)}, in this order (nothing of it is done for you):"
    yield "  Cut it off:"
    yield from (f"      docker network disconnect -f {shlex.quote(network)} {name}" for network in each.facts.networks)
    yield "  Keep the evidence:"
    yield f"      docker pause {name}"
    yield f"      docker export -o {name}-evidence.tar {name}"
    yield f"      docker logs {name} > {name}-evidence.log 2>&1"
    yield f"      docker inspect {name} > {name}-evidence.json"
    yield "  Stop and remove it, and start again from a clean image:"
    yield f"      docker rm -f {name}"
    yield "  Change every password and key that it could read."
    yield "  Close the way in:"
    yield "      fwaudit report"
    yield "      fwaudit fix --dry-run"


def render_json(host: str, found: Sequence[Looked], seconds: float) -> str:
    """The same as JSON, with a newline at its end."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "host": host, "seconds": seconds,
                       "cannot_see": CANNOT_SEE, "containers": [_json(each) for each in found]}, indent=2) + "\n"


def _json(each: Looked) -> dict[str, Any]:
    return {"name": each.facts.name, "level": each.level, "cpu_percent": each.facts.cpu,
            "processes": len(each.facts.processes), "not_seen": list(each.facts.blind),
            "signs": [asdict(sign) for sign in each.signs]}
