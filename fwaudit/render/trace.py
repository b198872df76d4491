"""A trace as data and as text."""

from __future__ import annotations

import json
from typing import Any

from fwaudit.exposure.words import Networks, example_source, is_nobody, sources_in_words
from fwaudit.model.report import Evidence
from fwaudit.model.verdict import Answer, Answerer, Ending, Fact, Query, Step, Trace
from fwaudit.packet.address import format_address, to_cidrs
from fwaudit.packet.fields import PROTOCOL_NAMES, max_address
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold, shorten


def trace_json(trace: Trace) -> dict[str, Any]:
    """The answer's fields, as docs/snapshot.md has them."""
    out: dict[str, Any] = {"disposition": trace.disposition}
    if trace.to is not None:
        out["to"] = answerer_json(trace.to)
    if trace.undecided_on:
        out["undecided_on"] = list(trace.undecided_on)
        out["fewest"] = trace.smallest
        out["facts"] = [_fact_json(fact) for fact in trace.facts]
    out["path"] = [step_json(step) for step in trace.path]
    return out


def _fact_json(fact: Fact) -> dict[str, Any]:
    return {"fact": fact.words, "values": [
        {"value": value, "leads_to": [_ending_json(ending) for ending in endings]} for value, endings in fact.values]}


def _ending_json(ending: Ending) -> dict[str, Any]:
    return {"disposition": ending.disposition} | ({"to": answerer_json(ending.to)} if ending.to else {})


def answerer_json(to: Answerer) -> dict[str, Any]:
    """Who answers: kind, name, address, port, and via where a proxy stands between."""
    out: dict[str, Any] = {"kind": to.kind}
    if to.name:
        out["name"] = to.name
    out |= {"address": format_address(to.family, to.address), "port": to.port}
    if to.via:
        out["via"] = to.via
    return out


def step_json(step: Step) -> dict[str, Any]:
    """One rule that was met; with its counters where the snapshot has them."""
    out: dict[str, Any] = {
        "hook": step.hook, "family": step.family, "backend": step.backend, "table": step.table, "chain": step.chain,
        "rule": step.rule, "text": step.text, "does": step.does,
    }
    if step.counters is not None:
        out["counters"] = {"packets": step.counters[0], "bytes": step.counters[1]}
    return out


def shown_source(query: Query, answer: Answer, inside: Networks = ()) -> int | None:
    """The source whose way is shown for an outcome of many; None where the question is about one packet."""
    area = answer.sources & _universe(query.family)
    if not query.iif or query.sources.size(1 << 128) == 1 or not area:
        return None
    return example_source(query.family, area, inside)


def traces_json(query: Query, answers: list[Answer], inside: Networks = ()) -> str:
    """``fwaudit trace --format json``: one object for a single packet, else a list of outcomes with their sources."""
    if len(answers) == 1 and query.sources.size(1 << 128) == 1:
        return json.dumps(trace_json(answers[0].trace), indent=2)
    out = []
    for answer in answers:
        cidrs = to_cidrs(query.family, answer.sources & _universe(query.family), _MAX_CIDRS + 1)
        outcome: dict[str, Any] = {"sources": cidrs[:_MAX_CIDRS], "sources_complete": len(cidrs) <= _MAX_CIDRS,
                                   "certain": answer.certainly}
        source = shown_source(query, answer, inside)
        if source is not None:
            outcome["src"] = format_address(query.family, source)
        out.append({**outcome, **trace_json(answer.trace)})
    return json.dumps(out, indent=2)


def trace_table(query: Query, answers: list[Answer], style: Style, networks: Networks = (),
                inside: Networks = (), *, explain: bool = False) -> str:
    """``fwaudit trace`` for people: for each outcome its sources, and one packet's way.

    ``explain``: say of each fact that would decide an open packet what it leads to.
    ``networks`` of the interface and ``inside``, the host's own networks and addresses: to put sources into words.
    """
    parts: list[str] = []
    nobody: list[str] = []
    for answer in answers:
        area = answer.sources & _universe(query.family)
        source = shown_source(query, answer, inside)
        head = _outcome(answer.trace)
        if source is not None and answer.trace.disposition in _SHUT and is_nobody(query.family, area, inside):
            words = sources_in_words(query.family, area, (), (), 6)
            nobody.append("\n".join(fold(f"{head}: from addresses that no other machine has: {words}", style.width)))
            continue
        lines = []
        if source is not None:
            head = f"{head}: from {sources_in_words(query.family, area, networks, inside, 6)}"
            lines.append(f"  The way of one of them, from {format_address(query.family, source)}:")
        way = _way_lines(answer.trace, style, explain)
        parts.append("\n".join([*_painted(head, answer.trace, style), *lines, *way]))
    return "\n\n".join(parts + nobody)


def _painted(head: str, trace: Trace, style: Style) -> list[str]:
    return [style.paint(line, _HOW.get(trace.disposition, "bold")) for line in fold(head, style.width)]


def _way_lines(trace: Trace, style: Style, explain: bool) -> list[str]:
    return [*(f"    {line}" for line in steps_lines(trace, style)), *fact_lines(trace, style, explain)]


