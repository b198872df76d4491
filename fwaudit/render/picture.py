"""A packet's way as a picture (SVG): outside, the interface, hook by hook the rules that decide, and who answers.

The way runs down the left. The firewall policy's rules stand beside it where the packet never meets them. Colours are
CSS classes, so that the page's light and dark dresses hold for it; no style is written into the picture, which a strict
content policy would refuse. It is as narrow as a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Literal

from fwaudit.model.report import Evidence, Exposure, Report
from fwaudit.model.verdict import Step
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.records import dataclass
from fwaudit.render.text import clean, fold, shorten

_WIDTH, _LEFT, _BESIDE = 368, 2, 72
"""The picture, its edge, and where what stands beside the way begins."""
_LINE, _PAD, _GAP, _AXIS = 17, 11, 24, 34
_COLUMNS, _FEWER = 46, 36
"""Characters to a line of a box on the way, and of one beside it."""
_MOVES = ("accept", "drop", "reject", "dnat", "redirect", "snat", "masquerade", "netmap", "mark", "notrack", "queue")
_MAX_STEPS, _MAX_LINES = 12, 5

Kind = Literal["place", "rule", "good", "bad", "doubt", "beside"]


@dataclass(frozen=True, slots=True)
class _Box:
    """``above``: a small line over the title, for where a rule stands."""

    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    above: str = ""

    @property
    def height(self) -> int:
        return 2 * _PAD + _LINE * (1 + len(self.lines) + bool(self.above)) - 4


def picture(report: Report, exposure: Exposure) -> str:
    """The SVG element; empty where there is no packet to show."""
    if exposure.evidence is None:
        return ""
    parts: list[str] = []
    top, first = 2, True
    for box in _boxes(report, exposure, exposure.evidence):
        beside = box.kind == "beside"
        if not first and not beside:
            parts.append(f'<path class="arrow" d="M{_AXIS} {top - _GAP} V{top - 7}"/>'
                         f'<path class="head" d="M{_AXIS - 5} {top - 8} h10 l-5 8 z"/>')
        if beside:
            parts.append(f'<path class="arrow" d="M{_AXIS} {top - _GAP} V{top + box.height}"/>'
                         f'<path class="apart" d="M{_AXIS + 6} {top + box.height // 2} H{_BESIDE - 2}"/>')
        parts += _drawn(box, _BESIDE if beside else _LEFT, top)
        top += box.height + _GAP
        first = False
    return (f'<svg class="way" viewBox="0 0 {_WIDTH} {top - _GAP + 2}" role="img"><title>{_text(_title(exposure))}'
            f"</title>{''.join(parts)}</svg>")


def _title(exposure: Exposure) -> str:
    assert exposure.evidence is not None
    query = exposure.evidence.query
    return (f"The way of a packet from {format_address(query.family, query.sources.lowest())} to "
            f"{format_address(query.family, query.dst)} port {query.dport}")


def _boxes(report: Report, exposure: Exposure, evidence: Evidence) -> Iterator[_Box]:
    query = evidence.query
    proto = PROTOCOL_NAMES.get(query.proto, str(query.proto))
    near = any(way.neighbours_only for way in exposure.ways if (way.iif, way.dst) == (query.iif, query.dst))
    yield _Box("place", "a machine on the link" if near else "outside", (
        *fold(f"{format_address(query.family, query.sources.lowest())} to "
              f"{format_address(query.family, query.dst)} port {query.dport}/{proto}", _COLUMNS),))
    yield _Box("place", shorten(f"{clean(query.iif)}, an interface of this host", _COLUMNS - 4))
    steps, left_out = _deciding(evidence)
    routed = False
    for number, step in enumerate(steps):
        if step.hook in ("forward", "input") and not routed:
            routed = True
            whither = "a container" if exposure.service.container else "another machine"
            yield from _routing(report, exposure, "a process of this host" if step.hook == "input" else whither,
                                step.hook == "input")
        if left_out and number == _MAX_STEPS // 2:
            yield _Box("place", f"… {left_out} more rules …")
        yield _rule(step)
    if any("no rule of this host is asked" in note for note in exposure.notes):
        yield _Box("beside", "this host's rules: never asked", ("The container stands on the network", "itself."))
    elif not routed:
        yield from _routing(report, exposure, "", any(step.hook == "input" for step in evidence.trace.path))
    yield _end(evidence)


def _deciding(evidence: Evidence) -> tuple[list[Step], int]:
    """The rules that do something to the packet itself; of very many the first and the last, and how many are not
    shown. The answer's own are left to the list of rules."""
    found = [step for step in evidence.trace.path
             if step.does.startswith(_MOVES) and not step.does.endswith(" the answer")]
    half = _MAX_STEPS // 2
    return (found, 0) if len(found) <= _MAX_STEPS else ([*found[:half], *found[-half:]], len(found) - _MAX_STEPS)


def _routing(report: Report, exposure: Exposure, whither: str, asked: bool) -> Iterator[_Box]:
    yield _Box("place", f"routed: on to {whither}" if whither else "routed")
    if asked:
        return
    policy = exposure.policy
    rule = f" (rule {policy.rule})" if policy.rule else ""
    says = fold(clean(f"{policy.text}{rule}"), _FEWER)[:2] if policy.by in ("ufw", "INPUT") and policy.text else []
    name = "ufw's rules" if report.policy == "ufw" else "the INPUT chain"
    yield _Box("beside", f"{name}: never asked", (
        *says, "INPUT is on the way to this host's", "own processes."))


def _rule(step: Step) -> _Box:
    stands = f"{step.table} {step.chain} {step.rule}" if step.rule else f"{step.table} {step.chain}, chain policy"
    does = clean(step.does)
    lines = fold(clean(step.text), _COLUMNS) if step.rule else []
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES - 1], "…"]
    return _Box("bad" if does.startswith(("drop", "reject")) else "rule", shorten(does, _COLUMNS - 4), tuple(lines),
                shorten(clean(f"{step.hook} · {stands}"), _COLUMNS))


def _end(evidence: Evidence) -> _Box:
    trace = evidence.trace
    if trace.to is not None and trace.disposition in ("delivered", "undecided"):
        name = clean(trace.to.name) or ("another machine" if trace.to.kind == "elsewhere" else "a process")
        title = f"{shorten(name, 30)} answers" if trace.disposition == "delivered" else f"perhaps {shorten(name, 28)}"
        address = f"{format_address(trace.to.family, trace.to.address)} port {trace.to.port}"
        via = f"by {clean(trace.to.via)}" if trace.to.via else ""
        return _Box("good" if trace.disposition == "delivered" else "doubt", title, tuple(filter(None, (address, via))))
    if trace.disposition == "undecided":
        return _Box("doubt", "undecided")
    return _Box("bad" if trace.disposition in ("dropped", "rejected") else "place", trace.disposition)


def _drawn(box: _Box, left: int, top: int) -> Iterator[str]:
    yield (f'<g class="{box.kind}"><rect x="{left}" y="{top}" width="{_WIDTH - left - 2}" height="{box.height}" '
           'rx="7"/>')
    lines = [*([("above", box.above)] if box.above else []), ("title", box.title), *(("", line) for line in box.lines)]
    for number, (how, line) in enumerate(lines):
        named = f' class="{how}"' if how else ""
        yield f'<text{named} x="{left + _PAD}" y="{top + _PAD + 11 + number * _LINE}">{_text(line)}</text>'
    yield "</g>"


def _text(text: str) -> str:
    return escape(text, quote=False)  # as xml.sax.saxutils has it, which would load urllib, http and ssl
