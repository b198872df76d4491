"""Reports as text, one module a format. Pure: nobody prints here."""

from __future__ import annotations

from collections.abc import Callable

from fwaudit.model.report import Report


def _json(report: Report) -> str:
    from fwaudit.render import json

    return json.render(report)


FORMATS: dict[str, Callable[[Report], str]] = {"json": _json}
"""Formats for machines. The table for people knows its screen as well: `fwaudit.render.table`."""
