"""The formats that a checked report is written in, one module each. A report alone is one that was held to no policy
file, so every format serves ``fwaudit report`` and ``fwaudit check`` alike."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fwaudit.model.compliance import Checked

_NAMES = ("json", "markdown", "html", "sarif", "junit", "prometheus", "nagios", "ocsf")


def _lazily(name: str) -> Callable[[Checked], str]:
    """The renderer of a format, whose module is loaded when it is first needed."""

    def render(checked: Checked) -> str:
        module = import_module(f"fwaudit.render.{name}")
        text: str = module.render_checked(checked)
        return text

    return render


FORMATS: dict[str, Callable[[Checked], str]] = {name: _lazily(name) for name in _NAMES}
"""Format → renderer. The table for people knows its screen as well: `fwaudit.render.table` and `.check`."""
