"""A packet's way as a picture (SVG): outside, the interface, the rules that decide, and who answers.

ufw's rules stand beside the way where the packet never meets them. Colours are CSS classes, so that the page's light
and dark dresses hold for it; no style is written into the picture, which a strict content policy would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from fwaudit.model.report import Evidence
from fwaudit.model.verdict import Step
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.text import clean, fold, shorten

_WIDTH, _BOX, _LEFT = 720, 400, 20
_LINE, _PAD, _GAP = 17, 12, 26
_COLUMNS = 46
_MOVES = ("accept", "drop", "reject", "dnat", "redirect", "snat", "masquerade", "netmap", "mark")
_MAX_STEPS = 12


@dataclass(frozen=True, slots=True)
class _Box:
    kind: Literal["place", "rule", "good", "bad", "beside"]
    title: str
    lines: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return 2 * _PAD + _LINE * (1 + len(self.lines)) - 4


def picture(evidence: Evidence, policy: str) -> str:
    """The SVG element. ``policy``: who stands for the firewall policy, ``ufw`` or ``INPUT``."""
    boxes = list(_boxes(evidence))
    parts: list[str] = []
    top = 4
    for number, box in enumerate(boxes):
        if number:
            parts.append(f'<path class="arrow" d="M{_LEFT + _BOX // 2} {top - _GAP} v{_GAP - 6}"/>'
                         f'<path class="head" d="M{_LEFT + _BOX // 2 - 5} {top - 8} h10 l-5 8 z"/>')
        parts += _drawn(box, _LEFT, top, _BOX)
        if number and box.title.startswith("routing") and not _asks_input(evidence):
            beside = _beside(policy)
            width = _WIDTH - _LEFT * 2 - _BOX - 40
            parts.append(f'<path class="apart" d="M{_LEFT + _BOX} {top + box.height // 2} h36"/>')
            parts += _drawn(beside, _LEFT + _BOX + 40, top - (beside.height - box.height) // 2, width)
        top += box.height + _GAP
    height = top - _GAP + 6
    title = escape(_title(evidence))
    return (f'<svg class="way" viewBox="0 0 {_WIDTH} {height}" role="img"><title>{title}</title>'
            f"{''.join(parts)}</svg>")


def _title(evidence: Evidence) -> str:
    query = evidence.query
    return (f"The way of a packet from {format_address(query.family, query.sources.lowest())} to "
            f"{format_address(query.family, query.dst)} port {query.dport}")


def _boxes(evidence: Evidence) -> Iterator[_Box]:
    query, trace = evidence.query, evidence.trace
    proto = PROTOCOL_NAMES.get(query.proto, str(query.proto))
    yield _Box("place", f"{format_address(query.family, query.sources.lowest())}, outside",
               (f"to {format_address(query.family, query.dst)} port {query.dport}/{proto}",))
    yield _Box("place", f"{clean(query.iif)}, an interface of this host")
    shown = [step for step in trace.path if step.does.startswith(_MOVES)]
    if len(shown) > _MAX_STEPS:
        shown = [*shown[:_MAX_STEPS // 2], *shown[-_MAX_STEPS // 2:]]
    routed = False
    for step in shown:
        if step.hook in ("forward", "input") and not routed:
            routed = True
            whither = "to a process of this host" if step.hook == "input" else "on to a container"
            yield _Box("place", f"routing: {whither}")
        yield _rule(step)
    if not routed:
        yield _Box("place", "routing")
    yield _end(evidence)


def _rule(step: Step) -> _Box:
    where = f"{step.table} {step.chain} {step.rule}" if step.rule else f"{step.table} {step.chain}, chain policy"
    does = clean(step.does)
    kind: Literal["rule", "bad"] = "bad" if does.startswith(("drop", "reject")) else "rule"
    lines = fold(clean(step.text), _COLUMNS)[:4] if step.rule else []
    return _Box(kind, shorten(f"{clean(where)}: {does}", _COLUMNS), tuple(lines))


def _end(evidence: Evidence) -> _Box:
    trace = evidence.trace
    if trace.to is not None and trace.disposition in ("delivered", "undecided"):
        sure = "" if trace.disposition == "delivered" else "perhaps "
        name = shorten(clean(trace.to.name or "a process"), 30)
        return _Box("good", f"{sure}{name} answers",
                    (f"{format_address(trace.to.family, trace.to.address)} port {trace.to.port}",))
    return _Box("bad" if trace.disposition in ("dropped", "rejected") else "place", trace.disposition)


def _asks_input(evidence: Evidence) -> bool:
    return any(step.hook == "input" for step in evidence.trace.path)


def _beside(policy: str) -> _Box:
    name = "ufw's rules" if policy == "ufw" else "the INPUT chain"
    return _Box("beside", f"{name}:", ("in INPUT, which this", "packet never meets"))


def _drawn(box: _Box, left: int, top: int, width: int) -> Iterator[str]:
    yield f'<g class="{box.kind}"><rect x="{left}" y="{top}" width="{width}" height="{box.height}" rx="7"/>'
    yield f'<text class="title" x="{left + _PAD}" y="{top + _PAD + 11}">{escape(box.title)}</text>'
    for number, line in enumerate(box.lines, 1):
        yield (f'<text x="{left + _PAD}" y="{top + _PAD + 11 + number * _LINE}">{escape(line)}</text>')
    yield "</g>"
