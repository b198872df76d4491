"""What a target module gives to the registry, and readers that several modules share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from fwaudit.model.ruleset import Continue, Target, Undecidable
from fwaudit.netfilter.matches._option import Option
from fwaudit.records import NamedTuple


class TargetKind(NamedTuple):
    """A target module: its options with the number of their arguments, and what they do to a packet.

    ``parse`` raises ValueError where the options make no sense; the target is then Undecidable.
    """

    options: Mapping[str, int]
    parse: Callable[[Sequence[Option], int], Target]


def text_of(name: str, options: Iterable[Option]) -> str:
    """The target as the rule prints it."""
    return " ".join(["-j " + name, *(option.text for option in options)])


def passing(name: str, options: Mapping[str, int] | None = None) -> TargetKind:
    """A target behind which the packet goes on as it was, whatever the options are."""
    return TargetKind(options or {}, lambda given, family: Continue(name))


def undecidable(name: str, why: str, options: Mapping[str, int] | None = None, *, terminal: bool = True) -> TargetKind:
    """A target whose outcome the ruleset does not tell."""
    return TargetKind(options or {}, lambda given, family: Undecidable(text_of(name, given), why, terminal))


def only(options: Sequence[Option], known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The options by name. Raises ValueError for one that is not known, negated or there twice."""
    found: dict[str, tuple[str, ...]] = {}
    for option in options:
        if option.name not in known or option.negated:
            raise ValueError(f"option not known: {option.text}")
        if option.name in found:
            raise ValueError(f"option twice: {option.text}")
        found[option.name] = option.arguments
    return found
