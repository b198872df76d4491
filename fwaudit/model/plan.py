"""A plan: what the fix would load, and what takes it back.

Every transaction is loaded by one run of one tool, which does all of it or nothing, and carries its own inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fwaudit.model.ruleset import Backend


@dataclass(frozen=True, slots=True)
class Transaction:
    """One atomic change. ``argv`` reads ``text`` on its standard input; ``undo`` is what it reads to take it back.

    ``family``: 4, 6, or 0 for both. ``table``, ``chain`` and ``jump_from`` say where our rules are and what jumps to
    them; nothing else is touched. ``replaces``: rules of ours were there already. ``document``: of an nft script, what
    ``nft -j list`` says once it is loaded.
    """

    title: str
    argv: tuple[str, ...]
    text: str
    undo: str
    backend: Backend
    family: Literal[0, 4, 6]
    table: str
    chain: str
    jump_from: str = ""
    replaces: bool = False
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """``transactions`` in the order in which they are loaded; none where there is nothing to do.

    ``refused``: why there is no plan, in sentences that name the rule; ``notes``: what the admin should know of it.
    ``allows``: sources that are let in although policy does not say so (``--allow``), in words.
    """

    transactions: tuple[Transaction, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()

    @property
    def rules(self) -> int:
        """How many rules it loads."""
        return sum(line.startswith(("-A ", "        ")) for each in self.transactions
                   for line in each.text.splitlines())
