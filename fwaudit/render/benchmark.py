"""A benchmark's recommendations as a table: on a screen, in Markdown, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fwaudit.model.compliance import Checked, Control
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold

STATES = {"pass": "pass", "fail": "FAIL", "not-applicable": "not applicable", "undetermined": "could not determine"}
_HOW = {"pass": "good", "fail": "bad", "not-applicable": "dim", "undetermined": "warn"}
_MANY = 4
_INDENT = 7


def summary(checked: Checked) -> str:
    """``CIS Docker Benchmark 1.6.0: 3 fail, 7 pass, 2 not applicable, 1 could not determine``."""
    counts = {state: sum(each.state == state for each in checked.controls) for state in ("fail", *STATES)}
    said = ", ".join(f"{count} {STATES[state].lower()}" for state, count in counts.items() if count)
    return f"{checked.benchmark}: {said} (of {len(checked.controls)} that can be judged from here)"


def table(checked: Checked, style: Style) -> Iterator[str]:
    """Lines: the summary, then for each recommendation its state, and what shows it."""
    yield from fold(summary(checked), style.width)
    said: set[str] = set()
    for each in checked.controls:
        for number, line in enumerate(fold(f"{STATES[each.state]}  {each.title}", style.width - _INDENT)):
            start = f"  {each.id:<4} " if not number else " " * _INDENT
            yield start + (style.paint(line, _HOW[each.state]) if not number else line)
        for reason in reasons(each):
            if each.state == "undetermined" and reason in said:  # one silent engine is why of all of them
                continue
            said.add(reason)
            yield from (" " * _INDENT + line for line in fold(reason, style.width - _INDENT))


def reasons(control: Control) -> list[str]:
    """What shows its state: facts, and findings by their ids."""
    if control.state not in ("fail", "undetermined"):
        return []
    said = [clean(each) for each in control.why[:_MANY]]
    said += [f"and {len(control.why) - _MANY} more"] if len(control.why) > _MANY else []
    kinds = dict.fromkeys(kind for kind, _ in control.findings)
    return said + ([f"findings: {', '.join(kinds)}"] if kinds else [])


def as_json(checked: Checked) -> dict[str, Any]:
    """Every recommendation, with all that shows it."""
    return {"benchmark": checked.benchmark, "controls": [{
        "id": each.id, "title": each.title, "state": each.state, "why": list(each.why),
        "findings": [{"id": kind, "subject": subject} for kind, subject in each.findings]}
        for each in checked.controls]}
