"""The text of one rule → conditions and target, quoting and all.

Most rules of a large ruleset differ in their addresses alone, so what is behind these is read once and kept
(docs/performance.md): the rest of a line is looked up as it stands, then by its pieces, one for each match and one for
the target; and only a rule that does not divide so plainly is taken apart word by word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from fwaudit.model.condition import All, Condition, Unknown
from fwaudit.model.ruleset import Continue, Goto, Jump, Target, Undecidable
from fwaudit.netfilter.matches import MATCHES
from fwaudit.netfilter.matches._option import Option, read_option
from fwaudit.netfilter.matches.basic import READERS, OtherFamily
from fwaudit.netfilter.rule_words import Apart, RuleError, take_apart, words_of
from fwaudit.netfilter.targets import TARGETS
from fwaudit.netfilter.targets._target import TargetKind
from fwaudit.records import NamedTuple

_COMMENT = ' -m comment --comment "'
_PIECE = re.compile(r" (?:! )?-[iop] [^\s!]\S*| -m \S+(?: (?!-m |(?:! )?-[a-zA-Z] )\S+)*")
_NOT_IN_TARGETS = frozenset({"-j", "-g", "-c"})
_UNSEEN: tuple[tuple[Condition, ...], str] = ((), "")


class RuleText(NamedTuple):
    """What one rule says, and ``text`` how. ``comment`` is the rule author's; ``counters`` are of ``-c packets bytes``.
    """

    conditions: tuple[Condition, ...]
    target: Target
    comment: str
    text: str
    counters: tuple[int, int] | None = None


_Pieces = dict[str, tuple[tuple[Condition, ...], str] | None]
_Named = tuple[str, RuleText]
"""The word behind ``-j`` or ``-g``, empty where there is none, and the rule. The same text is another rule where that
word is the name of a chain and where it is not, and for nothing else."""
_MOST_KEPT = 5000
_LONGEST_KEPT = 400
"""Rules and characters of one. A rule without a comment has a quarter of that."""
_LARGE = 500
"""Rules of a table, but for addresses, behind which no others are looked up: what is so large is one host's alone."""
_BEFORE: dict[int, tuple[_Pieces, _Pieces, dict[str, _Named]]] = {}


def _read_before(family: int) -> tuple[_Pieces, _Pieces, dict[str, _Named]]:
    """What was read of earlier dumps of a family: hosts of a fleet have most of their words in common, and most of
    their rules but for addresses. Reading them once saves a fifteenth of their audits."""
    found = _BEFORE.get(family)
    if found is None or len(found[0]) + len(found[1]) > _MOST_KEPT or len(found[2]) >= _MOST_KEPT:
        found = _BEFORE[family] = {}, {}, {}
    return found


