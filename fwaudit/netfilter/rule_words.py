"""The words of one rule: where one ends and the next begins, and which option belongs to which match or target."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fwaudit.netfilter.matches import MATCHES
from fwaudit.netfilter.matches._option import Option
from fwaudit.netfilter.matches.basic import READERS, protocol_number
from fwaudit.netfilter.targets import TARGETS
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.records import NamedTuple

_WORD = re.compile(r'[ \t]*(?:(?<= -[jgio] )(\S+)|("(?:[^"\\]|\\.)*"(?![^ \t])|[^ \t"][^ \t]*))', re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_COMMAND = re.compile(r"-[A-Z]$")
_JUMPS = frozenset({"-j", "--jump", "-g", "--goto"})
_BASICS: Mapping[str, int] = {name: reader.arguments for name, reader in READERS.items()}
_NAMES = frozenset({"-i", "-o"})  # printed without quotes, so quotes are a part of them
_NO_OPTIONS: Mapping[str, int] = {}


class RuleError(Exception):
    """A rule that cannot be one: the line is damaged or not of a dump. ``hint`` as in the errors of the project."""

    def __init__(self, message: str, hint: str = "Was the line cut, glued to another one, or edited by hand?") -> None:
        super().__init__(message)
        self.hint = hint


class OpenQuote(RuleError):
    """A quoted word goes on behind the end of the line, as one does that holds a line break."""


class Apart(NamedTuple):
    """The options of a rule by their owner: the rule itself, each ``-m``, and the target: (-j or -g, name, options)."""

    basics: list[Option]
    groups: list[tuple[str, list[Option]]]
    jumps: list[tuple[str, str, list[Option]]]


def words_of(text: str) -> list[str]:
    """The words of a rule as they stand, quoted ones with their quotes. Raises OpenQuote.

    The names behind ``-j``, ``-g``, ``-i`` and ``-o`` are printed as they are, so a quote is a part of them. Anything
    else that needs quotes has them around the whole word (libxtables xtables_save_string).
    """
    if '"' not in text:
        return [word for word in text.replace("\t", " ").split(" ") if word]
    words: list[str] = []
    at = 0
    text = text.rstrip(" \t")
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise OpenQuote("a quote without its end")
        words.append(found[1] or found[2])
        at = found.end()
    return words


def plain(word: str) -> str:
    """A word without its quotes and backslashes (xtables_save_string puts one before ``"``, ``\\`` and ``'``; reading
    back, iptables-restore takes any character behind one as it is, xshared.c add_param_to_argv)."""
    return _ESCAPE.sub(r"\1", word[1:-1]) if word[0] == '"' and len(word) > 1 else word


def take_apart(words: Sequence[str]) -> Apart:
    """Give each option to its owner. A dump prints it behind the match or target that it belongs to; in rules that were
    written by hand it may stand further back, and the match of the protocol may be left out."""
    apart = Apart([], [], [])
    owner, known = apart.basics, _BASICS
    at, end = 0, len(words)
    while at < end:
        start = at
        word = words[at]
        negated = word == "!"
        at += 1
        if negated:
            word = words[at] if at < end else ""
            at += 1
        if word in ("-m", "--match") or word in _JUMPS:
            if negated or at >= end or (word in _JUMPS and apart.jumps):
                raise RuleError(f"{' '.join(words[start:at + 1])} stands where it cannot")
            owner, name = [], words[at]
            at += 1
            if word in _JUMPS:
                apart.jumps.append((word, name, owner))
                target = TARGETS.get(name)
                known = target.options if target else _NO_OPTIONS
            else:
                apart.groups.append((name, owner))
                match = MATCHES.get(name)
                known = match.options if match else _NO_OPTIONS
            continue
        if word[:1] != "-":
            if not word:
                raise RuleError("a lone ! at the end")
            if known and word[0] != "[":  # "[unsupported revision]" is what iptables prints of a match it cannot show
                raise RuleError(f"a word that belongs to nothing: {word}")
            owner.append(Option("", negated, (plain(word),), " ".join(words[start:at])))
            continue
        count, mine = known.get(word), owner
        if count is None:
            count, mine = _owner(word, apart, owner, bool(known))
        if count != 0 and at < end and words[at] == "!":
            negated = True
            at += 1
        stop = at
        if count is None:
            while stop < end and words[stop] != "!" and words[stop][0] != "-":
                stop += 1
        else:
            stop += count
            if stop > end:
                raise RuleError(f"{word} without its argument")
        given = words[at:stop] if word in _NAMES else [plain(each) for each in words[at:stop]]
        mine.append(Option(word, negated, tuple(given),
                           " ".join(words[start:stop])))
        at = stop
    return apart


def _owner(word: str, apart: Apart, current: list[Option], strict: bool) -> tuple[int | None, list[Option]]:
    """(number of arguments, owner) of an option that the match or target in front of it does not know. ``strict``: that
    one's options are all known here, so that this is none of them. The number is None where nobody knows the option."""
    strict = strict or (bool(apart.jumps) and apart.jumps[0][1] in ("ACCEPT", "DROP", "RETURN"))
    if word in _BASICS and (strict or word[1] != "-"):
        return _BASICS[word], apart.basics
    if _COMMAND.match(word):
        raise RuleError(f"a second command in the line: {word}")
    if not strict:
        return None, current
    for name, options in reversed(apart.groups):
        match = MATCHES.get(name)
        if match is not None and word in match.options:
            return match.options[word], options
    for option in apart.basics:
        if option.name in ("-p", "--protocol") and option.arguments:
            name = _protocol_match(option.arguments[0])
            if name and word in MATCHES[name].options:
                apart.groups.append((name, []))
                return MATCHES[name].options[word], apart.groups[-1][1]
    return None, current


def _protocol_match(text: str) -> str:
    """The match that ``-p`` alone brings with it, empty where there is none."""
    try:
        number = protocol_number(text)
    except ValueError:
        return ""
    name = PROTOCOL_NAMES.get(number or 0, "")
    return name if name in MATCHES else ""
