"""``fwaudit findings``: the catalogue of what can be found, and a page on each."""

from __future__ import annotations

from typing import Annotated

import typer

from fwaudit.cli.options import NoColor

_HELP = """Print every kind of finding, or the page on one: what, why it hurts, how to see it yourself, how to fix it.

Examples:

  fwaudit findings

  fwaudit findings docker-bypasses-ufw
"""


def findings(
    id: Annotated[str, typer.Argument(metavar="[ID]", help="The finding to explain.", show_default=False)] = "",
    no_color: NoColor = False,
) -> int:
    from fwaudit.cli import OK
    from fwaudit.cli.output import screen, write
    from fwaudit.errors import UsageError
    from fwaudit.findings import pages
    from fwaudit.render import catalogue

    every = pages()
    if not id:
        write(catalogue.catalogue(every, screen(no_color)), "-")
        return OK
    for page in every:
        if page.id == id.strip().lower():
            write(catalogue.screen(page, screen(no_color)), "-")
            return OK
    raise UsageError(f"no such finding: {id}", _like(id, [page.id for page in every]))


findings.__doc__ = _HELP


def _like(id: str, every: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(id.lower(), every, 3, 0.5) or [each for each in every if id.lower() in each][:3]
    return f"Did you mean {' or '.join(near)}?" if near else "fwaudit findings lists all of them."