class RuleReader:
    """Reads the rules of one dump, of ``family`` 4 or 6."""

    def __init__(self, family: int) -> None:
        self.family = family
        self._chains: Collection[str] = ()
        self.before: dict[str, RuleText] = {}  # what was read of this table
        self._pieces, self._fronts, self._rules = _read_before(family)
        self._backs: dict[str, Target | None] = {}

    def begin_table(self, chains: Collection[str]) -> None:
        """``chains`` are those that the table declares: the same words may be a jump in one and not in another."""
        self._chains = chains
        self.before.clear()
        self._backs.clear()

    def read(self, rest: str) -> RuleText:
        """What the part of a rule behind its chain and addresses says. Raises RuleError, OtherFamily."""
        found = self.before.get(rest)
        if found is None:
            found = self.before[rest] = self._read(rest)
        return found

    def read_all(self, rests: Iterable[str]) -> bool:
        """Read each of them, so that it is in `before`; False where one does not read so that `read` would raise."""
        before = self.before
        read = self._read if len(before) < _LARGE else self._read_anew
        try:
            for rest in rests:
                before[rest] = read(rest)
        except (RuleError, OtherFamily):
            return False
        return True

    def _read(self, rest: str) -> RuleText:
        """What a rule says, as it was read of an earlier dump or of this one."""
        named = self._rules.get(rest)
        if named is None or (named[0] in self._chains) is not isinstance(named[1].target, (Jump, Goto)):
            named = self._by_pieces(rest) or self._by_words(rest)
            if len(rest) <= _LONGEST_KEPT and "-A" not in rest and len(self._rules) < _MOST_KEPT:
                self._rules[rest] = named
        return named[1]

    def _read_anew(self, rest: str) -> RuleText:
        return (self._by_pieces(rest) or self._by_words(rest))[1]

    def _by_pieces(self, rest: str) -> _Named | None:
        """As `_by_words`, but looking up what is in front of ``-j`` and what is behind; None where it is not plain that
        the words may be divided so."""
        quoted, plain = "", rest
        if '"' in rest:
            before, _, behind = rest.partition(_COMMENT)
            quoted, closed, after = behind.partition('"')
            if not closed or after[:1] not in ("", " ") or "\\" in quoted or rest.count('"') != 2:
                return None
            plain = before + after
        front, jump, back = plain.partition(" -j ")
        target = self._backs.get(back)
        if target is None and jump:
            target = self._backs[back] = self._read_back(back)
        said = self._fronts.get(front, _UNSEEN)
        if said is _UNSEEN:
            said = self._fronts[front] = self._read_front(front)
        if target is None or said is None:
            return None
        conditions, comment = said
        comment = f"{quoted} {comment}" if quoted and comment else quoted or comment
        return back.partition(" ")[0], RuleText(conditions, target, comment, rest)

    def _read_front(self, front: str) -> tuple[tuple[Condition, ...], str] | None:
        """The conditions and the comment of what is in front of ``-j``, piece by piece."""
        pieces = _PIECE.findall(front)
        if "".join(pieces) != front or front.endswith((" -g", " -c")) or " -g " in front or " -c " in front:
            return None
        conditions: tuple[Condition, ...] = ()
        comments: list[str] = []
        for piece in pieces:
            said = self._pieces.get(piece, _UNSEEN)
            if said is _UNSEEN:
                said = self._pieces[piece] = self._read_piece(piece)
            if said is None:
                return None
            conditions += said[0]
            if said[1]:
                comments.append(said[1])
        return conditions, " ".join(comments)

    def _read_piece(self, piece: str) -> tuple[tuple[Condition, ...], str] | None:
        """The conditions and the comment of ``-m name`` with its options, or of one option of the rule itself; None
        where a word in it may belong to another part of the rule."""
        words = piece.split(" ")
        if len(words) == 5:  # one option with one argument, as nearly all of them are
            match = MATCHES.get(words[2])
            if match is not None and match.options.get(words[3]) == 1 and words[4][0] not in '"!' and words[1] == "-m":
                option = Option(words[3], False, (words[4],), f"{words[3]} {words[4]}")
                return _parts(match.parse((option,), self.family)), words[4] if words[2] == "comment" else ""
        try:
            apart = take_apart(words_of(piece))
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
        if back[:1] == "-":
            return None
        if back in self._chains:
            return Jump(back)
        words = back.split(" ")
        kind = TARGETS.get(words[0])
        if len(words) == 3 and kind is not None and kind.options.get(words[1]) == 1 and words[2][:1] not in '"!' \
                and words[0] not in self._chains:  # one option with one argument, as nearly all of them are
            return self._of_kind(kind, words[0], (Option(words[1], False, (words[2],), back[len(words[0]) + 1:]),))
        if not _NOT_IN_TARGETS.isdisjoint(words):
            return None
        try:
            if len(words) == 1:
                return self._target("-j", back, ())
            basics, groups, jumps = take_apart(["-j", *words_of(back)])
            if basics or groups:
                return None
            if kind is not None and kind.options and any(option.name not in kind.options for option in jumps[0][2]):
                return None
            return self._target(*jumps[0])
        except RuleError:
            return None

    def _by_words(self, rest: str) -> _Named:
        words = words_of(rest)
        for word, following in pairwise(words):
            if word.endswith("-A") and word != "-A" and following in self._chains:
                raise RuleError(f"another rule in the line: {word} {following}")
        apart = take_apart(words)
        conditions, comment = self._conditions(apart)
        target = self._target(*apart.jumps[0]) if apart.jumps else Continue("")
        counters = None
        for option in apart.basics:
            if option.name in ("-c", "--set-counters"):
                if not all(word.isdigit() for word in option.arguments):
                    raise RuleError(f"not counters: {option.text}")
                counters = (int(option.arguments[0]), int(option.arguments[1]))
        return apart.jumps[0][1] if apart.jumps else "", RuleText(conditions, target, comment, rest, counters)

    def _conditions(self, apart: Apart) -> tuple[tuple[Condition, ...], str]:
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
        for option in options:
            if not option.name and option.text[0] != "[":
                raise RuleError(f"words behind target {name}: {option.text}")
        return self._of_kind(kind, name, options)

    def _of_kind(self, kind: TargetKind, name: str, options: Sequence[Option]) -> Target:
        try:
            return kind.parse(options, self.family)
        except ValueError as error:
            return Undecidable(target_text(name, options), str(error))


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
