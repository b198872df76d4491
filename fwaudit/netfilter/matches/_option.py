"""Options of a match or target: what a module is given to read, and the small readers that most modules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from fwaudit.model.condition import FALSE, TRUE, All, AnyOf, Condition, In, Not, Unknown
from fwaudit.packet.fields import MAX_PORT, Field
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import NamedTuple


class Option(NamedTuple):
    """One option of a rule: ``! --dport 80`` is ``("--dport", True, ("80",), "! --dport 80")``.

    ``arguments`` are without quotes and escapes, ``text`` is as printed. A stray word has an empty ``name``.
    """

    name: str
    negated: bool
    arguments: tuple[str, ...]
    text: str


class Reader(NamedTuple):
    """How one option reads: how many arguments it takes, and what they say to a rule of that family (4 or 6).

    ``read`` raises ValueError where the arguments make no sense; the option is then Unknown.
    """

    arguments: int
    read: Callable[[tuple[str, ...], int], Condition]


class Match(NamedTuple):
    """A match module: its options with the number of their arguments, and what a set of them denotes.

    ``options`` is what tells ``--comment -j`` from a jump: iptables-save prints such words without quotes.
    """

    options: Mapping[str, int]
    parse: Callable[[Sequence[Option], int], Condition]


def by_option(readers: Mapping[str, Reader]) -> Match:
    """A match whose options each are a condition of their own, all of which have to hold."""

    def parse(options: Sequence[Option], family: int) -> Condition:
        return all_of([read_option(option, readers, family) for option in options])

    return Match({name: reader.arguments for name, reader in readers.items()}, parse)


def read_option(option: Option, readers: Mapping[str, Reader], family: int) -> Condition:
    """What one option denotes; Unknown, with its whole text, where it is not known or does not read."""
    reader = readers.get(option.name)
    if reader is None or len(option.arguments) != reader.arguments:
        return Unknown(option.text, "option not known")
    try:
        condition = reader.read(option.arguments, family)
    except ValueError as error:
        return Unknown(option.text, f"does not read: {error}")
    return negate(condition) if option.negated else condition


def undecided(why: str, options: Mapping[str, int] | None = None, name: str = "") -> Match:
    """A match that a snapshot cannot decide, whatever its options are."""

    def parse(given: Sequence[Option], family: int) -> Condition:
        return Unknown(text_of(name, given), why)

    return Match(options or {}, parse)


def text_of(name: str, options: Iterable[Option]) -> str:
    """The match as the rule prints it."""
    return " ".join(["-m " + name, *(option.text for option in options)])


def negate(condition: Condition) -> Condition:
    """The opposite, in its shortest form."""
    if isinstance(condition, In):
        return In(condition.field, ~condition.values)
    if isinstance(condition, Not):
        return condition.part
    if condition == TRUE:
        return FALSE
    return TRUE if condition == FALSE else Not(condition)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Their conjunction, in its shortest form."""
    if len(conditions) == 1:
        return conditions[0]
    parts: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, All):
            parts += condition.parts
        else:
            parts.append(condition)
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Their disjunction, in its shortest form."""
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


def number(text: str, top: int = 0xFFFFFFFF) -> int:
    """A number as the C library reads one: decimal, 0x hexadecimal or 0 octal. Raises ValueError."""
    if not text.isascii() or "_" in text or not text[:1].isdigit():
        raise ValueError(f"not a number: {text!r}")
    if text[:2] in ("0x", "0X"):
        value = int(text, 16)
    else:
        value = int(text, 8 if len(text) > 1 and text[0] == "0" else 10)
    if value > top:
        raise ValueError(f"out of range: {text!r}")
    return value


def port(text: str) -> int:
    """One port number. Raises ValueError (service names are not printed by iptables-save)."""
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise ValueError(f"not a port: {text!r}")
    return int(text)


@lru_cache(maxsize=8192)
def port_range(text: str, separator: str = ":") -> tuple[int, int]:
    """``a``, ``a:b``, ``:b`` or ``a:`` as (low, high). Raises ValueError."""
    if text.isdigit():
        value = port(text)
        return value, value
    low, found, high = text.partition(separator)
    if not found:
        return port(low), port(low)
    first, last = port(low) if low else 0, port(high) if high else MAX_PORT
    if last < first or text == separator:
        raise ValueError(f"not a range of ports: {text!r}")
    return first, last


def ports_in(field: Field) -> Callable[[tuple[str, ...], int], Condition]:
    """A reader's ``read`` for one port or one range of ports."""

    def read(arguments: tuple[str, ...], family: int) -> Condition:
        return In(field, IntervalSet.range(*port_range(arguments[0])))

    return read


def mark_and_mask(text: str) -> tuple[int, int]:
    """``value[/mask]``; the mask is all ones where it is not given. Raises ValueError."""
    value, slash, mask = text.partition("/")
    return number(value), number(mask) if slash else 0xFFFFFFFF