def fact_lines(trace: Trace, style: Style, explain: bool) -> list[str]:
    """The facts that would decide an open packet; with ``explain`` also what becomes of it for each value."""
    if not trace.undecided_on:
        return []
    count = len(trace.undecided_on)
    head = "It depends on:" if count == 1 else f"It depends on these {count} facts together; no fewer decide it:"
    if not trace.smallest:
        head = "Too many facts are open to say which of them decide. It may depend on:"
    lines = [f"  {head}"]
    if not explain or not trace.facts:
        facts = [Fact(words) for words in trace.undecided_on]
    else:
        facts = list(trace.facts)
    for fact in facts:
        lines += [f"    {line}" for line in _hanging(clean(fact.words), style.width - 4, "  ")]
        for value, endings in fact.values:
            then = " or ".join(dict.fromkeys(_ending(ending) for ending in endings)) or "not known"
            lines += [f"      {line}" for line in _hanging(f"{clean(value)}: {then}", style.width - 6, "  ")]
    if not explain and any(fact.values for fact in trace.facts):
        lines.append("  What each leads to: the same command with --explain.")
    return lines


def _hanging(text: str, width: int, indent: str) -> list[str]:
    first, *others = fold(text, width - len(indent)) or [""]
    return [first, *(indent + line for line in others)]


def _ending(ending: Ending) -> str:
    if ending.disposition == "undecided":
        return "not known"
    return _outcome(Trace(ending.disposition, ending.to))


def path_lines(evidence: Evidence, style: Style) -> list[str]:
    """The packet in question, then its way, then what becomes of it."""
    query = evidence.query
    proto = PROTOCOL_NAMES.get(query.proto, str(query.proto))
    source = format_address(query.family, query.sources.lowest())
    target = format_address(query.family, query.dst)
    target = f"[{target}]" if query.family == 6 else target
    if query.sport is not None:
        source += f" port {query.sport}"
    return [f"in by {clean(query.iif)}: {source} → {target}:{query.dport}/{proto}",
            *steps_lines(evidence.trace, style), _outcome(evidence.trace)]


def steps_lines(trace: Trace, style: Style) -> list[str]:
    """Rule by rule: where it stands, what it did, what it asks; wrapped to the width."""
    cells = [(clean(_where(step)), clean(step.does), shorten(clean(_asks(step)), _MAX_RULE))
             for step in _telling(trace)]
    first = max((len(where) for where, _, _ in cells), default=0)
    second = max((len(does) for _, does, _ in cells), default=0)
    indent = first + second + 4
    room = style.width - 4 - indent
    out: list[str] = []
    for where, does, asks in cells:
        if room >= _LEAST_ROOM:
            pieces = fold(asks, room)
            out += [f"{where:<{first}}  {does:<{second}}  {pieces[0]}".rstrip(),
                    *(" " * indent + piece for piece in pieces[1:])]
        else:  # long names, as native nftables has them: the rule below
            column = first if indent <= style.width - 2 else 0
            out += [f"{where:<{column}}  {does}", *("    " + piece for piece in fold(asks, style.width - 8) if piece)]
    return out


def _where(step: Step) -> str:
    if not step.table:
        return step.hook
    backend = f"{step.backend} " if step.backend != "nft" else ""
    return f"{backend}{step.table} {step.chain} {step.rule or 'policy'}"


def _asks(step: Step) -> str:
    """The rule without what is said already: its chain and its target."""
    text = step.text.removeprefix(f"-A {step.chain} ")
    for mark in (" -j ", " -g "):
        text = text.rsplit(mark, 1)[0]
    return "" if text.startswith(("-j ", "-g ", "chain policy")) else text


def _telling(trace: Trace) -> list[Step]:
    """The steps without chains that the packet came back from untouched, and without the answer's where it arrived."""
    path = [step for step in trace.path
            if not (trace.disposition == "delivered" and step.does.endswith(" the answer"))]
    while True:
        kept = [step for place, step in enumerate(path) if not _is_idle(step, path[place + 1:])]
        if len(kept) == len(path):
            return kept
        path = kept


def _is_idle(step: Step, later: list[Step]) -> bool:
    if step.does in ("return", "return the answer"):
        return True
    if not step.does.startswith(("jump ", "goto ")):
        return False
    chain = step.does.split(" ")[1]
    return not later or later[0].chain != chain


def _outcome(trace: Trace) -> str:
    """``delivered to web (172.17.0.2:5432)``."""
    if trace.to is None or trace.disposition not in ("delivered", "undecided"):
        return _WORDS[trace.disposition]
    to = trace.to
    address = format_address(to.family, to.address)
    address = f"[{address}]" if to.family == 6 else address
    via = f" via {to.via}" if to.via else ""
    name = shorten(clean(to.name), 60) or _NAMELESS[to.kind]
    return f"{_WORDS[trace.disposition]} to {name} ({address}:{to.port}){via}"


def _universe(family: int) -> IntervalSet:
    return IntervalSet((0, max_address(family) + 1))


_MAX_CIDRS = 64
_NAMELESS = {"container": "a container", "host-socket": "a process", "elsewhere": "another machine"}
_MAX_RULE = 600
_LEAST_ROOM = 24
_SHUT = ("dropped", "rejected", "no-route")
_HOW = {"delivered": "bad", "undecided": "warn", "dropped": "good", "rejected": "good"}
_WORDS = {
    "delivered": "delivered", "dropped": "dropped", "rejected": "rejected", "no-route": "no route",
    "not-listening": "gets through, but nobody listens", "accepted": "accepted", "undecided": "undecided",
}
