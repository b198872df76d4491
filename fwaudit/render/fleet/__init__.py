"""Many hosts → text, one module a format, in pieces: there may be more hosts than memory has room for.

sarif, junit and ocsf are the hosts' own, put together (``joined.py``); the others are about all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.model.fleet import Fleet
    from fwaudit.render.style import Style

JOINED = ("sarif", "junit", "ocsf")
"""Formats that each host is rendered in by itself, by the worker that looks at it."""
FORMATS = ("table", "json", "markdown", "html", *JOINED[:2], "prometheus", "nagios", JOINED[2])


def render(fleet: Fleet, format: str, style: Style, top: int) -> Iterator[str]:
    """The whole text. ``top``: so many hosts and lines of a group in the formats for people, and in nagios."""
    if format in JOINED:
        yield from getattr(import_module("fwaudit.render.fleet.joined"), format)(fleet)
    elif format == "table":
        from fwaudit.render.fleet.table import render as table

        yield from table(fleet, style, top)
    else:
        yield from import_module(f"fwaudit.render.fleet.{format}").render(fleet, top)
