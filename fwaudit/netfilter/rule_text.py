"""The text of one rule → conditions and target, quoting and all.

Most rules of a large ruleset differ in their addresses alone, so what is behind these is read once and kept
(docs/performance.md): the rest of a line is looked up as it stands, then by its pieces, one for each match and one for
the target; and only a rule that does not divide so plainly is taken apart word by word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from fwaudit.model.condition import All, Condition, Unknown
from fwaudit.model.ruleset import Continue, Goto, Jump, Target, Undecidable
from fwaudit.netfilter.matches import MATCHES
from fwaudit.netfilter.matches._option import Option, read_option
from fwaudit.netfilter.matches.basic import READERS, protocol_number
from fwaudit.netfilter.targets import TARGETS
from fwaudit.packet.fields import PROTOCOL_NAMES

_WORD = re.compile(r'[ \t]*(?:(?<= -[jgio] )(\S+)|("(?:[^"\\]|\\.)*"(?![^ \t])|[^ \t"][^ \t]*))', re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_COMMENT = re.compile(r' -m comment --comment "([^"\\]*)"(?= |$)')
_PIECE = re.compile(r" (?:! )?-[iop] [^\s!]\S*| -m \S+(?: (?!-m |(?:! )?-[a-zA-Z] )\S+)*")
_COMMAND = re.compile(r"-[A-Z]$")
_JUMPS = frozenset({"-j", "--jump", "-g", "--goto"})
_BASICS: Mapping[str, int] = {name: reader.arguments for name, reader in READERS.items()}
_NO_OPTIONS: Mapping[str, int] = {}
_UNSEEN: tuple[tuple[Condition, ...], str] = ((), "")


class RuleError(Exception):
    """A rule that cannot be one: the line is damaged or not of a dump. ``hint`` as in the errors of the project."""

    def __init__(self, message: str, hint: str = "Was the line cut, glued to another one, or edited by hand?") -> None:
        super().__init__(message)
        self.hint = hint


class OpenQuote(RuleError):
    """A quoted word goes on behind the end of the line, as one does that holds a line break."""


class RuleText(NamedTuple):
    """What one rule says. ``comment`` is the rule author's text; ``counters`` are of ``-c packets bytes``."""

    conditions: tuple[Condition, ...]
    target: Target
    comment: str
    counters: tuple[int, int] | None = None


class _Apart(NamedTuple):
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


