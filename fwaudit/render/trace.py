"""A trace as data and as text."""

from __future__ import annotations

from typing import Any

from fwaudit.model.verdict import Answerer, Step, Trace
from fwaudit.packet.address import format_address


def trace_json(trace: Trace) -> dict[str, Any]:
    """The answer's fields, as docs/snapshot.md has them."""
    out: dict[str, Any] = {"disposition": trace.disposition}
    if trace.to is not None:
        out["to"] = answerer_json(trace.to)
    if trace.undecided_on:
        out["undecided_on"] = list(trace.undecided_on)
    out["path"] = [step_json(step) for step in trace.path]
    return out


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
