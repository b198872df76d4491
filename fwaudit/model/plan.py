"""A plan: what the fix would load, what takes it back, and the proof of what it changes.

Every transaction is loaded by one run of one tool, which does all of it or nothing, and carries its own inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fwaudit.model.report import Exposure
from fwaudit.model.ruleset import Backend
from fwaudit.model.verdict import Query
from fwaudit.records import dataclass


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
        return sum(line.startswith(("-A ", "        ")) and not line.startswith("        type ")
                   for each in self.transactions for line in each.text.splitlines())


Becomes = Literal["closed", "restricted", "unchanged", "open"]


@dataclass(frozen=True, slots=True)
class Change:
    """One service in one family before and after. ``becomes``: *closed* (nobody whom policy denies gets in any more),
    *restricted* (fewer do), *unchanged*, or *open* (it should have closed, and the plan cannot do it)."""

    before: Exposure
    after: Exposure | None
    becomes: Becomes


@dataclass(frozen=True, slots=True)
class Witness:
    """A packet that a plan must not move, and what becomes of it before and after."""

    query: Query
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Proof:
    """``changes``: every service. ``moved``: packets that the plan must not move; it is refused where there are any.

    ``asked``: how many other questions were asked, each for all sources at once. ``needed``: it closes
    something, or differs from what an earlier fix has loaded."""

    changes: tuple[Change, ...]
    moved: tuple[Witness, ...]
    asked: int
    needed: bool

    @property
    def holds(self) -> bool:
        """Whether the plan may be offered."""
        return not self.moved

    @property
    def closes(self) -> tuple[Change, ...]:
        """What it closes or restricts."""
        return tuple(change for change in self.changes if change.becomes in ("closed", "restricted"))