class RuleReader:
    """Reads the rules of one dump, of ``family`` 4 or 6."""

    def __init__(self, family: int) -> None:
        self.family = family
        self._chains: Collection[str] = ()
        self._rules: dict[str, RuleText] = {}
        self._pieces: dict[str, tuple[tuple[Condition, ...], str] | None] = {}
        self._backs: dict[str, Target] = {}

    def begin_table(self, chains: Collection[str]) -> None:
        """``chains`` are those that the table declares: the same words may be a jump in one and not in another."""
        self._chains = chains
        self._rules.clear()
        self._backs.clear()

    def read(self, rest: str) -> RuleText:
        """What the part of a rule behind its chain and addresses says. Raises RuleError, OtherFamily."""
        found = self._rules.get(rest)
        if found is None:
            found = self._rules[rest] = self._by_pieces(rest) or self._by_words(rest)
        return found

    def _by_pieces(self, rest: str) -> RuleText | None:
        """As `_by_words`, but looking up what is in front of ``-j`` and what is behind; None where it is not plain that
        the words may be divided so."""
        quoted = ""
        if '"' in rest:
            commented = _COMMENT.search(rest)
            if commented is None or rest.count('"') != 2:
                return None
            quoted, rest = commented[1], rest[:commented.start()] + rest[commented.end():]
        front, jump, back = rest.partition(" -j ")
        if not jump or " -j " in back or " -g " in rest or " -c " in rest:
            return None
        target = self._backs.get(back)
        if target is None:
            target = self._read_back(back)
            if target is None:
                return None
            self._backs[back] = target
        pieces = _PIECE.findall(front)
        if "".join(pieces) != front:
            return None
        conditions: tuple[Condition, ...] = ()
        comment = quoted
        for piece in pieces:
            said = self._pieces.get(piece, _UNSEEN)
            if said is _UNSEEN:
                said = self._pieces[piece] = self._read_piece(piece)
            if said is None:
                return None
            conditions += said[0]
            if said[1]:
                comment = f"{comment} {said[1]}" if comment else said[1]
        return RuleText(conditions, target, comment)

    def _read_piece(self, piece: str) -> tuple[tuple[Condition, ...], str] | None:
        """The conditions and the comment of ``-m name`` with its options, or of one option of the rule itself; None
        where a word in it may belong to another part of the rule."""
        words = piece.split(" ")
        if len(words) == 5:  # one option with one argument, as nearly all of them are
            match = MATCHES.get(words[2])
            if match is not None and match.options.get(words[3]) == 1 and words[4][0] not in '"!' and words[1] == "-m":
                option = Option(words[3], False, (words[4],), f"{words[3]} {words[4]}")
                return self._conditions(_Apart([], [(words[2], [option])], []))
        try:
            apart = _take_apart(words_of(piece))
        except RuleError:
            return None
        for name, options in apart.groups:
            match = MATCHES.get(name)
            if match is None or (options and not match.options) or apart.basics:
                return None
            if any(option.name not in match.options for option in options):
                return None
        return self._conditions(apart)

    def _read_back(self, back: str) -> Target | None:
        """The target of ``-j back``, None where a word of it may be anything but the target's own."""
        words = back.split(" ")
        if len(words) == 1:
            return self._target("-j", back, ())
        kind = TARGETS.get(words[0])
        if len(words) == 3 and kind is not None and kind.options.get(words[1]) == 1 and words[2][:1] not in '"!':
            return self._target("-j", words[0], [Option(words[1], False, (words[2],), f"{words[1]} {words[2]}")])
        basics, groups, jumps = _take_apart(["-j", *words_of(back)])
        if basics or groups:
            return None
        if kind is not None and kind.options and any(option.name not in kind.options for option in jumps[0][2]):
            return None
        return self._target(*jumps[0])

    def _by_words(self, rest: str) -> RuleText:
        apart = _take_apart(words_of(rest))
        conditions, comment = self._conditions(apart)
        target = self._target(*apart.jumps[0]) if apart.jumps else Continue("")
        counters = None
        for option in apart.basics:
            if option.name in ("-c", "--set-counters"):
                if not all(word.isdigit() for word in option.arguments):
                    raise RuleError(f"not counters: {option.text}")
                counters = (int(option.arguments[0]), int(option.arguments[1]))
        return RuleText(conditions, target, comment, counters)

    def _conditions(self, apart: _Apart) -> tuple[tuple[Condition, ...], str]:
        """The conditions of a rule, in its order, and its comments."""
        out: list[Condition] = []
        comments: list[str] = []
        for option in apart.basics:
            out += _parts(read_option(option, READERS, self.family))
        for name, options in apart.groups:
            match = MATCHES.get(name)
            if match is None:
                out.append(Unknown(match_text(name, options), f"match {name} is not known here"))
                continue
            out += _parts(match.parse(options, self.family))
            if name == "comment":
                comments += [word for option in options for word in option.arguments]
        return tuple(out), " ".join(comments)

    def _target(self, how: str, name: str, options: Sequence[Option]) -> Target:
        is_goto = how in ("-g", "--goto")
        if name in self._chains:
            if options:
                raise RuleError(f"words behind the jump to chain {name}: {options[0].text}")
            return Goto(name) if is_goto else Jump(name)
        kind = TARGETS.get(name)
        if is_goto or (kind is None and not options):
            raise RuleError(f"{name!r} is neither a chain that this table declares nor a target that is known",
                            "A complete dump declares every chain: was a part of it left out?")
        if kind is None:
            return Undecidable(target_text(name, options), f"target {name} is not known here")
        if any(not option.name for option in options) and name in ("ACCEPT", "DROP", "RETURN"):
            raise RuleError(f"words behind target {name}: {options[0].text}")
        try:
            return kind.parse(options, self.family)
        except ValueError as error:
            return Undecidable(target_text(name, options), str(error))


def _take_apart(words: Sequence[str]) -> _Apart:
    """Give each option to its owner. A dump prints it behind the match or target that it belongs to; in rules that were
    written by hand it may stand further back, and the match of the protocol may be left out."""
    apart = _Apart([], [], [])
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
        mine.append(Option(word, negated, tuple([plain(given) for given in words[at:stop]]),
                           " ".join(words[start:stop])))
        at = stop
    return apart


def _owner(word: str, apart: _Apart, current: list[Option], strict: bool) -> tuple[int | None, list[Option]]:
    """(number of arguments, owner) of an option that the match or target in front of it does not know. ``strict``: that
    one's options are all known here, so that this is none of them. The number is None where nobody knows the option."""
    if word in _BASICS and (strict or word[1] != "-"):
        return _BASICS[word], apart.basics
    if _COMMAND.match(word):
        raise RuleError(f"a second command in the line: {word}")
    strict = strict or (bool(apart.jumps) and apart.jumps[0][1] in ("ACCEPT", "DROP", "RETURN"))
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


def match_text(name: str, options: Sequence[Option]) -> str:
    """``-m name`` and its options, as printed."""
    return " ".join([f"-m {name}", *(option.text for option in options)])


def target_text(name: str, options: Sequence[Option]) -> str:
    """``-j name`` and its options, as printed."""
    return " ".join([f"-j {name}", *(option.text for option in options)])


def _parts(condition: Condition) -> tuple[Condition, ...]:
    if isinstance(condition, All):
        return condition.parts
    return (condition,)
