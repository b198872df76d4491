"""docs/coverage.md: which matches, targets, expressions and sets are decided, and which are not and why.

Nothing of it is written by hand but the sentences: what a row says is what the readers make of the lines in
tests/tables, of the rules in tests/data/nft, and of one set of each type.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/unit")]

from _tables import TABLES, read_table  # noqa: E402

from fwaudit.model.condition import (  # noqa: E402
    AddressType,
    All,
    AnyOf,
    Condition,
    InGroup,
    InSet,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.model.ruleset import Continue, Inline, Rule, Target, Undecidable  # noqa: E402
from fwaudit.netfilter import ipset, nft_json  # noqa: E402
from fwaudit.netfilter.denote import resolve, simplify  # noqa: E402
from fwaudit.netfilter.facts import Facts  # noqa: E402
from fwaudit.netfilter.matches import MATCHES  # noqa: E402
from fwaudit.netfilter.matches._option import Option  # noqa: E402
from fwaudit.netfilter.rule_words import take_apart, words_of  # noqa: E402
from fwaudit.netfilter.targets import TARGETS  # noqa: E402

PAGE = ROOT / "docs/coverage.md"
NFT = ROOT / "tests/data/nft"
_SOURCES: dict[type[Condition], str] = {
    AddressType: "addresses", InSet: "named sets", ReversePath: "routes", InGroup: "interface groups"}
_SETS = {
    "bitmap:ip": ("range 10.0.0.0/24", "10.0.0.1"), "bitmap:port": ("range 0-1023", "80"),
    "bitmap:ip,mac": ("range 10.0.0.0/24", "10.0.0.1,02:00:00:00:00:01"), "hash:ip": ("", "10.0.0.1"),
    "hash:mac": ("", "02:00:00:00:00:01"), "hash:ip,mac": ("", "10.0.0.1,02:00:00:00:00:01"),
    "hash:net": ("", "10.0.0.0/8"), "hash:net,net": ("", "10.0.0.0/8,192.0.2.0/24"),
    "hash:ip,port": ("", "10.0.0.1,tcp:80"),
    "hash:net,port": ("", "10.0.0.0/8,udp:53"), "hash:ip,port,ip": ("", "10.0.0.1,tcp:80,192.0.2.1"),
    "hash:ip,port,net": ("", "10.0.0.1,icmp:8/0,192.0.2.0/24"), "hash:ip,mark": ("", "10.0.0.1,0x1"),
    "hash:net,port,net": ("", "10.0.0.0/8,gre:0,192.0.2.0/24"), "hash:net,iface": ("", "10.0.0.0/8,eth0"),
    "list:set": ("", "members"),
}


def _parts(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        yield condition
        if isinstance(condition, All | AnyOf):
            yield from _parts(condition.parts)
        elif isinstance(condition, Not):
            yield from _parts((condition.part,))


def _why(conditions: Iterable[Condition]) -> list[str]:
    return list(dict.fromkeys(part.why for part in _parts(conditions) if isinstance(part, Unknown)))


def used(name: str, of: str) -> list[tuple[list[Option], int]]:
    """The options that the tables give to a match or target, with the family of the line."""
    found: list[tuple[list[Option], int]] = []
    for path in sorted(TABLES.glob("*/*.t")):
        for line in read_table(path):
            apart = take_apart(words_of(line.saved))
            groups = apart.groups if of == "match" else [(name, options) for _, name, options in apart.jumps]
            found += [(options, line.family) for each, options in groups if each == name]
    if not found and of == "match":  # another name of the same
        others = [other for other, match in MATCHES.items() if match is MATCHES[name] and other != name]
        return [each for other in others[:1] for each in used(other, of)]
    return found


def _options(options: Iterable[Option]) -> list[str]:
    return [option.name for option in options if option.name]


def matches() -> Iterator[str]:
    """A row for each match: whether it is decided, and with which options not."""
    yield "| match | decided | undecided, and on what |"
    yield "| --- | --- | --- |"
    for name, match in sorted(MATCHES.items()):
        decided: dict[str, None] = {}
        undecided: dict[str, list[str]] = {}
        needs: dict[str, None] = {}
        reasons: dict[str, None] = {}
        anything = doubted = False
        for options, family in used(name, "match"):
            condition = match.parse(options, family)
            parts = list(_parts((condition,)))
            needs.update({_SOURCES[type(part)]: None for part in parts if type(part) in _SOURCES})
            why = _why((condition,))
            if why:
                doubted = True
                reasons.update(dict.fromkeys(why))
                undecided.update(dict.fromkeys(_options(options), why))
            else:
                anything = True
                decided.update(dict.fromkeys(_options(options)))
        lacking = {option: why for option, why in undecided.items() if option not in decided}
        if not doubted:
            said = "yes" + (f", from the host's {' and '.join(needs)}" if needs else "")
            yield f"| `{name}` | {said} | |"
        elif not anything:
            yield f"| `{name}` | no | {'; '.join(reasons)} |"
        else:
            by_why: dict[str, list[str]] = {}
            for option, why in lacking.items():
                by_why.setdefault("; ".join(why), []).append(f"`{option}`")
            text = "; ".join(f"{', '.join(options)}: {why}" for why, options in by_why.items())
            yield f"| `{name}` | but for what stands beside it | {text or '; '.join(reasons)} |"


def _does(target: Target) -> str:
    if isinstance(target, Undecidable):
        return f"undecided: {target.why}" + ("" if target.terminal else "; the packet goes on")
    if type(target) is Continue:
        return "the packet goes on as it was"
    return {
        "Accept": "ends the chain", "Drop": "drops", "Reject": "drops, and tells the sender", "Return": "to the caller",
        "ChangeSet": "the packet goes on; whether it is in the set is undecided behind it",
        "NoTrack": "no connection, no NAT",
        "Dnat": "rewrites the destination", "Redirect": "to this host",
        "NetmapDnat": "rewrites the destination's network",
        "Snat": "rewrites the source", "SetMark": "sets a mark", "CopyMark": "copies a mark",
        "Template": "the packet goes on; zone, helper or timeout of its connection are set",
    }[type(target).__name__]


def targets() -> Iterator[str]:
    """A row for each target: what becomes of the packet."""
    yield "| target | what it does |"
    yield "| --- | --- |"
    for name, kind in sorted(TARGETS.items()):
        found: dict[str, list[str]] = {}
        for options, family in used(name, "target"):
            try:
                does = _does(kind.parse(options, family))
            except ValueError as error:
                does = f"undecided: {error}"
            found.setdefault(does, []).extend(_options(options))
        first, *others = found.items()
        shown = [first[0]]
        for does, options in others:
            own = [f"`{option}`" for option in dict.fromkeys(options) if option not in first[1]]
            shown.append(f"{', '.join(own)}: {does}" if own else f"or {does}")
        yield f"| `{name}` | {'; '.join(shown)} |"


def ipsets() -> Iterator[str]:
    """A row for each type of ipset."""
    yield "| type | decided |"
    yield "| --- | --- |"
    for kind in sorted(ipset.TYPES):
        options, element = _SETS[kind]
        text = f"create members hash:ip\nadd members 10.0.0.1\ncreate s {kind} {options}\nadd s {element}\n"
        sets = ipset.parse(re.sub(" +", " ", text))
        asked = InSet(("ipset", "s"), ("src", "dst", "dst"))
        why = _why((simplify(resolve(asked, Facts({}, frozenset({4}), sets), 4)),))
        yield f"| `{kind}` | {'yes' if not why else f'no: {why[0]}; of other addresses yes'} |"


def _rules(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        if isinstance(rule.target, Inline):
            yield from _rules(rule.target.rules)


_ENDS = re.compile(r" (?:accept|drop|counter|return|continue)$")


def nft() -> Iterator[str]:
    """A row for each reason why a rule of the tables in tests/data/nft is undecided, and all that are decided."""
    decided: dict[str, None] = {}
    undecided: dict[str, dict[str, None]] = {}
    for name in ("matches", "order"):
        document = json.loads((NFT / f"{name}.json").read_text(encoding="utf-8"))
        for table in nft_json.parse(document, source=name).tables:
            for chain in table.chains.values():
                for rule in chain.rules:
                    every = list(_rules((rule,)))
                    why = [each.target.why for each in every if isinstance(each.target, Undecidable)]
                    why += [reason for each in every for reason in _why(each.conditions)]
                    text = _ENDS.sub("", rule.text)
                    if not why:
                        decided[text] = None
                    for reason in dict.fromkeys(why):
                        undecided.setdefault(reason, {})[text] = None
    yield "| undecided, since it depends on | such as |"
    yield "| --- | --- |"
    for reason, texts in sorted(undecided.items()):
        yield f"| {reason} | {', '.join(f'`{_cell(text)}`' for text in list(texts)[:4])} |"
    yield ""
    yield f"Decided, among others: {', '.join(f'`{_cell(text)}`' for text in sorted(decided) if len(text) < 60)}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


BLOCKS = {"matches": matches, "targets": targets, "ipsets": ipsets, "nft": nft}
"""What stands between ``<!-- NAME … -->`` and ``<!-- end of NAME -->``."""


def page(text: str) -> str:
    """The page with its tables as they are now."""
    for name, rows in BLOCKS.items():
        begin, end = f"<!-- {name}: written by tests/docs/coverage_page.py -->\n", f"\n<!-- end of {name} -->"
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}{chr(10).join(rows())}{end}{rest.split(end, 1)[1]}"
    return text


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
