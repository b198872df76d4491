"""What opened and what closed, as a screen and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from shlex import quote
from typing import Any

from fwaudit.exposure.diff import EFFECTS, Area, Difference, Effect, lost_policy
from fwaudit.exposure.words import sources_in_words
from fwaudit.model.report import Exposure, Report, Severity
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES, max_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.rows import who
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold, shorten

SCHEMA_VERSION = 1

_TITLES: dict[Effect, str] = {
    "against": "Open now, although {policy} does not allow it",
    "perhaps": "Perhaps open now, although {policy} does not allow it",
    "opened": "Opened, as {policy} allows", "closed": "Closed", "neutral": "Otherwise changed"}
_HOW: dict[Effect, str] = {"against": "bad", "perhaps": "warn", "opened": "warn", "closed": "good", "neutral": "dim"}
_SAID = {"disallowed": "reached as before; policy no longer allows it",
         "allowed": "reached as before; policy allows it now",
         "surer": "reached as before, and it is certain now", "doubtful": "no longer certain",
         "new": "new; not reached", "gone": "gone; it was not reached"}
_SHOWN_PORTS, _SHOWN_LINES = 12, 40


def render(old: Report, new: Report, found: Sequence[Difference], style: Style | None = None) -> str:
    """The screen, with a newline at its end."""
    style = style or Style()
    text, how = headline(old, new, found)
    parts = ["\n".join(style.paint(line, how) for line in fold(text, style.width)),
             "\n".join(fold(f"{_named(old)} → {_named(new)}", style.width))]
    for effect in EFFECTS:
        items = alike(old, new, [each for each in found if each.effect == effect])
        if items:
            policy = _policy(new) if effect == "opened" else _denier(old, new)
            lines = [style.paint(f"{_TITLES[effect].format(policy=policy)}:", _HOW[effect])]
            for ports, words in items[:_SHOWN_LINES]:
                lines += _item(f"{ports}: {words}", style.width)
            if len(items) > _SHOWN_LINES:
                lines.append(f"  … and {len(items) - _SHOWN_LINES:,} more; --format json has every one.")
            parts.append("\n".join(lines))
    unread = [f"{_named(report)}: {source}: {why}" for report in (old, new) for source, why in report.unread]
    if unread:
        parts.append("\n".join(["Could not be looked at:", *(line for text in unread for line in _item(
            clean(text), style.width))]))
    if any(each.effect in ("against", "perhaps") for each in found):
        parts.append(f"Why, and what to do: fwaudit report --snapshot {quote(style.snapshot or 'NEW')}")
    return "\n\n".join(parts) + "\n"


def headline(old: Report, new: Report, found: Sequence[Difference]) -> tuple[str, str]:
    """One sentence, and how it is meant. Both families of a port are one."""
    counts = {effect: len({(each.exposure.service, each.kind) for each in found if each.effect == effect})
              for effect in EFFECTS}
    against, perhaps = counts["against"], counts["perhaps"]
    policy = _denier(old, new)
    words = {"opened": f"opened as {_policy(new)} allows", "closed": "closed", "neutral": "changed otherwise"}
    rest = ", ".join(f"{counts[effect]:,} {words[effect]}" for effect in EFFECTS if effect in words and counts[effect])
    rest = f" Besides: {rest}." if rest else ""
    if against:
        return f"{_ports(against)} opened that {policy} does not allow.{rest}", "bad"
    if perhaps:
        return f"{_ports(perhaps)} may have opened that {policy} does not allow.{rest}", "warn"
    if not (old.complete and new.complete):
        return (f"Nothing is known to have opened that {policy} does not allow, but not everything could be read."
                f"{rest}", "warn")
    if found:
        return f"Nothing opened that {policy} does not allow.{rest}", "warn" if counts["opened"] else "good"
    return "Nothing has changed: every port is reached by the same sources.", "good"


def _ports(count: int) -> str:
    return "1 port" if count == 1 else f"{count:,} ports"


def _policy(report: Report) -> str:
    return "ufw" if report.policy == "ufw" else "the INPUT chain"


def _denier(old: Report, new: Report) -> str:
    """Whose word it is that something opened against."""
    return "ufw, which is no longer in force," if lost_policy(old, new) else _policy(new)


def _named(report: Report) -> str:
    return " ".join(filter(None, (clean(report.host), clean(report.taken_at)))) or "a host"


def alike(old: Report, new: Report, found: Sequence[Difference]) -> list[tuple[str, str]]:
    """(ports, what became of them): what reads alike is said once, in the order of the worst."""
    merged: dict[tuple[str, str, str], dict[int, set[int]]] = {}
    for each in found:
        exposure = each.exposure
        service = exposure.service
        head = f"{each.severity.name.lower()} " if each.severity > Severity.INFO and each.effect != "neutral" else ""
        bound = f"{service.bound} port " if service.kind != "container-port" and service.bound != "*" else ""
        bound = "container port " if service.kind == "container-port" else bound
        key = (head + clean(bound), f"/{_protocol(exposure)} of {who(exposure)}", _words(old, new, each))
        merged.setdefault(key, {}).setdefault(service.port, set()).add(exposure.family)
    return [(f"{head}{_numbers(list(ports))}{name}{_families(ports.values())}", words)
            for (head, name, words), ports in merged.items()]


def _numbers(ports: Sequence[int]) -> str:
    ranges: list[tuple[int, int]] = []
    for port in sorted(ports):
        if ranges and ranges[-1][1] + 1 == port:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    shown = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges[:_SHOWN_PORTS])
    return shown if len(ranges) <= _SHOWN_PORTS else f"{shown} and {len(ranges) - _SHOWN_PORTS:,} more"


def _families(found: Iterable[set[int]]) -> str:
    every = sorted({family for families in found for family in families})
    return "" if every == [4, 6] else f" (IPv{every[0]})"


def _words(old: Report, new: Report, each: Difference) -> str:
    """``now from anywhere (eth0), before from nobody; ufw says: deny 5432``."""
    if each.kind == "replaced" and each.before and each.after:
        text = f"answered by {who(each.after)}, before by {who(each.before)}"
    elif each.kind in _SAID:
        text = _SAID[each.kind]
    elif each.kind == "wider":
        text = f"now also from {_areas(new, each.exposure, each.gained)}"
    elif each.kind == "narrower":
        text = f"no longer from {_areas(old, each.exposure, each.lost)}"
    elif each.kind == "opened":
        text = f"now from {_areas(new, each.exposure, each.gained)}"
        text += ", before from nobody" if each.before else "; it is new"
    elif each.kind == "closed":
        text = f"no longer from {_areas(old, each.exposure, each.lost)}" + ("" if each.after else "; it is gone")
    else:
        text = (f"now from {_areas(new, each.exposure, each.gained)}, no longer from "
                f"{_areas(old, each.exposure, each.lost)}")
    if each.effect in ("against", "perhaps") and each.after is not None:
        ufw = each.before.policy if lost_policy(old, new) and each.before else None
        policy, says = (ufw, "said") if ufw is not None else (each.after.policy, "says")
        text += f"; {policy.by} {says}: {shorten(clean(policy.text), 60)}" if policy.by in ("ufw", "INPUT") else ""
    return text


def _areas(report: Report, exposure: Exposure, areas: Sequence[Area]) -> str:
    """``anywhere (eth0, eth1)``."""
    by_words: dict[str, list[str]] = {}
    afar = any(not near for _, near, _ in areas)
    for iif, near, sources in areas:
        if near and afar:
            continue
        words = _in_words(report, exposure.family, iif, sources)
        if near:
            words = "neighbours" if words == "anywhere" else f"neighbours as {words}"
        by_words.setdefault(words, []).append(clean(iif))
    return "; ".join(f"{words} ({', '.join(names)})" for words, names in by_words.items()) or "nobody"


def _in_words(report: Report, family: int, iif: str, sources: IntervalSet) -> str:
    return sources_in_words(family, sources, report.networks.get(iif, ()), report.inside)


def _item(text: str, width: int) -> Iterator[str]:
    first, *rest = fold(text, width - 6) or [""]
    yield f"  {first}"
    yield from (f"      {line}" for line in rest)


def _protocol(exposure: Exposure) -> str:
    return PROTOCOL_NAMES.get(exposure.service.proto, str(exposure.service.proto))


def render_json(old: Report, new: Report, found: Sequence[Difference]) -> str:
    """The same as JSON, with a newline at its end."""
    return json.dumps({
        "schema_version": SCHEMA_VERSION,
        "old": _report(old), "new": _report(new),
        "changes": changes_json(old, new, found),
    }, indent=2) + "\n"


def changes_json(old: Report, new: Report, found: Sequence[Difference]) -> list[dict[str, Any]]:
    """Each difference as an object of JSON."""
    return [_change(old, new, each) for each in found]


def _report(report: Report) -> dict[str, Any]:
    return {"host": report.host, "taken_at": report.taken_at, "complete": report.complete,
            "unread": [{"source": source, "why": why} for source, why in report.unread]}


def _change(old: Report, new: Report, each: Difference) -> dict[str, Any]:
    exposure, service = each.exposure, each.exposure.service
    return {
        "kind": each.kind, "effect": each.effect, "severity": each.severity.name.lower(),
        "service": service.kind, "protocol": _protocol(exposure), "host_address":
            "" if service.kind == "container-port" else service.bound,
        "port": service.port, "family": exposure.family, "container": service.container, "process": service.process,
        "verdict_before": each.before.verdict if each.before else "",
        "verdict_after": each.after.verdict if each.after else "",
        "policy": each.after.policy.text if each.after else "",
        "gained": [_area(new, exposure.family, area) for area in each.gained],
        "lost": [_area(old, exposure.family, area) for area in each.lost],
    }


def _area(report: Report, family: int, area: Area) -> dict[str, Any]:
    iif, near, sources = area
    return {"in": iif, "neighbours_only": near, "words": _in_words(report, family, iif, sources), "ranges": [
        format_address(family, low) if low == high else f"{format_address(family, low)}-{format_address(family, high)}"
        for low, high in sources.ranges(max_address(family))]}
