"""What people and programs are told when something has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Notice:
    """One change, to be told. ``level``: ok, warning, critical or unknown; ``was``: the level before, empty where there
    is none that is known. ``headline``: one line. ``text``: all of it for people, with newlines and without control
    characters; ``data``: all of it for programs, as JSON has it. ``at``: when it was seen, in UTC."""

    host: str
    at: str
    level: str
    was: str
    headline: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
